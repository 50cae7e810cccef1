"""Runs a storm: seeded faults, and what they did to a foreign app and to sessions."""

import asyncio
import random
import time
from collections.abc import Callable, Collection, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import msgspec
from ports import free_port
from system import Running, rhapsode

from rhapsode.storage.log import Log, UnreachableError
from rhapsode.storage.opening import open_log

from . import faults
from .checker import Verdict, judged
from .faults import Fault
from .feeding import Feeder, Storyteller
from .foreign import PARTITIONS, SINK, SOURCE
from .processes import ForeignWorkers, ProductWorkers
from .servers import Servers

RECOVERS_S = 60.0
ENDS_S = 180.0
GROUP = "foreign"
CHANGELOG = "foreign-counts-changelog"


@dataclass(slots=True)
class Outcome:
    """What a storm did."""

    seed: int
    destroying: frozenset[str] = frozenset()
    """Names of faults that destroy what was acknowledged."""
    struck: dict[str, list[float]] = field(default_factory=dict[str, list[float]])
    """By fault, the seconds after each in which the foreign app had caught up."""
    foreign: Verdict = field(default_factory=lambda: Verdict(0, 0, 0, 0))
    crashed: int = 0
    """Foreign workers that ended though nobody ended them."""
    began_anew: int = 0
    """Foreign workers that ended because what their tables were made of was lost."""
    tables_wrong: int = 0
    sessions: int = 0
    refused: int = 0
    """Stories that were not accepted, as the log was away."""
    unfinished: list[str] = field(default_factory=list[str])
    cut_off: list[str] = field(default_factory=list[str])
    """Sessions that were lost whole with the server's end: the gateway knows nothing of them."""
    differing: list[str] = field(default_factory=list[str])
    troubles: list[str] = field(default_factory=list[str])

    @property
    def held(self) -> bool:
        """Whether every promise was kept."""
        broken = self.unfinished or self.differing or self.troubles
        if self.cut_off and not self.destroying & self.struck.keys():
            return False
        return self.foreign.held and not (broken or self.crashed or self.tables_wrong)

    def table(self) -> str:
        """Return what is printed."""
        lines = [f"{'fault':<26}{'struck':>7}{'caught up: p50 s':>18}{'worst s':>9}"]
        for name, seconds in sorted(self.struck.items()):
            middle = sorted(seconds)[len(seconds) // 2]
            lines.append(f"{name:<26}{len(seconds):>7}{middle:>18.1f}{max(seconds):>9.1f}")
        foreign = self.foreign
        lines += [
            f"foreign app: {foreign.sent} records, lost {foreign.lost}, reordered "
            f"{foreign.reordered}, doubled {foreign.doubled}; workers crashed {self.crashed}, "
            f"begun anew as the log had lost its end {self.began_anew}, tables wrong "
            f"{self.tables_wrong}",
            f"sessions: {self.sessions}, unfinished {len(self.unfinished)}, differing "
            f"{len(self.differing)}, lost whole with the log's end {len(self.cut_off)}; refused "
            f"while the log was away {self.refused}",
            *([f"lost: {', '.join(foreign.first_lost)}"] if foreign.lost else []),
            *([f"late: {', '.join(foreign.first_late)}"] if foreign.reordered else []),
            *self.troubles,
            f"seed {self.seed}: {'held' if self.held else 'BROKEN'}",
        ]
        return "\n".join(lines)


class Storm:
    """Everything that runs in a storm, and what is done to it."""

    def __init__(
        self,
        folder: Path,
        seed: int,
        servers: Servers,
        told: Callable[[str], object] = lambda _: None,
    ) -> None:
        self._told = told
        self.choice = random.Random(seed)
        self.outcome = Outcome(seed, servers.destroying)
        self._servers = servers
        self._folder = folder
        self._runner = asyncio.Runner()
        self._log: Log
        self._foreign: ForeignWorkers
        self._product: ProductWorkers
        self._feeder: Feeder
        self._stories: Storyteller
        self._system: Running

    def run(self, rounds: int, only: Collection[str] = ()) -> Outcome:
        """Let faults strike, round by round; then hold what came out against what went in."""
        with self._everything():
            kinds = self._kinds()
            names = [name for name in kinds if not only or name in only]
            for number in range(rounds):
                # each kind in turn, shuffled: a short storm has seen most of them
                if number % len(names) == 0:
                    self.choice.shuffle(names)
                self._strike(names[number % len(names)], kinds[names[number % len(names)]])
            self._feeder.stop()
            self._stories.stop()
            self._judge()
        return self.outcome

    def _kinds(self) -> dict[str, Fault]:
        foreign, product = self._foreign, self._product
        return {
            "foreign worker killed": faults.killed(foreign),
            "foreign worker frozen": faults.stopped_for(foreign, faults.FREEZES_S),
            "foreign worker paused": faults.stopped_for(foreign, faults.PAUSES_S),
            "foreign worker left": faults.left(foreign),
            "worker killed": faults.killed(product),
            "worker frozen": faults.stopped_for(product, faults.FREEZES_S),
            "worker paused": faults.stopped_for(product, faults.PAUSES_S),
            "worker left": faults.left(product),
            "all workers at once": faults.fork_server_killed(product.fork_server),
            **self._servers.faults(foreign),
            "processor starved": faults.starved(),
            "foreign killed, starved": faults.killed_starved(foreign),
            "worker killed, starved": faults.killed_starved(product),
        }

    @contextmanager
    def _everything(self) -> Generator[None]:
        self._servers.start()
        url = self._servers.product_url
        self._log, _ = open_log(self._servers.url, "rhapsode")
        state = self._folder / "state"
        self._system = Running(
            state,
            port := free_port(),
            {"state": str(state), "port": str(port), "voices": "espeak", "redis_url": url},
        )
        self._feeder = Feeder(self._servers.url)
        self._stories = Storyteller(self._system.url)
        self._foreign = ForeignWorkers(self._folder, self._servers.broker_url)
        self._product = ProductWorkers(self._system)
        try:
            self._system.spawn("up", "up")
            self._system.wait_ready()
            self._product.start()
            self._runner.run(self._declare())
            self._foreign.start()
            self._feeder.start()
            self._stories.start()
            self._catch_up("the start")
            assert not self.outcome.troubles, self.outcome.troubles
            yield
        finally:
            self._foreign.kill()
            self._system.stop()
            self._runner.run(self._log.close())
            self._runner.close()
            self._servers.stop()

    async def _declare(self) -> None:
        for topic in (SOURCE, SINK):
            await self._log.declare(topic, PARTITIONS)

    def _strike(self, name: str, fault: Fault) -> None:
        try:
            fault(self.choice)
        except AssertionError as trouble:
            self.outcome.troubles.append(f"{name}: {trouble}")
        seconds = self._catch_up(name)
        self.outcome.struck.setdefault(name, []).append(seconds)
        self._told(f"{name}: caught up after {seconds:.1f} s")
        # who ended though nobody ended it is counted and replaced
        self._foreign.restart()
        self._product.restart()

    def _catch_up(self, name: str) -> float:
        """Wait until the foreign app has committed all that was there; return how long it took."""
        begun_s, wanted = time.monotonic(), dict(self._feeder.sent)
        while time.monotonic() < begun_s + RECOVERS_S:
            # what was sent may be lost with the log's end, and is sent again
            committed = self._runner.run(self._committed())
            if all(
                committed[number] >= min(end, self._feeder.sent[number])
                for number, end in wanted.items()
            ):
                return time.monotonic() - begun_s
            self._foreign.supervise()
            time.sleep(0.05)
        self.outcome.troubles.append(f"{name}: the foreign app stood still for {RECOVERS_S:.0f} s")
        return RECOVERS_S

    async def _committed(self) -> list[int]:
        try:
            found = [await self._log.committed(GROUP, SOURCE, n) for n in range(PARTITIONS)]
        except UnreachableError:
            return [0] * PARTITIONS
        return [position or 0 for position in found]

    # -- what came of it

    def _judge(self) -> None:
        self._catch_up("the end")
        self.outcome.crashed = self._foreign.crashed
        self.outcome.began_anew = self._foreign.began_anew
        try:
            self._foreign.stop()
        except AssertionError as trouble:
            self.outcome.troubles.append(f"the end: {trouble}")
        self.outcome.foreign = judged(self._feeder.sent, self._runner.run(self._came()))
        tables = self._runner.run(self._tables())
        self.outcome.tables_wrong = sum(
            tables.get(f"p{number}") != sent for number, sent in self._feeder.sent.items()
        )
        self.outcome.sessions = len(self._stories.sessions)
        self.outcome.refused = self._stories.refused
        for session in self._stories.sessions:
            self._judge_session(session)

    def _judge_session(self, session: str) -> None:
        answer = httpx.get(f"{self._system.url}/v1/sessions/{session}", trust_env=False)
        if answer.status_code == 404:
            self.outcome.cut_off.append(session)
            return
        try:
            progress = self._system.wait_finished(session, ENDS_S)
        except AssertionError:
            self.outcome.unfinished.append(session)
            return
        if (progress["state"], progress["error"]) != ("SUCCESS", ""):
            self.outcome.troubles.append(f"{session} ended with {progress['error']!r}")
        verified = rhapsode("replay", session, "--verify", **self._system.variables)
        if verified.returncode:
            self.outcome.differing.append(session)
            self.outcome.troubles.append(verified.stdout[-300:] + verified.stderr[-300:])

    async def _came(self) -> list[tuple[int, int]]:
        entries = await self._entries(SINK)
        return [(int(key[1:]), int(value)) for key, value in entries]

    async def _tables(self) -> dict[str, int]:
        """Return what a worker that recovers the table would have in it."""
        decode: Callable[[bytes], object] = msgspec.json.decode
        entries = await self._entries(CHANGELOG)
        return {str(decode(key)): int(str(decode(value))) for key, value in entries}

    async def _entries(self, topic: str) -> list[tuple[bytes, bytes]]:
        found: list[tuple[bytes, bytes]] = []
        for number in range(PARTITIONS):
            position = 0
            while entries := (await self._log.read({(topic, number): position}, limit=1_000)).get(
                (topic, number)
            ):
                found += [(entry.key or b"", entry.value or b"") for entry in entries]
                position = entries[-1].offset + 1
        return found
