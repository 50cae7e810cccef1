"""Partitions that move while a read is under way, through Faust: no record is lost."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import pytest
from faust.types import TP

from rhapsode.storage.log import Entry, NewEntry, TopicPartition
from rhapsode.storage.memory.groups import MemoryGroups
from rhapsode.storage.memory.log import MemoryLog
from rhapsode.topologies.engine import consumer
from rhapsode.topologies.engine.positions import Fetched, Positions

from .faust_apps import app_on, started, until

TOPIC = "numbers"


class SlowReads(MemoryLog):
    """A log whose blocking reads can be held up, and answer long after they were asked."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = asyncio.Event()
        self.gate.set()
        self.held = 0

    async def read(
        self,
        positions: Mapping[TopicPartition, int],
        *,
        limit: int = 500,
        timeout_s: float = 0.0,
        epoch: int | None = None,
    ) -> dict[TopicPartition, list[Entry]]:
        if not self.gate.is_set():
            self.held += 1
            await self.gate.wait()
            timeout_s = 0.0
        return await super().read(positions, limit=limit, timeout_s=timeout_s, epoch=epoch)


async def test_a_read_that_crosses_a_rebalance_loses_nothing_and_commits_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consumer, "LONGEST_READ_S", 0.5)  # the next read meets the gate
    log = SlowReads()
    groups = MemoryGroups(log)
    await log.declare(TOPIC, 1)
    for number in range(10):
        await log.append(TOPIC, 0, [NewEntry(key=b"k", value=b"%d" % number)])
    app = app_on(log, groups, tmp_path)
    held: list[Any] = []

    async def hold(stream: Any) -> None:
        async for event in stream.noack().events():
            held.append(event)

    app.agent(app.topic(TOPIC, value_serializer="raw", key_serializer="raw"), name="hold")(hold)
    async with started(app):
        await until(lambda: len(held) == 10)
        log.gate.clear()
        await until(lambda: log.held > 0)  # a read from offset 10 is under way
        generation = app.consumer_generation_id
        cast("Any", app.consumer).membership.rejoin()
        await until(lambda: app.consumer_generation_id > generation)
        await until(lambda: cast("Any", app.consumer)._positions.get(TP(TOPIC, 0)) == 0)
        await log.append(TOPIC, 0, [NewEntry(key=b"k", value=b"10")])
        log.gate.set()
        await until(lambda: len(held) >= 21)
        again = held[10:]
        assert [int(event.value) for event in again] == list(range(11))
        again[-1].ack()
        await app.consumer.commit()
        assert await log.committed("app", TOPIC, 0) in (None, 0)
        for event in again:
            event.ack()
        await app.consumer.commit()
        assert await log.committed("app", TOPIC, 0) == 11


async def test_ten_rebalances_under_a_steady_stream_lose_and_reorder_nothing(
    tmp_path: Path,
) -> None:
    log = MemoryLog()
    groups = MemoryGroups(log)
    await log.declare(TOPIC, 2)
    app = app_on(log, groups, tmp_path)
    seen: dict[int, list[int]] = {0: [], 1: []}

    async def collect(stream: Any) -> None:
        async for event in stream.events():
            seen[event.message.partition].append(int(event.value))

    app.agent(app.topic(TOPIC, value_serializer="raw", key_serializer="raw"), name="collect")(
        collect
    )
    count = 0
    async with started(app):
        await until(lambda: len(app.consumer.assignment()) == 2)
        for _ in range(10):
            generation = app.consumer_generation_id
            cast("Any", app.consumer).membership.rejoin()
            while app.consumer_generation_id == generation:
                await log.append(TOPIC, count % 2, [NewEntry(key=b"k", value=b"%d" % count)])
                count += 1
                await asyncio.sleep(0.002)
        await until(lambda: all(seen[n] and max(seen[n]) >= count - 2 for n in seen))
    for partition, numbers in seen.items():
        once = list(dict.fromkeys(numbers))
        assert once == list(range(partition, count, 2))


def test_a_partition_has_no_position_before_it_is_sought() -> None:
    positions = Positions()
    tp = TP(TOPIC, 0)
    positions.assign()
    assert positions.get(tp) is None
    assert positions.seek(tp, 5, positions.assignment)
    assert positions.get(tp) == 5


@pytest.mark.parametrize("sought", [0, 3, 4])
def test_what_was_read_before_a_seek_is_dropped_and_the_position_stays(sought: int) -> None:
    positions = Positions()
    tp = TP(TOPIC, 0)
    positions.assign()
    positions.seek(tp, 3, positions.assignment)
    old = Fetched(Entry(3, 0, b"k", b"v"), positions.epoch(tp), 1)
    assert positions.expects(tp, old)
    positions.seek(tp, sought, positions.assignment)
    assert not positions.expects(tp, old)
    positions.delivered(tp, old)
    assert positions.get(tp) == sought
    positions.revoke()
    assert not positions.expects(tp, old)
    assert positions.get(tp) is None


def test_a_seek_that_was_begun_before_partitions_moved_changes_nothing() -> None:
    positions = Positions()
    tp = TP(TOPIC, 0)
    positions.assign()
    begun = positions.assignment
    positions.revoke()
    assert not positions.seek(tp, 3, begun)
    assert not positions.seek(tp, 3, positions.assignment)
    positions.assign()
    assert not positions.seek(tp, 3, begun)
    assert positions.get(tp) is None
