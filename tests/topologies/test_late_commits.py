"""On a Cluster, offsets of a stage are committed a while after what is before them is done: outputs
that are lost with another master are made again, by whoever has the partition then."""

import asyncio
from collections.abc import AsyncGenerator, Collection
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import faust
import pytest
from faust.types.tuples import TP

from rhapsode.storage.log import NewEntry
from rhapsode.storage.memory.groups import MemoryGroups
from rhapsode.storage.memory.log import MemoryLog
from rhapsode.topologies.engine import late_commits, recently_sent
from rhapsode.topologies.engine.late_commits import LateCommits

from .faust_apps import PARTITIONS, app_on, fill, started, until

COUNT = 20
NEVER_S = 3_600.0


async def made(log: MemoryLog) -> list[int]:
    """Return what was made, in order."""
    places = {("out", number): 0 for number in range(PARTITIONS)}
    found = await log.read(places)
    return sorted(int(entry.value or b"") for entries in found.values() for entry in entries)


@asynccontextmanager
async def making(
    log: MemoryLog, groups: MemoryGroups, data: Path, late_s: float = NEVER_S
) -> AsyncGenerator[tuple[faust.App, list[int]]]:
    """Run an app that makes an output of each record where it is missing, as stages do."""
    await log.declare("out", PARTITIONS)
    app = app_on(log, groups, data, commits_late_s=late_s)
    handed: list[int] = []

    async def make(stream: Any) -> None:
        async for value in stream:
            handed.append(int(value))
            if int(value) not in await made(log):
                # in another partition than what it is made of
                number = (int(value) + 1) % PARTITIONS
                await log.append("out", number, [NewEntry(value, value)])

    app.agent(app.topic("in", key_serializer="raw", value_serializer="raw"))(make)
    async with started(app):
        yield app, handed


async def all_made(log: MemoryLog, count: int = COUNT) -> None:
    async with asyncio.timeout(10):
        while await made(log) != list(range(count)):
            await asyncio.sleep(0.01)


async def committed(log: MemoryLog) -> None:
    async with asyncio.timeout(10):
        while any((await log.lag("app", "in")).values()):
            await asyncio.sleep(0.01)


async def a_log(*, ends_apart: bool = True) -> tuple[MemoryLog, MemoryGroups]:
    log = MemoryLog(ends_apart=ends_apart)
    await fill(log, "in", COUNT)
    return log, MemoryGroups(log)


async def test_what_a_dead_worker_made_and_was_lost_is_made_again_by_its_successor(
    tmp_path: Path,
) -> None:
    log, groups = await a_log()
    async with making(log, groups, tmp_path / "1"):
        await all_made(log)
    log.lose("out", 1, 0)
    assert len(await made(log)) < COUNT
    async with making(log, groups, tmp_path / "2"):
        await all_made(log)


async def test_who_made_what_was_lost_makes_it_again(tmp_path: Path) -> None:
    log, groups = await a_log()
    async with making(log, groups, tmp_path):
        await all_made(log)
        log.lose("out", 1, 0)
        await log.append("in", 0, [NewEntry(b"k", b"%d" % COUNT)])  # a read notices
        await all_made(log, COUNT + 1)


async def test_it_is_committed_once_it_was_done_for_a_while_though_nothing_follows(
    tmp_path: Path,
) -> None:
    log, groups = await a_log()
    async with making(log, groups, tmp_path, late_s=0.05):
        await committed(log)


async def test_where_the_end_of_everything_goes_together_it_is_committed_at_once(
    tmp_path: Path,
) -> None:
    log, groups = await a_log(ends_apart=False)
    async with making(log, groups, tmp_path):
        await committed(log)


async def test_a_partition_that_stays_is_not_handed_over_again_in_a_rebalance(
    tmp_path: Path,
) -> None:
    log, groups = await a_log()
    async with making(log, groups, tmp_path) as (app, handed):
        await all_made(log)
        consumer = cast("Any", app.consumer)
        await until(lambda: not any(consumer._delivered.values()))
        generation = app.consumer_generation_id
        consumer.membership.rejoin()
        await until(lambda: app.consumer_generation_id > generation)
        await log.append("in", 0, [NewEntry(b"k", b"%d" % COUNT)])
        await all_made(log, COUNT + 1)
        assert len(handed) == COUNT + 1


def test_each_offset_is_due_once_and_only_after_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    now_s = 100.0
    monkeypatch.setattr(late_commits, "monotonic", lambda: now_s)
    late, one, other = LateCommits(10.0), TP("in", 0), TP("in", 1)
    late.note({one: 5})
    now_s = 105.0
    late.note({one: 7, other: 3})
    assert (late.due(), late.newest(one), late.newest(other)) == ({}, 7, 3)
    now_s = 110.0
    assert (late.due(), late.due()) == ({one: 5}, {})
    late.keep({other})
    assert (late.newest(one), late.newest(other)) == (0, 3)
    now_s = 115.0
    assert late.due() == {other: 3}
    assert not late


class WithoutReplicas(MemoryLog):
    """A log whose replicas are behind, for as long as it is told."""

    are_behind = True

    async def replicate(self, partitions: Collection[int], timeout_s: float) -> bool:
        return not self.are_behind


async def test_what_no_replica_has_is_sent_again_by_a_successor_where_it_is_lost(
    tmp_path: Path,
) -> None:
    log = WithoutReplicas(ends_apart=True)
    groups = MemoryGroups(log)
    await fill(log, "in", COUNT)
    await log.declare("out", PARTITIONS)
    async with started(forwarder(log, groups, tmp_path / "leaves")):
        await all_made(log)
    log.lose("out", 1, 0)
    async with started(forwarder(log, groups, tmp_path / "follows")):
        async with asyncio.timeout(10):
            while set(await made(log)) != set(range(COUNT)):
                await asyncio.sleep(0.01)
        log.are_behind = False
        await committed(log)


async def test_what_was_too_much_to_keep_is_not_taken_for_replicated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recently_sent, "KEPT_BYTES", 0)
    log = WithoutReplicas(ends_apart=True)
    asked: list[Collection[int]] = []
    replicate = log.replicate

    async def noted(partitions: Collection[int], timeout_s: float) -> bool:
        asked.append(partitions)
        return await replicate(partitions, timeout_s)

    monkeypatch.setattr(log, "replicate", noted)
    await fill(log, "in", COUNT)
    await log.declare("out", PARTITIONS)
    async with started(forwarder(log, MemoryGroups(log), tmp_path)):
        await all_made(log)
        await until(lambda: bool(asked) and set(asked[-1]) == set(range(PARTITIONS)))
        log.are_behind = False
        await committed(log)


async def test_what_replicas_have_is_committed_at_once(tmp_path: Path) -> None:
    log, groups = await a_log()
    await log.declare("out", PARTITIONS)
    async with started(forwarder(log, groups, tmp_path / "1")):
        await committed(log)
    async with started(forwarder(log, groups, tmp_path / "2")):
        await log.append("in", 0, [NewEntry(b"k", b"%d" % COUNT)])
        await committed(log)
    assert await made(log) == list(range(COUNT + 1))


def forwarder(log: MemoryLog, groups: MemoryGroups, data: Path) -> faust.App:
    """Return a foreign app that sends on what it reads, to the next partition."""
    app = app_on(log, groups, data)
    sink = app.topic("out", key_serializer="raw", value_serializer="raw")

    async def forward(stream: Any) -> None:
        async for event in stream.events():
            number = (event.message.partition + 1) % PARTITIONS
            await sink.send(key=event.key, value=event.value, partition=number)

    app.agent(app.topic("in", key_serializer="raw", value_serializer="raw"))(forward)
    return app
