"""Measured processes that read a topic: Faust on the log, keyed runners, the log, bare redis-py.

Each answers ``{"ready": true}`` once it can be sent records, and then with what it found: with
``count`` the seconds and CPU seconds that so many records took from the first read on, and the
latency of each record whose text is the time it was sent.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import faust
import redis.asyncio
import uvloop
from children import subject_from, tell

from rhapsode.agents.journal import Description, Journal
from rhapsode.codecs.encoding import decode
from rhapsode.codecs.records import Passage
from rhapsode.ops.metrics import PrometheusObserver
from rhapsode.ops.run.collecting import exempt_what_is_loaded
from rhapsode.ops.services import Services
from rhapsode.ops.settings import Settings
from rhapsode.storage.log import Entry, Log, TopicPartition
from rhapsode.storage.redis.keys import Keys
from rhapsode.topologies.bind import COMMIT_S, HEARTBEAT_S, LEASE_S, REBALANCE_S, bind
from rhapsode.topologies.engine.transport import Transport
from rhapsode.topologies.stage import Agent, Outputs, Resources, Stage

TOPIC = Passage.TOPIC
READ_LIMIT = 500
READ_TIMEOUT_S = 0.5


@dataclass(slots=True)
class Tally:
    """Counts records; its clocks start at the first read."""

    wanted: int
    latencies: bool
    seen: int = 0
    latencies_ms: list[float] = field(default_factory=list[float])
    done: asyncio.Event = field(default_factory=asyncio.Event)
    _started: tuple[float, float] = (0.0, 0.0)
    _ended: tuple[float, float] = (0.0, 0.0)

    def start(self) -> None:
        """Start the clocks unless they run."""
        if not self._started[0]:
            self._started = (time.perf_counter(), time.process_time())

    def count(self, sent_ns: str = "") -> None:
        """Count a record; ``sent_ns`` is the monotonic time it was sent at."""
        if self.latencies:
            self.latencies_ms.append((time.monotonic_ns() - int(sent_ns)) / 1e6)
        self.seen += 1
        if self.seen == self.wanted:
            self._ended = (time.perf_counter(), time.process_time())
            self.done.set()

    def found(self) -> dict[str, Any]:
        return {
            "records": self.seen,
            "wall_s": self._ended[0] - self._started[0],
            "cpu_s": self._ended[1] - self._started[1],
            "latencies_ms": self.latencies_ms,
        }


class MarkedLog:
    """The log, which says when it is read for the first time."""

    def __init__(self, log: Log, tally: Tally) -> None:
        self._log = log
        self._tally = tally

    def __getattr__(self, name: str) -> Any:
        return getattr(self._log, name)

    async def read(
        self, positions: Mapping[TopicPartition, int], **options: Any
    ) -> dict[TopicPartition, list[Entry]]:
        self._tally.start()
        return await self._log.read(positions, **options)


def services_on(url: str, namespace: str, partitions: int, folder: str) -> Services:
    return Services(
        Settings(redis_url=url, namespace=namespace, partitions=partitions, state=Path(folder))
    )


async def _measured(app: faust.App, tally: Tally) -> None:
    await app.start()
    try:
        while not app.consumer.assignment():
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.2)  # streams are resumed a moment after the assignment
        tell({"ready": True})
        await tally.done.wait()
        tell(tally.found())
    finally:
        await app.stop()


async def faust_path(services: Services, tally: Tally, group: str) -> None:
    """A Faust app as others write one: an agent that reads a stream, acknowledged by Faust."""
    data = services.settings.state / group
    data.mkdir(parents=True)
    app = faust.App(
        group,
        broker="redis://",
        datadir=str(data),
        autodiscover=False,
        topic_partitions=services.settings.partitions,
        topic_disable_leader=True,
        web_enabled=False,
        stream_wait_empty=False,
        broker_session_timeout=LEASE_S,
        broker_heartbeat_interval=HEARTBEAT_S,
        broker_rebalance_timeout=REBALANCE_S,
        broker_commit_interval=COMMIT_S,
        cython_optimizations=True,
    )
    log: Any = MarkedLog(services.log, tally)
    Transport.on(app, log, services.groups)

    async def consume(stream: Any) -> None:
        if tally.latencies:
            async for value in stream:
                tally.count(decode(value, Passage).text)
        else:
            async for _ in stream:
                tally.count()

    app.agent(app.topic(TOPIC, key_serializer="raw", value_serializer="raw"))(consume)
    await _measured(app, tally)


class MarkedServices(Services):
    """Services whose log is marked."""

    def __init__(self, settings: Settings, tally: Tally) -> None:
        super().__init__(settings)
        self._tally = tally

    @property
    def journal(self) -> Journal:
        marked: Any = MarkedLog(self.log, self._tally)
        return self._once("journal", lambda: Journal(marked, self.settings.partitions))


async def keyed_path(services: Services, tally: Tally, group: str) -> None:
    """A stage of ours that writes nothing."""

    async def consume(_: Description, passages: AsyncIterator[Passage]) -> Outputs:
        async for passage in passages:
            tally.count(passage.text)
        for batch in ():
            yield batch

    def build(_: Resources, __: Journal) -> Agent:
        return consume

    marked = MarkedServices(services.settings, tally)
    app = bind(
        Stage("nothing", sources=(TOPIC,), sinks=(), build=build),
        marked,
        marked.groups,
        namespace=group,
        data=services.settings.state / group,
        observer=PrometheusObserver(),
    )
    try:
        await _measured(app, tally)
    finally:
        await marked.close()


async def log_path(services: Services, tally: Tally, group: str) -> None:
    """The log without Faust: reads in a loop, as our follower reads, commits every half second."""
    partitions = range(services.settings.partitions)
    spans = [await services.log.span(TOPIC, number) for number in partitions]
    positions = {(TOPIC, number): spans[number].first for number in partitions}
    tell({"ready": True})
    tally.start()
    committed_s = time.monotonic()
    while not tally.done.is_set():
        found = await services.log.read(positions, limit=READ_LIMIT, timeout_s=READ_TIMEOUT_S)
        for place, entries in found.items():
            for entry in entries:
                tally.count(decode(entry.value or b"", Passage).text if tally.latencies else "")
            positions[place] = entries[-1].offset + 1
        if time.monotonic() - committed_s > COMMIT_S:
            committed_s = time.monotonic()
            for (topic, partition), position in positions.items():
                await services.log.commit(group, partition, {topic: position})
    tell(tally.found())


async def redis_path(services: Services, tally: Tally, group: str) -> None:
    """Bare redis-py as its manual shows it: XREAD in a loop, nothing stored, nothing decoded."""
    client: Any = redis.asyncio.Redis.from_url(services.settings.redis_url)
    keys = Keys(services.settings.namespace)
    after: dict[Any, Any] = {
        keys.stream(TOPIC, number).encode(): b"0-0"
        for number in range(services.settings.partitions)
    }
    await client.ping()
    tell({"ready": True})
    tally.start()
    while not tally.done.is_set():
        found = await client.xread(after, count=READ_LIMIT, block=int(READ_TIMEOUT_S * 1000))
        for stream, rows in found.items() if isinstance(found, dict) else found:
            for _, fields in rows:
                tally.count(decode(fields[b"v"], Passage).text if tally.latencies else "")
            after[stream] = rows[-1][0]
    tell(tally.found())
    await client.aclose()


PATHS = {"faust": faust_path, "keyed": keyed_path, "log": log_path, "redis": redis_path}


async def consume(
    path: str,
    url: str,
    namespace: str,
    partitions: int,
    folder: str,
    group: str,
    count: int,
    latencies: bool,
) -> None:
    services = services_on(url, namespace, partitions, folder)
    exempt_what_is_loaded()  # as a worker does; the reference gets it as well
    try:
        await PATHS[path](services, Tally(count, latencies), group)
    finally:
        await services.close()


if __name__ == "__main__":
    with contextlib.suppress(asyncio.CancelledError):
        uvloop.run(subject_from({"consume": consume}))
