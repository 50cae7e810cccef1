"""How long a dead worker's partitions stand still: a Faust app's, idle and starved.

Three workers forward ids from four partitions. One is killed (SIGKILL) and started again, over and
over; told is the longest silence of any partition around each kill, once with the processor free
and once with two busy loops for each core.

Run as ``python tests/bench/takeover.py [kills]``.
"""

import asyncio
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).parents[1]))

import psutil
from broker import Broker
from chaos.storm.foreign import PARTITIONS, SINK, SOURCE
from chaos.storm.processes import ForeignWorkers

from rhapsode.storage.log import Log, NewEntry
from rhapsode.storage.opening import open_log

PERIOD_S = 0.02
SETTLE_S = 6.0
"""From one kill to the next."""
LOOPS_A_CORE = 2


class Silences:
    """Feeds every partition, and notes when what was fed to it comes out."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._last_s = dict.fromkeys(range(PARTITIONS), time.monotonic())
        self._longest_s = 0.0

    async def feed(self) -> None:
        """Append an id to each partition again and again."""
        number = 0
        while True:
            for partition in range(PARTITIONS):
                entry = NewEntry(b"p%d" % partition, b"%d" % number)
                await self._log.append(SOURCE, partition, [entry])
            number += 1
            await asyncio.sleep(PERIOD_S)

    async def watch(self) -> None:
        """Read what comes out."""
        positions = {(SINK, number): 0 for number in range(PARTITIONS)}
        while True:
            found = await self._log.read(positions, limit=1_000, timeout_s=1.0)
            now_s = time.monotonic()
            for place, entries in found.items():
                positions[place] = entries[-1].offset + 1
                for source in {int((entry.key or b"")[1:]) for entry in entries}:
                    self._longest_s = max(self._longest_s, now_s - self._last_s[source])
                    self._last_s[source] = now_s

    def begin(self) -> None:
        """Forget what was longest."""
        self._longest_s = 0.0

    @property
    def longest_s(self) -> float:
        """The longest silence of any partition since, those that last included."""
        now_s = time.monotonic()
        return max(self._longest_s, *(now_s - last_s for last_s in self._last_s.values()))


@contextmanager
def busy_loops(count: int) -> Generator[None]:
    """Take the processor away."""
    words = [sys.executable, "-c", "while True: pass"]
    loops = [subprocess.Popen(words) for _ in range(count)]
    try:
        yield
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()


async def _kill_again_and_again(
    workers: ForeignWorkers, silences: Silences, kills: int
) -> list[float]:
    choice, took_s = random.Random(1), list[float]()
    for _ in range(kills):
        await asyncio.sleep(SETTLE_S / 2)
        silences.begin()
        psutil.Process(choice.choice(workers.running())).kill()
        await asyncio.sleep(SETTLE_S)
        while silences.longest_s > SETTLE_S:  # not yet taken over
            await asyncio.sleep(0.1)
            if silences.longest_s > 20 * SETTLE_S:
                raise TimeoutError("a partition stands still")
        took_s.append(silences.longest_s)
        await asyncio.to_thread(workers.restart)
        await asyncio.sleep(SETTLE_S)
    return took_s


async def measured(folder: Path, kills: int) -> None:
    """Print the figures."""
    server = Broker(folder / "broker", "takeover", fsync="everysec")
    server.start()
    log, _ = open_log(server.url, "rhapsode")
    workers = ForeignWorkers(folder, server.url)
    for topic in (SOURCE, SINK):
        await log.declare(topic, PARTITIONS)
    await asyncio.to_thread(workers.start)
    silences = Silences(log)
    tasks = [asyncio.create_task(silences.feed()), asyncio.create_task(silences.watch())]
    try:
        await asyncio.sleep(3 * SETTLE_S)
        _tell("idle", await _kill_again_and_again(workers, silences, kills))
        with busy_loops(LOOPS_A_CORE * (psutil.cpu_count() or 1)):
            await asyncio.sleep(SETTLE_S)
            _tell("starved", await _kill_again_and_again(workers, silences, kills))
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        workers.kill()
        await log.close()
        server.kill()


def _tell(name: str, took_s: list[float]) -> None:
    worst = sorted(took_s)[-3:]
    sys.stdout.write(
        f"{name:8s} {len(took_s)} kills: p50 {median(took_s):.2f} s, worst "
        f"{', '.join(f'{one:.2f}' for one in worst)} s\n"
    )
    sys.stdout.flush()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="takeover-") as temporary:
        asyncio.run(measured(Path(temporary), int(sys.argv[1]) if len(sys.argv) > 1 else 15))
