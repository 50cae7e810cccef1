"""Many texts at once: how soon each sounds once it is admitted, who runs dry, and what it takes."""

import asyncio
import statistics
import time
from dataclasses import dataclass, field

import psutil
from figures import Measured, percentile
from servers import System, system

from rhapsode.codecs.records import Admission, Event, Session

NAME = "many-at-once"
ALONE = 9
TEXTS, QUICK_TEXTS = 500, 60
POSTS_AT_ONCE = 16
MOST_S = 900.0
SAMPLE_S = 1.0


@dataclass(frozen=True, slots=True)
class Heard:
    """What the log says of one session, times in Unix ms."""

    accepted_ms: int
    admitted_ms: int
    published: tuple[tuple[int, float], ...]
    """When how many seconds of audio could be heard."""
    error: str

    @property
    def starts_ms(self) -> int:
        """From its admission to its first segment."""
        return self.published[0][0] - self.admitted_ms

    def dry_s(self) -> float:
        """Return the longest stall of somebody who listens from the first segment on."""
        first_ms, stalled_s, worst_s = self.published[0][0], 0.0, 0.0
        for (_, audio_s), (next_ms, _) in zip(self.published, self.published[1:], strict=False):
            late_s = (next_ms - first_ms) / 1000 - stalled_s - audio_s
            if late_s > 0:
                worst_s, stalled_s = max(worst_s, late_s), stalled_s + late_s
        return worst_s


@dataclass(slots=True)
class Memory:
    """What the processes hold for themselves (USS), in MB, and the sessions in production."""

    base: dict[int, float]
    most: dict[int, float] = field(default_factory=dict[int, float])
    producing: int = 0

    def sample(self) -> None:
        """Look at every process once."""
        for pid in self.base:
            self.most[pid] = max(self.most.get(pid, 0.0), _uss_mb(pid))


async def measure(*, quick: bool) -> Measured:
    """Post texts one after another, then all at once."""
    count = QUICK_TEXTS if quick else TEXTS
    measured = Measured(NAME, f"{count} texts of nine seconds at once, espeak-ng, as `up` runs it")
    async with system(voices="espeak") as running:
        alone = [await _alone(running, number) for number in range(ALONE)]
        names = {one.process.pid: one.name for one in running.supervisor.children if one.process}
        memory = Memory({pid: _uss_mb(pid) for pid in names})
        begun_s = time.monotonic()
        sessions = await _post(running, count)
        await _finish(running, sessions, memory)
        took_s = time.monotonic() - begun_s
        found = [await _heard(running, session) for session in sessions]
    _report(measured, alone, found, took_s)
    for pid, base in memory.base.items():
        growth = memory.most[pid] - base
        measured.add(f"memory of {names[pid]}, most", "MB", [memory.most[pid]])
        each = growth / max(1, memory.producing)
        measured.add(
            f"  beyond its base, for each of {memory.producing}", "MB", [each], wanted="< 1"
        )
    measured.notes.append(
        "by the log's time stamps; alone: one after another on an idle system; dry: who listens "
        "from the first segment on has to wait for the next; memory: USS, by the sessions in "
        "production at the same time"
    )
    return measured


def _text(number: int) -> str:
    return (
        f"This is story number {number}. The keeper climbed the stairs to the lamp, counted ninety "
        "steps, and looked out over a grey and quiet sea."
    )


async def _alone(running: System, number: int) -> Heard:
    session = await running.start(_text(10_000 + number))
    await running.finished(session)
    return await _heard(running, session)


async def _post(running: System, count: int) -> list[str]:
    slots = asyncio.Semaphore(POSTS_AT_ONCE)

    async def post(number: int) -> str:
        async with slots:
            return await running.start(_text(number))

    return list(await asyncio.gather(*(post(number) for number in range(count))))


async def _finish(running: System, sessions: list[str], memory: Memory) -> None:
    """Wait for the last of the sessions, which need not be the one that ends last."""
    events, left, end_s = (
        running.services.journal.of(Event),
        set(sessions),
        time.monotonic() + MOST_S,
    )
    while left:
        assert time.monotonic() < end_s, f"{len(left)} sessions have not ended in {MOST_S:.0f} s"
        memory.sample()
        places = await running.services.admissions.places()
        memory.producing = max(memory.producing, places.producing if places else 0)
        for session in list(left)[:50]:
            if (await events.state(f"{session}/publish")).closed:
                left.discard(session)
        await asyncio.sleep(SAMPLE_S)


async def _heard(running: System, session: str) -> Heard:
    journal = running.services.journal
    (accepted,) = await journal.of(Session).entries(session, 0)
    (admitted,) = await journal.of(Admission).entries(session, 0)
    entries = await journal.of(Event).entries(f"{session}/publish", 0)
    events = await journal.of(Event).records(f"{session}/publish", 0)
    published = [
        (entry.timestamp_ms, event.audio_s) for entry, event in zip(entries, events, strict=True)
    ]
    return Heard(accepted.timestamp_ms, admitted.timestamp_ms, tuple(published), events[-1].error)


def _report(measured: Measured, alone: list[Heard], found: list[Heard], took_s: float) -> None:
    starts = [one.starts_ms for one in found]
    before = [one.starts_ms for one in alone]
    measured.add("admission to first segment, median", "ms", starts, "alone", before, "<= 1.5")
    p95 = percentile(starts, 0.95)
    measured.add("admission to first segment, p95", "ms", [p95], "alone, median", before)
    dry = [one.dry_s() for one in found]
    measured.add("ran dry", "sessions", [sum(one > 0.001 for one in dry)], wanted="0")
    measured.add("  for at most", "s", [max(dry)])
    measured.add("failed", "sessions", [sum(bool(one.error) for one in found)], wanted="0")
    measured.add("texts a second", "1/s", [len(found) / took_s])
    by_acceptance = sorted(found, key=lambda one: one.accepted_ms)
    rank = {id(one): at for at, one in enumerate(sorted(found, key=lambda one: one.admitted_ms))}
    moved = [abs(rank[id(one)] - at) for at, one in enumerate(by_acceptance)]
    measured.add("places between acceptance and admission, p95", "", [percentile(moved, 0.95)])
    measured.add("  mean", "", [statistics.fmean(moved)])


def _uss_mb(pid: int) -> float:
    try:
        return float(psutil.Process(pid).memory_full_info().uss) / 1e6
    except psutil.Error:
        return 0.0
