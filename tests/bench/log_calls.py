"""The log's calls beside bare redis-py that moves the same bytes on the same server."""

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import redis.asyncio
from children import cpu_of
from figures import Measured
from servers import log_server

from rhapsode.storage.log import Log, NewEntry, SequenceBatch
from rhapsode.storage.opening import open_log

NAME = "log"
SMALL = b"x" * 200
BATCH = 100
LARGE = b"x" * 48_000
LARGE_BATCH = 10
FIELDS = {"t": "1700000000000", "k": "session"}


@dataclass(slots=True)
class Cost:
    """What one kind of call took: records a second, and CPU us a record."""

    rate_hz: list[float] = field(default_factory=list[float])
    client_us: list[float] = field(default_factory=list[float])
    server_us: list[float] = field(default_factory=list[float])


@dataclass(slots=True)
class Bare:
    """redis-py as its manual shows it: pipelines of XADD, a loop of XREAD."""

    client: Any

    async def add(self, stream: str, value: bytes, count: int) -> None:
        pipe = self.client.pipeline(transaction=False)
        for _ in range(count):
            pipe.xadd(stream, {**FIELDS, "v": value})
        await pipe.execute()

    async def read_all(self, stream: str, count: int) -> int:
        after: Any = "0-0"
        read = 0
        while found := await self.client.xread({stream: after}, count=count):
            rows = found[stream.encode()] if isinstance(found, dict) else found[0][1]
            read += len(rows)
            after = rows[-1][0]
        return read


@dataclass(slots=True)
class Ours:
    """The same through the log: all or none, with contiguous offsets and a time index."""

    log: Log
    positions: dict[str, int] = field(default_factory=dict[str, int])

    async def append(self, topic: str) -> None:
        await self.log.append(topic, 0, [NewEntry(b"session", SMALL)] * BATCH)

    async def append_at(self, topic: str) -> None:
        at = self.positions.get(topic, 0)
        self.positions[topic] = at + LARGE_BATCH
        batches = [
            SequenceBatch(topic, "session", number, number + 1, b"session", (LARGE,))
            for number in range(at, at + LARGE_BATCH)
        ]
        await self.log.append_at(0, batches)

    async def read_all(self, topic: str, count: int) -> int:
        position = 0
        read = 0
        while found := await self.log.read({(topic, 0): position}, limit=count):
            ((_, entries),) = found.items()
            read += len(entries)
            position = entries[-1].offset + 1
        return read


async def measure(*, quick: bool) -> Measured:
    """Make each call by ours and bare in turn, several times."""
    rounds = 1 if quick else 5
    small, large = (50, 20) if quick else (200, 60)
    measured = Measured(NAME, "calls of the log and of bare redis-py on the same server")
    costs: dict[str, tuple[Cost, Cost]] = {}
    with log_server() as (server, _):
        log, _ = open_log(server.url, "bench")
        client: Any = redis.asyncio.Redis.from_url(server.url)
        ours, bare = Ours(log), Bare(client)
        assert server.pid is not None
        clock = _Clock(server.pid)
        for number in range(rounds):
            for what, calls, mine, theirs in _calls(ours, bare, number, small, large):
                pair = costs.setdefault(what, (Cost(), Cost()))
                await clock.time(mine, calls, pair[0])
                await clock.time(theirs, calls, pair[1])
            for topic in (f"small-{number}", f"large-{number}"):
                span = await log.span(topic, 0)
                await log.trim(topic, 0, span.next)
                await client.delete(topic)
        await log.close()
        await client.aclose()
    _report(measured, costs)
    return measured


Call = Callable[[], Awaitable[Any]]


def _calls(
    ours: Ours, bare: Bare, number: int, small: int, large: int
) -> list[tuple[str, tuple[int, int], Call, Call]]:
    """Return what is called, how often and of how many records each, and both ways to call it."""
    few, many = f"large-{number}", f"small-{number}"
    return [
        (
            f"append, {BATCH} x 200 B",
            (small, BATCH),
            lambda: ours.append(many),
            lambda: bare.add(many, SMALL, BATCH),
        ),
        (
            f"read, {BATCH} x 200 B",
            (1, small * BATCH),
            lambda: ours.read_all(many, BATCH),
            lambda: bare.read_all(many, BATCH),
        ),
        (
            f"place, {LARGE_BATCH} x 48 KB",
            (large, LARGE_BATCH),
            lambda: ours.append_at(few),
            lambda: bare.add(few, LARGE, LARGE_BATCH),
        ),
        (
            f"read, {LARGE_BATCH} x 48 KB",
            (1, large * LARGE_BATCH),
            lambda: ours.read_all(few, LARGE_BATCH),
            lambda: bare.read_all(few, LARGE_BATCH),
        ),
    ]


@dataclass(frozen=True, slots=True)
class _Clock:
    """Times calls by wall and by the CPU of this process and of the server."""

    server: int

    async def time(self, call: Call, calls: tuple[int, int], cost: Cost) -> None:
        count, records = calls
        before = time.perf_counter(), time.process_time(), cpu_of(self.server)
        for _ in range(count):
            await call()
        wall_s = time.perf_counter() - before[0]
        client_s, server_s = time.process_time() - before[1], cpu_of(self.server) - before[2]
        cost.rate_hz.append(count * records / wall_s)
        cost.client_us.append(client_s / (count * records) * 1e6)
        cost.server_us.append(server_s / (count * records) * 1e6)


def _report(measured: Measured, costs: dict[str, tuple[Cost, Cost]]) -> None:
    for what, (ours, bare) in costs.items():
        reference = "XREAD" if what.startswith("read") else "pipeline of XADD"
        measured.add(what, "records/s", ours.rate_hz, reference, bare.rate_hz)
    for what, (ours, bare) in costs.items():
        unit = "us/record"
        measured.add(f"{what}: CPU, client", unit, ours.client_us, "redis-py", bare.client_us)
        measured.add(f"{what}: CPU, server", unit, ours.server_us, "Valkey", bare.server_us)
    measured.notes.append(
        "ours are all or none, fenced on demand, with contiguous offsets, a time index and (place) "
        "idempotent; the pipelines are none of that; the server's CPU is counted in steps of 10 ms"
    )
