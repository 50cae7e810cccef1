"""Reads that are held up, seeks, rebalances and lost ends, in any order: consumers against a model.

The model: of each partition every record that the log still has is delivered, the first time in
order; what is committed was delivered before.
"""

import asyncio
from collections.abc import Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast

import faust
import pytest
from faust.types import TP
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from rhapsode.storage.log import Entry, NewEntry, TopicPartition
from rhapsode.storage.memory.groups import MemoryGroups
from rhapsode.storage.memory.log import MemoryLog

from .faust_apps import PARTITIONS, app_on, started

TOPIC = "numbers"
STEPS = st.one_of(
    st.tuples(st.just("append"), st.integers(0, PARTITIONS - 1), st.integers(1, 5)),
    st.tuples(st.just("lose"), st.integers(0, PARTITIONS - 1), st.integers(1, 4)),
    st.tuples(st.just("hold reads")),
    st.tuples(st.just("let reads go")),
    st.tuples(st.just("hold work")),
    st.tuples(st.just("let work go")),
    st.tuples(st.just("rejoin"), st.integers(0, 1)),
    st.tuples(st.just("seek back"), st.integers(0, PARTITIONS - 1), st.integers(1, 4)),
    st.tuples(st.just("pause and resume"), st.integers(0, 1)),
    st.tuples(st.just("wait"), st.sampled_from([1, 20, 60, 150])),
)


class HeldReads(MemoryLog):
    """A log whose reads answer with what they found, but late while they are held."""

    def __init__(self) -> None:
        super().__init__()
        self.pass_on = asyncio.Event()
        self.pass_on.set()

    async def read(
        self,
        positions: Mapping[TopicPartition, int],
        *,
        limit: int = 500,
        timeout_s: float = 0.0,
        epoch: int | None = None,
    ) -> dict[TopicPartition, list[Entry]]:
        found = await super().read(
            positions, limit=limit, timeout_s=min(timeout_s, 0.02), epoch=epoch
        )
        await self.pass_on.wait()
        return found


class World:
    """Two members of one group, what was appended, and what was delivered to either."""

    def __init__(self, folder: Path) -> None:
        self.log = HeldReads()
        groups = MemoryGroups(self.log)
        self.apps = [app_on(self.log, groups, folder / name, "app") for name in "ab"]
        self.made = 0
        self.stored: dict[int, list[int]] = {number: [] for number in range(PARTITIONS)}
        self.works = asyncio.Event()
        self.works.set()
        self.delivered: dict[int, list[int]] = {number: [] for number in range(PARTITIONS)}
        for app in self.apps:
            self._listen(app)

    def _listen(self, app: faust.App) -> None:
        async def note(stream: Any) -> None:
            async for event in stream.events():
                await self.works.wait()
                self.delivered[event.message.partition].append(int(event.value))

        source = app.topic(TOPIC, value_serializer="raw", key_serializer="raw")
        app.agent(source, name="note")(note)

    async def step(self, name: str, *arguments: int) -> None:
        if name == "append":
            partition, count = arguments
            numbers = range(self.made, self.made + count)
            new = [NewEntry(b"k", b"%d" % number) for number in numbers]
            await self.log.append(TOPIC, partition, new)
            self.made += count
            self.stored[partition] += numbers
        elif name == "lose":
            partition, count = arguments
            del self.stored[partition][-count:]
            self.log.lose(TOPIC, partition, len(self.stored[partition]))
        elif name == "hold reads":
            self.log.pass_on.clear()
        elif name == "let reads go":
            self.log.pass_on.set()
        elif name == "hold work":
            self.works.clear()
        elif name == "let work go":
            self.works.set()
        elif name == "wait":
            await asyncio.sleep(arguments[0] / 1000)
        else:
            await self._disturb(name, *arguments)

    async def _disturb(self, name: str, *arguments: int) -> None:
        if name == "seek back":
            partition, back = arguments
            for app in self.apps:
                consumer = cast("Any", app.consumer)
                committed = await self.log.committed("app", TOPIC, partition) or 0
                if TP(TOPIC, partition) in consumer.assignment():
                    await consumer.seek(TP(TOPIC, partition), max(0, committed - back))
            return
        consumer = cast("Any", self.apps[arguments[0]].consumer)
        if name == "rejoin":
            consumer.membership.rejoin()
        else:
            owned = consumer.assignment()
            consumer.pause_partitions(owned)
            await asyncio.sleep(0)
            consumer.resume_partitions(owned)

    async def check(self) -> None:
        """Hold what was delivered and committed against the model."""
        for partition, numbers in self.delivered.items():
            first_time = list(dict.fromkeys(numbers))
            assert first_time == sorted(first_time), partition
            stored, seen = self.stored[partition], set(numbers)
            delivered = [number in seen for number in stored]
            assert delivered == sorted(delivered, reverse=True), partition  # none is passed over
            committed = await self.log.committed("app", TOPIC, partition) or 0
            assert committed <= sum(delivered), partition

    async def settle(self) -> None:
        """Wait until all there is was delivered and committed."""
        self.log.pass_on.set()
        self.works.set()
        async with asyncio.timeout(20):
            for partition, stored in self.stored.items():
                while (await self.log.committed("app", TOPIC, partition) or 0) < len(stored):
                    await self.check()
                    await asyncio.sleep(0.01)


async def live_through(steps: list[tuple[Any, ...]], folder: Path) -> None:
    world = World(folder)
    await world.log.declare(TOPIC, PARTITIONS)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(started(*world.apps))
        for step in steps:
            await world.step(*step)
            await world.check()
        await world.settle()
        await world.check()


CROSSED = [
    ("append", 0, 3),
    ("wait", 150),
    ("hold reads",),
    ("append", 0, 3),
    ("wait", 60),
    ("rejoin", 0),
    ("wait", 150),
    ("wait", 150),
    ("append", 0, 1),
    ("let reads go",),
    ("wait", 60),
]
"""A read that was under way is answered after the rebalance."""
LOST = [
    ("append", 0, 5),
    ("wait", 150),
    ("hold work",),
    ("append", 0, 3),
    ("wait", 60),
    ("lose", 0, 4),
    ("append", 0, 6),
    ("let work go",),
    ("wait", 150),
]
"""What was delivered, and in part committed, is lost, and its offsets are given again."""


@pytest.mark.timeout(300)
@example(CROSSED)
@example(LOST)
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(STEPS, min_size=4, max_size=25))
def test_whatever_happens_every_record_is_delivered_in_order_and_none_is_committed_before(
    steps: list[tuple[Any, ...]],
) -> None:
    with TemporaryDirectory() as folder:
        asyncio.run(live_through(steps, Path(folder)))
