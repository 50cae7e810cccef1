"""What was sent and lost is sent again where nothing that is read again would: beside events on any
server, and on a Cluster all, as another master may keep what led to it as committed."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import faust
import pytest

from rhapsode.storage.log import Groups, NewEntry, Span, UnreachableError
from rhapsode.storage.memory.groups import MemoryGroups
from rhapsode.storage.memory.log import MemoryLog
from rhapsode.topologies.engine import recently_sent, resending
from rhapsode.topologies.engine.link import OWN_REPLIES
from rhapsode.topologies.engine.lost_tables import LostTablesError

from .faust_apps import PARTITIONS, app_on, fill, started, until

COUNT = 40


def entry(number: int) -> NewEntry:
    return NewEntry(key=b"%d" % number, value=b"%d" % number)


@asynccontextmanager
async def forwarding(
    data: Path, log: MemoryLog | None = None
) -> AsyncGenerator[tuple[MemoryLog, faust.App]]:
    """Run an app that sends on what it reads."""
    log = log or MemoryLog(ends_apart=True)
    await fill(log, "in", COUNT)
    await log.declare("out", PARTITIONS)
    app = forwarder(log, MemoryGroups(log), data / "app")
    async with started(app):
        yield log, app


def forwarder(log: MemoryLog, groups: Groups, data: Path, *, straight: bool = False) -> faust.App:
    """Return an app that sends on by key, or straight on: to the partition of the same number."""
    app = app_on(log, groups, data)
    sink = app.topic("out", key_serializer="raw", value_serializer="raw")

    async def forward(stream: Any) -> None:
        async for event in stream.events():
            where = event.message.partition if straight else None
            await sink.send(key=event.key, value=event.value, partition=where)

    app.agent(app.topic("in", key_serializer="raw", value_serializer="raw"))(forward)
    return app


async def values(log: MemoryLog, topic: str) -> list[int]:
    found: list[int] = []
    for number in range(PARTITIONS):
        for entry in (await log.read({(topic, number): 0})).get((topic, number), []):
            found.append(int(entry.value or b""))
    return found


async def forwarded(log: MemoryLog, count: int) -> None:
    async with asyncio.timeout(10):
        while len(await values(log, "out")) < count or sum((await log.lag("app", "in")).values()):
            await asyncio.sleep(0.01)


async def one_more(log: MemoryLog, number: int) -> None:
    await log.append("in", 0, [entry(number)])


async def test_what_was_sent_and_lost_is_sent_again_though_it_is_committed(tmp_path: Path) -> None:
    async with forwarding(tmp_path) as (log, _):
        await forwarded(log, COUNT)
        log.lose("out", 1, (await log.span("out", 1)).next // 2)
        await one_more(log, COUNT)  # whoever waits for records learns of a loss with the next one
        await forwarded(log, COUNT + 1)
        assert sorted(await values(log, "out")) == list(range(COUNT + 1))


async def test_each_loss_is_mended_once(tmp_path: Path) -> None:
    async with forwarding(tmp_path) as (log, _):
        for times, number in enumerate((1, 2, 1)):
            await forwarded(log, COUNT + times)
            log.lose("out", number, (await log.span("out", number)).next - 3)
            await one_more(log, COUNT + times)
        await forwarded(log, COUNT + 3)
        assert sorted(await values(log, "out")) == list(range(COUNT + 3))


async def test_a_rebalance_before_the_next_read_hides_no_loss(tmp_path: Path) -> None:
    async with forwarding(tmp_path) as (log, app):
        await forwarded(log, COUNT)
        log.lose("out", 1, 0)
        cast("Any", app.consumer).membership.rejoin()  # as when another worker joins
        await forwarded(log, COUNT)
        assert sorted(await values(log, "out")) == list(range(COUNT))


async def test_what_was_lost_is_sent_again_before_another_sends_what_follows_it(
    tmp_path: Path,
) -> None:
    async with forwarding(tmp_path) as (log, first):
        await forwarded(log, COUNT)
        for number in range(PARTITIONS):
            log.lose("out", number, 2)
        second = forwarder(log, cast("Any", first.transport).groups, tmp_path / "second")
        async with started(second):
            await until(lambda: bool(second.consumer.assignment()))
            for number in range(COUNT, 2 * COUNT):
                await log.append("in", number % PARTITIONS, [entry(number)])
            await forwarded(log, 2 * COUNT)
        for number in range(PARTITIONS):
            found = (await log.read({("out", number): 0}))["out", number]
            firsts = list(dict.fromkeys(int(one.value or b"") for one in found))
            for source in range(PARTITIONS):
                of_one = [value for value in firsts if value % PARTITIONS == source]
                assert of_one == sorted(of_one)


async def test_what_was_sent_beside_events_and_lost_is_sent_again_on_one_server_too(
    tmp_path: Path,
) -> None:
    async with forwarding(tmp_path, MemoryLog()) as (log, app):
        await forwarded(log, COUNT)
        sink = app.topic("out", key_serializer="raw", value_serializer="raw")
        for number in range(100, 110):
            await sink.send(key=b"beside", value=b"%d" % number)
        await forwarded(log, COUNT + 10)
        for number in range(PARTITIONS):
            log.lose("out", number, 0)
        await one_more(log, COUNT)
        await forwarded(log, 11)
        # what was sent for events comes again with them: their commits are lost, too
        assert sorted(await values(log, "out")) == [COUNT, *range(100, 110)]


class Withholding(MemoryLog):
    """A log that says that it has stored replies, and keeps them to itself for a while."""

    withholds = False

    def __init__(self) -> None:
        super().__init__()
        self.kept: list[NewEntry] = []

    async def append(
        self, topic: str, partition: int, entries: Sequence[NewEntry], **kwargs: Any
    ) -> int:
        if self.withholds and topic.startswith(OWN_REPLIES):
            self.kept += entries
            return (await self.span(topic, partition)).next
        return await super().append(topic, partition, entries, **kwargs)


async def test_answers_that_take_the_places_of_lost_ones_are_heard(tmp_path: Path) -> None:
    log = Withholding()
    app = app_on(log, MemoryGroups(log), tmp_path / "app")

    async def double(stream: Any) -> Any:
        async for number in stream:
            yield 2 * number

    doubling: Any = app.agent(app.topic("double", value_type=int), name="double")(double)
    async with started(app), asyncio.timeout(30):
        assert [await doubling.ask(number) for number in range(10)] == list(range(0, 20, 2))
        (replies,) = [topic for topic in await log.topics() if topic.startswith(OWN_REPLIES)]
        log.withholds = True
        asked = asyncio.ensure_future(doubling.ask(21))
        while not log.kept or sum((await log.lag("app", "double")).values()):
            await asyncio.sleep(0.01)
        log.withholds = False
        log.lose(replies, 0, 2)  # ten were heard; the answer is the third now
        await log.append(replies, 0, 8 * log.kept)
        assert await asked == 42


async def test_who_stops_looks_once_more_whether_what_it_sent_is_there(tmp_path: Path) -> None:
    async with forwarding(tmp_path) as (log, _):
        await forwarded(log, COUNT)
        log.lose("out", 1, 0)
    assert sorted(await values(log, "out")) == list(range(COUNT))


async def test_a_rebalance_before_the_next_read_hides_no_loss_from_tables(tmp_path: Path) -> None:
    log = MemoryLog(ends_apart=True)
    await fill(log, "in", COUNT)
    app = app_on(log, MemoryGroups(log), tmp_path / "app")
    table: Any = app.Table("counts", default=int, partitions=PARTITIONS)
    seen: list[int] = []

    @app.agent(app.topic("in", key_serializer="raw", value_serializer="raw"))
    async def count(stream: Any) -> None:  # pyright: ignore[reportUnusedFunction]
        async for value in stream:
            table[value.decode()] += 1
            seen.append(int(value))

    await app.start()
    try:
        await until(lambda: len(seen) == COUNT)
        changelog = table.changelog_topic.get_topic_name()
        log.lose(changelog, 1, 0)
        cast("Any", app.consumer).membership.rejoin()
        await until(lambda: app.crashed)
        assert isinstance(app.crash_reason, LostTablesError)
    finally:
        await app.stop()


async def test_what_follows_a_loss_comes_behind_what_was_lost(tmp_path: Path) -> None:
    async with sending(tmp_path, MemoryLog()) as (log, app):
        for number in range(20):
            await send(app, number)
        log.lose("out", 0, 12)  # and nothing is read that would tell of it
        for number in range(20, 30):
            await send(app, number)
        assert await values(log, "out") == list(range(30))


async def test_who_sends_nothing_more_notices_a_loss_by_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resending, "LOOK_S", 0.05)
    async with sending(tmp_path, MemoryLog()) as (log, app):
        for number in range(20):
            await send(app, number)
        log.lose("out", 0, 12)
        async with asyncio.timeout(10):
            while await values(log, "out") != list(range(20)):
                await asyncio.sleep(0.01)


async def test_what_is_old_is_kept_until_it_was_seen_to_stand(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resending, "LOOK_S", 0.05)
    monkeypatch.setattr(recently_sent, "KEPT_S", 0.0)
    log = Unreachable()
    async with sending(tmp_path, log) as (_, app):
        await send(app, 0)
        async with asyncio.timeout(10):
            await log.asked.wait()
            await log.asked.wait()
        log.lose("out", 0, 0)
        log.is_away = False
        async with asyncio.timeout(10):
            while await values(log, "out") != [0]:
                await asyncio.sleep(0.01)
        while cast("Any", app.producer)._resending._recently:  # it stands, and is forgotten
            await asyncio.sleep(0.01)


class Unreachable(MemoryLog):
    """A log one partition of which nobody can look at for a while."""

    def __init__(self) -> None:
        super().__init__()
        self.is_away = True
        self.asked = asyncio.Event()

    async def span(self, topic: str, partition: int) -> Span:
        if self.is_away and topic == "out":
            self.asked.set()
            raise UnreachableError("away")
        return await super().span(topic, partition)


@asynccontextmanager
async def sending(data: Path, log: MemoryLog) -> AsyncGenerator[tuple[MemoryLog, faust.App]]:
    """Run the producer of an app that does nothing but send."""
    await log.declare("out", PARTITIONS)
    app = app_on(log, MemoryGroups(log), data / "app")
    producer = cast("Any", app.producer)
    await producer.start()
    try:
        yield log, app
    finally:
        await producer.stop()


async def send(app: faust.App, number: int) -> None:
    await cast("Any", app.producer).send_and_wait("out", b"k", b"%d" % number, 0, None, None)


async def test_what_comes_again_with_its_events_is_not_sent_again_before_them(
    tmp_path: Path,
) -> None:
    log = MemoryLog(ends_apart=True)
    groups = MemoryGroups(log)
    async with started(forwarder(log, groups, tmp_path / "before", straight=True)):
        await fill(log, "in", COUNT // 2)
        await forwarded(log, COUNT // 2)
    async with started(forwarder(log, groups, tmp_path / "after", straight=True)):
        for number in range(COUNT // 2, COUNT):
            await log.append("in", number % PARTITIONS, [entry(number)])
        await forwarded(log, COUNT)
        # a master's end is gone: what was sent, by a worker that has left and by its successor,
        # and what they committed
        await log.commit("app", 1, {"in": 2})
        log.lose("out", 1, 2)
        await log.append("in", 1, [entry(COUNT + 1)])
        await forwarded(log, COUNT + 1)
    sent = (await log.read({("out", 1): 0}))["out", 1]
    assert [int(one.value or b"") for one in sent] == [*range(1, COUNT, PARTITIONS), COUNT + 1]
