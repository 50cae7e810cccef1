"""Many texts at once: how soon each sounds once it is admitted, who runs dry, and what it takes."""

import asyncio
import statistics
import time
from dataclasses import dataclass, field

import psutil
from figures import Measured, percentile
from heard import Heard, alone, heard_of, until_ended
from servers import System, system

from rhapsode.storage.admissions import Admissions

NAME = "many-at-once"
ALONE = 9
TEXTS, QUICK_TEXTS = 500, 60
POSTS_AT_ONCE = 16


@dataclass(slots=True)
class Memory:
    """What the processes hold for themselves (USS), in MB, and the sessions in production."""

    admissions: Admissions
    base: dict[int, float]
    most: dict[int, float] = field(default_factory=dict[int, float])
    producing: int = 0

    async def sample(self) -> None:
        """Look at every process once."""
        for pid in self.base:
            self.most[pid] = max(self.most.get(pid, 0.0), uss_mb(pid))
        places = await self.admissions.places()
        self.producing = max(self.producing, places.producing if places else 0)


async def measure(*, quick: bool) -> Measured:
    """Post texts one after another, then all at once."""
    count = QUICK_TEXTS if quick else TEXTS
    measured = Measured(NAME, f"{count} texts of nine seconds at once, espeak-ng, as `up` runs it")
    async with system(voices="espeak") as running:
        before = [await alone(running, _text(10_000 + number)) for number in range(ALONE)]
        names = {one.process.pid: one.name for one in running.supervisor.children if one.process}
        memory = Memory(running.services.admissions, {pid: uss_mb(pid) for pid in names})
        begun_s = time.monotonic()
        sessions = await _post(running, count)
        await until_ended(running, sessions, memory.sample)
        took_s = time.monotonic() - begun_s
        found = [await heard_of(running, session) for session in sessions]
    _report(measured, before, found, took_s)
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


async def _post(running: System, count: int) -> list[str]:
    slots = asyncio.Semaphore(POSTS_AT_ONCE)

    async def post(number: int) -> str:
        async with slots:
            return await running.start(_text(number))

    return list(await asyncio.gather(*(post(number) for number in range(count))))


def _report(measured: Measured, before: list[Heard], found: list[Heard], took_s: float) -> None:
    starts = [one.starts_ms for one in found]
    lone = [one.starts_ms for one in before]
    measured.add("admission to first segment, median", "ms", starts, "alone", lone, "<= 1.5")
    p95 = percentile(starts, 0.95)
    measured.add("admission to first segment, p95", "ms", [p95], "alone, median", lone)
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


def uss_mb(pid: int) -> float:
    """Return what a process holds for itself; 0 once it is gone."""
    try:
        return float(psutil.Process(pid).memory_full_info().uss) / 1e6
    except psutil.Error:
        return 0.0
