"""``python -m chaos.soak`` in ``tests``: half of what a Faust app can do, for long.

Two workers forward contiguous ids and count them in a table, while workers leave, join and are
killed. Topics keep a minute. Told are the memory of workers and server, which must not grow, and
what was lost, doubled or out of order at the other end.
"""

import argparse
import asyncio
import os
import random
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from statistics import mean

import psutil
from broker import Broker

from rhapsode.storage.log import Log, NewEntry
from rhapsode.storage.opening import open_log

from .storm.foreign import PARTITIONS, SINK, SOURCE
from .storm.processes import ForeignWorkers

KEPT_S = 60.0
PERIOD_S = 0.05
FIRST_IDS = 20_000
"""So many are fed at once, to measure what the workers can do."""
STARTS_S = 60.0
SAMPLE_S = 5.0
FAULT_S = 45.0
KILLS = 0.3
"""Of the workers that go, so many are killed."""
SETTLED_S = 300.0
FLAT = 1.15
"""The last minutes may need so many times what the first ones did, once settled."""


@dataclass
class Account:
    """What came out at the other end, by the partition that it was fed to."""

    next_id: dict[int, int] = field(default_factory=lambda: dict.fromkeys(range(PARTITIONS), 0))
    doubled: int = 0
    lost: int = 0

    def note(self, partition: int, number: int) -> None:
        """Note an id: those that were passed over are lost, or out of order."""
        expected = self.next_id[partition]
        if number < expected:
            self.doubled += 1
            return
        self.lost += number - expected
        self.next_id[partition] = number + 1

    @property
    def seen(self) -> int:
        """How many different ids came."""
        return sum(self.next_id.values()) - self.lost


@dataclass(frozen=True)
class Sample:
    """What was in use at a time."""

    at_s: float
    worker_mb: float
    """Unique set size of the largest worker."""
    server_mb: float
    behind: int


class Soak:
    """Feeds, reads, disturbs and samples until its time is over."""

    def __init__(self, folder: Path, minutes: float, seed: int) -> None:
        os.environ["FOREIGN_KEPT_S"] = str(KEPT_S)
        self._folder = folder
        self._length_s = 60 * minutes
        self._choice = random.Random(seed)
        self._server = Broker(folder / "broker", "soak", fsync="everysec")
        self._account = Account()
        self._fed = 0
        self._samples: list[Sample] = []
        self._workers: ForeignWorkers

    async def run(self) -> bool:
        """Return whether nothing was lost and memory stayed flat."""
        self._server.start()
        log, _ = open_log(self._server.url, "rhapsode")
        self._workers = ForeignWorkers(self._folder, self._server.url, count=2)
        reading = asyncio.create_task(self._read(log))
        try:
            for topic in (SOURCE, SINK):
                await log.declare(topic, PARTITIONS)
            await asyncio.to_thread(self._workers.start)
            rate = await self._measured(log) / 2
            _tell(f"{2 * rate:.0f} records a second can be forwarded; half of it is fed")
            return await self._last(log, rate)
        finally:
            self._workers.kill()
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)
            await log.close()
            self._server.kill()

    async def _read(self, log: Log) -> None:
        positions = {(SINK, number): 0 for number in range(PARTITIONS)}
        while True:
            found = await log.read(positions, limit=2_000, timeout_s=1.0)
            for place, entries in found.items():
                positions[place] = entries[-1].offset + 1
                for entry in entries:
                    self._account.note(int((entry.key or b"")[1:]), int(entry.value or b""))

    async def _feed(self, log: Log, count: int) -> None:
        each = max(1, count // PARTITIONS)
        first = self._fed // PARTITIONS
        for number in range(PARTITIONS):
            key = b"p%d" % number
            entries = [NewEntry(key, b"%d" % one) for one in range(first, first + each)]
            await log.append(SOURCE, number, entries)
        self._fed += each * PARTITIONS

    async def _measured(self, log: Log) -> float:
        await self._feed(log, PARTITIONS)
        await self._caught_up(STARTS_S)
        begun_s = time.monotonic()
        for _ in range(FIRST_IDS // 1_000):
            await self._feed(log, 1_000)
        await self._caught_up(10 * STARTS_S)
        return FIRST_IDS / (time.monotonic() - begun_s)

    async def _caught_up(self, deadline_s: float) -> None:
        async with asyncio.timeout(deadline_s):
            while self._account.seen < self._fed:
                await asyncio.sleep(0.02)

    async def _last(self, log: Log, rate: float) -> bool:
        begun_s = time.monotonic()
        disturbing = asyncio.create_task(asyncio.to_thread(self._disturb, begun_s))
        fed_before, told_s = self._fed, 0.0
        while (now_s := time.monotonic() - begun_s) < self._length_s:
            owed = int(rate * now_s) - (self._fed - fed_before)
            if owed >= PARTITIONS:
                await self._feed(log, owed)
            if not self._samples or now_s >= self._samples[-1].at_s + SAMPLE_S:
                self._samples.append(await self._sample(log, now_s))
            if now_s >= told_s + 60:
                told_s = now_s
                self._tell_of(self._samples[-1])
            await asyncio.sleep(PERIOD_S)
        disturbances = await disturbing
        await self._caught_up(STARTS_S)
        return self._judge(disturbances)

    def _disturb(self, begun_s: float) -> int:
        """Have a worker go every so often, in a thread; return how often."""
        times = 0
        while time.monotonic() - begun_s + FAULT_S < self._length_s:
            time.sleep(FAULT_S)
            if self._choice.random() < KILLS:
                psutil.Process(self._choice.choice(self._workers.running())).kill()
                time.sleep(0.5)
                self._workers.restart()
            else:
                self._workers.leave(self._choice)
            times += 1
        return times

    async def _sample(self, log: Log, now_s: float) -> Sample:
        sizes = [0.0]
        for pid in self._workers.running():
            with suppress(psutil.Error):
                sizes.append(psutil.Process(pid).memory_full_info().uss / 1e6)
        used = await log.stored_bytes() / 1e6
        return Sample(now_s, max(sizes), used, self._fed - self._account.seen)

    def _tell_of(self, sample: Sample) -> None:
        _tell(
            f"{sample.at_s / 60:5.1f} min  {self._account.seen:9d} records  worker "
            f"{sample.worker_mb:5.1f} MB  server {sample.server_mb:6.1f} MB  behind "
            f"{sample.behind:6d}  doubled {self._account.doubled:5d}  lost {self._account.lost}"
        )

    def _judge(self, disturbances: int) -> bool:
        last_s = self._samples[-1].at_s
        settled_s = min(SETTLED_S, last_s / 3)
        first = [one for one in self._samples if settled_s <= one.at_s < 2 * settled_s]
        last = [one for one in self._samples if one.at_s >= last_s - settled_s]
        worker = mean(one.worker_mb for one in last) / mean(one.worker_mb for one in first)
        server = mean(one.server_mb for one in last) / mean(one.server_mb for one in first)
        account, crashed = self._account, self._workers.crashed
        _tell(
            f"{account.seen} records of {self._fed}, {disturbances} workers went: lost or out of "
            f"order {account.lost}, doubled {account.doubled}, crashed {crashed}; memory of the "
            f"last {settled_s / 60:.0f} minutes to the first once settled: worker {worker:.2f}, "
            f"server {server:.2f}"
        )
        return not account.lost and not crashed and max(worker, server) <= FLAT


def _tell(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main() -> int:
    """Soak; the status is 1 where a promise broke."""
    parser = argparse.ArgumentParser(prog="chaos.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="soak-") as folder:
        held = asyncio.run(Soak(Path(folder), asked.minutes, asked.seed).run())
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
