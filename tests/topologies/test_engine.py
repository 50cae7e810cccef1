"""Faust on the log: partitions move, nothing is committed too early, nothing is lost silently."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import faust
import pytest
from faust.exceptions import ImproperlyConfigured
from faust.transport import by_url

from rhapsode.storage.log import (
    Fence,
    NewEntry,
)
from rhapsode.storage.memory.groups import MemoryGroups
from rhapsode.storage.memory.log import MemoryLog
from rhapsode.topologies.engine.transport import Transport

from .faust_apps import PARTITIONS, app_on, collecting, fill, started, until


@pytest.fixture
def log() -> MemoryLog:
    return MemoryLog()


@pytest.fixture
def groups(log: MemoryLog) -> MemoryGroups:
    return MemoryGroups(log)


def test_a_redis_url_finds_the_transport_by_its_entry_point() -> None:
    for scheme in ("redis", "rediss", "valkey"):
        assert by_url(f"{scheme}://localhost") is Transport


async def test_an_agent_sees_every_record_and_commits_all_of_them(
    log: MemoryLog, groups: MemoryGroups, tmp_path: Path
) -> None:
    await fill(log, "numbers", 40)
    app, seen = app_on(log, groups, tmp_path), []
    collecting(app, "numbers", seen)
    async with started(app):
        await until(lambda: len(seen) == 40)
    assert sorted(seen) == list(range(40))
    assert await log.lag("app", "numbers") == dict.fromkeys(range(PARTITIONS), 0)


async def test_a_group_that_begins_with_what_comes_misses_nothing_after_a_first_member_that_died(
    log: MemoryLog, groups: MemoryGroups, tmp_path: Path
) -> None:
    await fill(log, "numbers", 4)
    first = app_on(log, groups, tmp_path / "1", begins="latest")
    seen: list[int] = []
    collecting(first, "numbers", seen)
    async with started(first):
        for partition in range(PARTITIONS):
            async with asyncio.timeout(10):
                while await log.committed("app", "numbers", partition) is None:
                    await asyncio.sleep(0.01)
        assert seen == []
    await log.append("numbers", 1, [NewEntry(key=b"9", value=b"9")])
    second = app_on(log, groups, tmp_path / "2", begins="latest")
    collecting(second, "numbers", seen)
    async with started(second):
        await until(lambda: seen == [9])


async def test_joins_and_leaves_move_partitions(
    log: MemoryLog, groups: MemoryGroups, tmp_path: Path
) -> None:
    await log.declare("numbers", PARTITIONS)
    first, second = app_on(log, groups, tmp_path / "1"), app_on(log, groups, tmp_path / "2")
    seen_first: list[int] = []
    seen_second: list[int] = []
    collecting(first, "numbers", seen_first)
    collecting(second, "numbers", seen_second)
    async with started(first):
        await until(lambda: len(first.consumer.assignment()) == PARTITIONS)
        async with started(second):
            await until(
                lambda: len(first.consumer.assignment()) == len(second.consumer.assignment()) == 2
            )
            assert not first.consumer.assignment() & second.consumer.assignment()
            await fill(log, "numbers", 40)
            await until(lambda: len(seen_first) + len(seen_second) >= 40)
        await until(lambda: len(first.consumer.assignment()) == PARTITIONS)
        await fill(log, "numbers", 8)
        await until(lambda: len(seen_first) + len(seen_second) >= 48)
    assert set(seen_first) | set(seen_second) == set(range(40))
    assert seen_second


async def test_a_member_that_falls_silent_is_relieved_of_its_partitions(
    log: MemoryLog, groups: MemoryGroups, tmp_path: Path
) -> None:
    await log.declare("numbers", PARTITIONS)
    first, second = app_on(log, groups, tmp_path / "1"), app_on(log, groups, tmp_path / "2")
    collecting(first, "numbers", [])
    collecting(second, "numbers", [])
    async with started(first, second):
        await until(
            lambda: len(first.consumer.assignment()) == len(second.consumer.assignment()) == 2
        )
        cast("Any", second.consumer).membership._heartbeat.stop()
        await until(lambda: len(first.consumer.assignment()) == PARTITIONS)
        # what it still says in its old generation is refused
        generation = second.consumer_generation_id
        assert generation < first.consumer_generation_id
        await until(lambda: second.consumer_generation_id == generation)
        with pytest.raises(Exception, match="owns the partition"):
            await log.commit("app", 0, {"numbers": 1}, fence=Fence("app", generation))


async def test_nothing_is_committed_past_a_record_in_flight(
    log: MemoryLog, groups: MemoryGroups, tmp_path: Path
) -> None:
    await log.declare("numbers", PARTITIONS)
    for number in range(10):
        await log.append("numbers", 0, [NewEntry(key=b"k", value=b"%d" % number)])
    app = app_on(log, groups, tmp_path)
    held: dict[int, Any] = {}

    async def hold(stream: Any) -> None:
        async for event in stream.noack().events():
            held[int(event.value)] = event

    app.agent(app.topic("numbers", value_serializer="raw", key_serializer="raw"), name="hold")(hold)
    async with started(app):
        await until(lambda: len(held) == 10)
        for number in (1, 2, 3, 5, 9):
            held[number].ack()
        await app.consumer.commit()
        assert await log.committed("app", "numbers", 0) in (None, 0)
        held[0].ack()
        await app.consumer.commit()
        assert await log.committed("app", "numbers", 0) == 4
        held[4].ack()
        await app.consumer.commit()
        assert await log.committed("app", "numbers", 0) == 6
    assert await log.committed("app", "numbers", 0) == 6


async def test_after_a_restart_what_was_not_done_is_delivered_again_and_nothing_else(
    log: MemoryLog, groups: MemoryGroups, tmp_path: Path
) -> None:
    await log.declare("numbers", PARTITIONS)
    for number in range(6):
        await log.append("numbers", 1, [NewEntry(key=b"k", value=b"%d" % number)])

    async def run(acknowledge: Sequence[int], expected: int) -> list[int]:
        seen: list[int] = []
        app = app_on(log, groups, tmp_path)

        async def some(stream: Any) -> None:
            async for event in stream.noack().events():
                seen.append(int(event.value))
                if int(event.value) in acknowledge:
                    event.ack()

        app.agent(app.topic("numbers", value_serializer="raw", key_serializer="raw"), name="some")(
            some
        )
        async with started(app):
            await until(lambda: len(seen) >= expected)
            await app.consumer.commit()
        return seen

    assert await run([0, 1, 2, 4], 6) == [0, 1, 2, 3, 4, 5]
    assert await run([], 3) == [3, 4, 5]


async def test_a_sent_record_has_its_true_offset_and_keeps_headers_and_key(
    log: MemoryLog, groups: MemoryGroups, tmp_path: Path
) -> None:
    await log.declare("out", 1)
    app = app_on(log, groups, tmp_path)
    out = app.topic("out", value_serializer="raw", key_serializer="raw", partitions=1)
    collecting(app, "numbers", [])
    async with started(app):
        for number in range(5):
            sent = await out.send(key=b"k", value=b"%d" % number, headers={"trace": b"7"})
            metadata = await sent
            assert metadata.offset == number
    entries = (await log.read({("out", 0): 0}))["out", 0]
    assert [entry.value for entry in entries] == [b"0", b"1", b"2", b"3", b"4"]
    assert {entry.key for entry in entries} == {b"k"}
    assert {entry.headers for entry in entries} == {(("trace", b"7"),)}


async def test_exactly_once_is_refused_in_one_sentence_until_it_is_there(
    log: MemoryLog, groups: MemoryGroups, tmp_path: Path
) -> None:
    app = faust.App(
        "eos",
        broker="redis://",
        datadir=str(tmp_path),
        processing_guarantee="exactly_once",
        web_enabled=False,
    )
    Transport.on(app, log, groups)
    with pytest.raises(ImproperlyConfigured, match="at_least_once"):
        _ = app.consumer
