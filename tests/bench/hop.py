"""How long a record takes from one stage's hand to the next one's, at 500 records a second."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import faststream_consumer
from children import child
from figures import Measured, percentile
from servers import log_server

from rhapsode.agents.journal import Journal
from rhapsode.codecs.encoding import encode
from rhapsode.codecs.records import Passage, Session
from rhapsode.storage.log import Log, SequenceBatch, partition_of
from rhapsode.storage.opening import open_log

NAME = "hop"
PARTITIONS = 8
RATE_HZ = 500
WRITERS = 4
SESSIONS = 16
NAMES = {
    "faust": "Faust path",
    "keyed": "keyed runner",
    "log": "log path",
    "redis": "bare redis-py",
    "faststream": "FastStream",
}
Send = Callable[[int], Awaitable[Any]]
"""Sends the record of this number, which holds the time."""


async def measure(*, quick: bool) -> Measured:
    """Send at a steady rate to each path in turn, several times."""
    records = RATE_HZ * (1 if quick else 2)
    rounds = 1 if quick else 3
    paths = ["faust", "keyed", "log", "redis"]
    measured = Measured(NAME, f"latency of a hop at {RATE_HZ} records/s")
    if faststream_consumer.INSTALLED:
        paths.append("faststream")
    else:
        measured.notes.append(faststream_consumer.HOW)
    p50: dict[str, list[float]] = {path: [] for path in paths}
    p99: dict[str, list[float]] = {path: [] for path in paths}
    with log_server() as (server, folder):
        for number in range(rounds):
            for path in paths:
                group = f"{path}-{number}"
                if path == "faststream":
                    latencies_ms = await _faststream(server.url, group, records)
                else:
                    latencies_ms = await _ours(server.url, str(folder), path, group, records)
                p50[path].append(percentile(latencies_ms, 0.50))
                p99[path].append(percentile(latencies_ms, 0.99))
    for path in paths:
        if path != "redis":
            measured.add(f"{NAMES[path]}, p50", "ms", p50[path], NAMES["redis"], p50["redis"])
            limit = "< 10 ms" if path in ("faust", "keyed") else ""
            measured.add(
                f"{NAMES[path]}, p99", "ms", p99[path], NAMES["redis"], p99["redis"], limit
            )
    measured.notes.append(
        "from just before a record is appended in one process until an agent in another has it; "
        f"{records:,} records a run"
    )
    return measured


async def _ours(url: str, folder: str, path: str, group: str, records: int) -> list[float]:
    log, _ = open_log(url, group)
    await log.declare(Passage.TOPIC, PARTITIONS)
    await log.declare(Session.TOPIC, PARTITIONS)
    journal = Journal(log, PARTITIONS)
    for number in range(SESSIONS):
        await journal.append(Session(session=f"session-{number}", last=True))
    try:
        async with child(
            "consumers.py",
            "consume",
            path=path,
            url=url,
            namespace=group,
            partitions=PARTITIONS,
            folder=folder,
            group=group,
            count=records,
            latencies=True,
        ) as consumer:
            await consumer.heard()
            await _steadily(records, lambda number: _append(log, number))
            return list((await consumer.heard())["latencies_ms"])
    finally:
        await log.close()


async def _faststream(url: str, group: str, records: int) -> list[float]:
    async with child(
        "faststream_consumer.py",
        "consume",
        url=url,
        group=group,
        count=records,
        batch=False,
        latencies=True,
    ) as consumer:
        await consumer.heard()
        async with faststream_consumer.publisher(url) as publish:
            await _steadily(records, lambda _: publish(str(time.monotonic_ns())))
            return list((await consumer.heard())["latencies_ms"])


async def _append(log: Log, number: int) -> None:
    # each writer has sessions of its own, and so never leaves a gap on another's sequence
    session = f"session-{number % SESSIONS}"
    seq = number // SESSIONS
    value = encode(Passage(session=session, seq=seq, item=0, text=str(time.monotonic_ns())))
    batch = SequenceBatch(Passage.TOPIC, session, seq, seq + 1, session.encode(), (value,))
    await log.append_at(partition_of(session.encode(), PARTITIONS), [batch])


async def _steadily(records: int, send: Send) -> None:
    clock = asyncio.get_running_loop().time
    started_s = clock() + 0.05

    async def write(first: int) -> None:
        for number in range(first, records, WRITERS):
            await asyncio.sleep(started_s + number / RATE_HZ - clock())
            await send(number)

    await asyncio.gather(*(write(first) for first in range(WRITERS)))
