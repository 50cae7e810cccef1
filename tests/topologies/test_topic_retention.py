"""A Faust topic's ``retention`` bounds what the log keeps of it."""

import asyncio
import time
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import pytest
from faust.types import TP

from rhapsode.storage.log import NewEntry, Span
from rhapsode.storage.memory.groups import MemoryGroups
from rhapsode.storage.memory.log import MemoryLog
from rhapsode.topologies.engine import consumer as consumer_module
from rhapsode.topologies.engine.retention import TopicRetention

from .faust_apps import PARTITIONS, app_on, started

HOUR_S = 3600.0


@pytest.fixture(autouse=True)
def looks_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(consumer_module, "RETENTION_LOOK_S", 0.05)


async def put(log: MemoryLog, *ages_s: float, topic: str = "t") -> None:
    """Append a record of each age to every partition."""
    await log.declare(topic, PARTITIONS)
    for age_s in ages_s:
        entry = NewEntry(b"k", b"1", timestamp_ms=round(1000 * (time.time() - age_s)))
        for number in range(PARTITIONS):
            await log.append(topic, number, [entry])


async def spans(log: MemoryLog, topic: str = "t") -> set[Span]:
    return {await log.span(topic, number) for number in range(PARTITIONS)}


async def until_kept(log: MemoryLog, span: Span, topic: str = "t") -> None:
    async with asyncio.timeout(20.0):
        while await spans(log, topic) != {span}:
            await asyncio.sleep(0.01)


async def test_what_is_older_goes_once_it_is_committed(tmp_path: Path):
    log = MemoryLog()
    await put(log, 2 * HOUR_S, 2 * HOUR_S, 0.0)
    app = app_on(log, MemoryGroups(log), tmp_path, "retains")
    go_on, seen = asyncio.Event(), list[Any]()

    @app.agent(app.topic("t", retention=HOUR_S, value_serializer="raw", key_serializer="raw"))
    async def take(stream: Any) -> None:  # pyright: ignore[reportUnusedFunction]
        async for event in stream.events():
            seen.append(event)
            if event.message.offset == 1:
                await go_on.wait()

    async with started(app):
        async with asyncio.timeout(20.0):
            while not seen or seen[-1].message.offset < 1:
                await asyncio.sleep(0.01)
        assert all(span.first <= 1 for span in await spans(log))
        go_on.set()
        await until_kept(log, Span(2, 3))


async def test_what_another_member_has_yet_to_commit_stays_too(tmp_path: Path):
    log = MemoryLog()
    await put(log, 2 * HOUR_S, 2 * HOUR_S, 0.0)
    app = app_on(log, MemoryGroups(log), tmp_path, "standby")
    source = app.topic("t", retention=HOUR_S)
    # a member that stands by for a table has the numbers of partitions that others read
    owned = [TP("standby-counts-changelog", number) for number in range(PARTITIONS)]
    retention = TopicRetention()
    retention.note_sources([source])
    await retention.trim(log, "standby", {"t": PARTITIONS}, owned)
    assert await spans(log) == {Span(0, 3)}
    for number in range(PARTITIONS):
        await log.commit("standby", number, {"t": 1})
    await retention.trim(log, "standby", {"t": PARTITIONS}, owned)
    assert await spans(log) == {Span(1, 3)}


async def test_without_a_retention_all_is_kept_and_nobody_looks(tmp_path: Path):
    log = MemoryLog()
    await put(log, 2 * HOUR_S)
    app = app_on(log, MemoryGroups(log), tmp_path, "keeps")
    seen = list[Any]()

    @app.agent(app.topic("t", value_serializer="raw", key_serializer="raw"))
    async def take(stream: Any) -> None:  # pyright: ignore[reportUnusedFunction]
        async for value in stream:
            seen.append(value)

    async with started(app), asyncio.timeout(20.0):
        while len(seen) < PARTITIONS:
            await asyncio.sleep(0.01)
        await many_looks(log)
        assert await spans(log) == {Span(0, 1)}


async def test_what_the_app_only_sends_to_is_bounded_too(tmp_path: Path):
    log = MemoryLog()
    await put(log, 2 * HOUR_S, 0.0, topic="out")
    app = app_on(log, MemoryGroups(log), tmp_path, "sends")
    out = app.topic("out", retention=HOUR_S, value_serializer="raw", key_serializer="raw")

    @app.agent(app.topic("t", value_serializer="raw", key_serializer="raw"))
    async def take(stream: Any) -> None:  # pyright: ignore[reportUnusedFunction]
        async for value in stream:
            await out.send(key=b"k", value=value)

    async with started(app):
        await out.maybe_declare()
        await until_kept(log, Span(1, 2), "out")


async def test_a_compacted_topic_is_bounded_by_its_keys_and_not_by_time():
    log = MemoryLog()
    await put(log, 2 * HOUR_S, 0.0, topic="compacted")
    retention, owned = TopicRetention(), [TP("t", number) for number in range(PARTITIONS)]
    retention.note("compacted", HOUR_S, compacting=True)
    await retention.trim(log, "g", {"compacted": PARTITIONS}, owned)
    assert await spans(log, "compacted") == {Span(0, 2)}
    retention.note("compacted", HOUR_S, compacting=False)
    await retention.trim(log, "g", {"compacted": PARTITIONS}, owned)
    assert await spans(log, "compacted") == {Span(1, 2)}


async def test_changes_of_windows_that_expired_go(tmp_path: Path):
    log = MemoryLog()
    app = app_on(log, MemoryGroups(log), tmp_path, "windows")
    table = app.Table("counts", default=int, partitions=PARTITIONS)
    tumbling = table.tumbling(HOUR_S, expires=HOUR_S).table
    app.Table("totals", default=int, partitions=PARTITIONS)
    topics = ("windows-counts-changelog", "windows-totals-changelog")
    for topic in topics:
        await put(log, 3 * HOUR_S, 1.5 * HOUR_S, 0.0, topic=topic)
    retention, owned = TopicRetention(), [TP(topics[0], number) for number in range(PARTITIONS)]
    retention.note_tables([tumbling, app.tables["totals"]])
    await retention.trim(log, "windows", dict.fromkeys(topics, PARTITIONS), owned)
    assert await spans(log, topics[0]) == {Span(1, 3)}
    assert await spans(log, topics[1]) == {Span(0, 3)}


async def many_looks(log: MemoryLog) -> None:
    """Wait until the members have looked often enough to trim another topic."""
    await put(log, 2 * HOUR_S, 0.0, topic="other")
    app = app_on(log, MemoryGroups(log), Path(mkdtemp()), "other")
    seen = list[Any]()

    @app.agent(app.topic("other", retention=HOUR_S, value_serializer="raw", key_serializer="raw"))
    async def take(stream: Any) -> None:  # pyright: ignore[reportUnusedFunction]
        async for value in stream:
            seen.append(value)

    async with started(app):
        await until_kept(log, Span(1, 2), "other")
