"""A stage through Faust: its sources are co-partitioned, so one key is always in one place."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, cast

import faust
import pytest

from rhapsode.agents.journal import Description, Journal
from rhapsode.codecs.records import Event, Item, SequenceRecord, Speech
from rhapsode.storage.log import partition_of
from rhapsode.storage.memory.groups import MemoryGroups
from rhapsode.topologies.bind import bind
from rhapsode.topologies.in_memory import declare_topics
from rhapsode.topologies.stage import Agent, Outputs, Resources, Stage
from rhapsode.topologies.testing import PARTITIONS, InMemorySystem

from .faust_apps import started, until

SOURCES = ("text", "speech")


class Member:
    """One worker of a stage that notes what it is handed, and writes an event for each record."""

    def __init__(
        self, system: InMemorySystem, groups: MemoryGroups, data: Path, instance: str = ""
    ) -> None:
        self.seen: dict[str, list[SequenceRecord]] = {}
        """Records by session."""
        self.agents: Counter[str] = Counter()
        """How many times an agent was started, by session."""
        self.works = asyncio.Event()
        """Set but while the agents are to be in the middle of something."""
        self.works.set()
        stage = Stage("pair", sources=SOURCES, sinks=("event",), build=self._build)
        self.app = bind(
            stage,
            system,
            groups,
            namespace="test",
            data=data,
            observer=system.counts,
            instance=instance,
        )

    def _build(self, _: Resources, journal: Journal) -> Agent:
        events = journal.of(Event)

        async def agent(session: Description, records: AsyncIterator[Any]) -> Outputs:
            self.agents[session.session] += 1
            seq = (await events.state(f"{session.session}/pair")).next
            async for record in records:
                self.seen.setdefault(session.session, []).append(record)
                await self.works.wait()
                yield (Event(session=session.session, stage="pair", seq=seq, kind="text"),)
                seq += 1

        return agent

    def partitions(self, topic: str) -> set[int]:
        return {tp.partition for tp in self.app.consumer.assignment() if tp.topic == topic}


def sessions_by_partition() -> dict[int, list[str]]:
    found: dict[int, list[str]] = {number: [] for number in range(PARTITIONS)}
    for number in range(100):
        found[partition_of(f"session-{number}".encode(), PARTITIONS)].append(f"session-{number}")
    return {number: names[:3] for number, names in found.items()}


async def two_sources(system: InMemorySystem, session: str, seq: int) -> None:
    """Write one record of the session to each source."""
    item = Item(session=session, seq=seq, text="words")
    # speech is keyed by its session here as everywhere
    await system.append([item, Speech(session=session, seq=seq, index=seq)])


@pytest.mark.parametrize("members", [1, 2])
async def test_one_member_has_the_same_partitions_of_both_sources(
    members: int, tmp_path: Path
) -> None:
    system = InMemorySystem()
    await declare_topics(system.log, PARTITIONS)
    groups = MemoryGroups(system.log)  # pyright: ignore[reportArgumentType]  # a MemoryLog
    workers = [Member(system, groups, tmp_path / str(number)) for number in range(members)]
    sessions = sessions_by_partition()
    every = [name for names in sessions.values() for name in names]
    for session in every:
        await system.describe(session)
    async with started(*(worker.app for worker in workers)):
        await until(
            lambda: all(
                len(worker.partitions(topic)) == PARTITIONS // members
                for worker in workers
                for topic in SOURCES
            )
        )
        for worker in workers:
            assert worker.partitions("text") == worker.partitions("speech")
        for seq in range(5):
            for session in every:
                await two_sources(system, session, seq)
        await until(
            lambda: sum(len(seen) for w in workers for seen in w.seen.values()) == 10 * len(every)
        )
        owned = [set(worker.seen) for worker in workers]
        for worker in workers:
            for number in worker.partitions("text"):
                assert set(sessions[number]) <= set(worker.seen)
            assert worker.agents.total() == len(worker.seen)
            for seen in worker.seen.values():
                for kind in (Item, Speech):
                    assert [r.start for r in seen if isinstance(r, kind)] == [0, 1, 2, 3, 4]
    assert set.union(*owned) == set(every)
    assert sum(map(len, owned)) == len(every)


async def test_a_member_that_leaves_hands_both_sources_over_and_nothing_is_doubled(
    tmp_path: Path,
) -> None:
    system = InMemorySystem()
    await declare_topics(system.log, PARTITIONS)
    groups = MemoryGroups(system.log)  # pyright: ignore[reportArgumentType]  # a MemoryLog
    first, second = (Member(system, groups, tmp_path / name) for name in ("1", "2"))
    every = [name for names in sessions_by_partition().values() for name in names]
    for session in every:
        await system.describe(session)
    async with started(first.app):
        async with started(second.app):
            await until(lambda: all(len(one.partitions("text")) == 1 for one in (first, second)))
            for session in every:
                await two_sources(system, session, 0)
            await until(lambda: len(first.seen) + len(second.seen) == len(every))
        await until(lambda: len(first.partitions("speech")) == PARTITIONS)
        assert first.partitions("text") == first.partitions("speech")
        for session in every:
            await two_sources(system, session, 1)
        await until(lambda: all(first.seen.get(session) for session in every))
        async with asyncio.timeout(10):
            for session in every:
                while (await ends(system, session)) < 4:
                    await asyncio.sleep(0.01)
    for session in every:
        events = await system.records(Event, f"{session}/pair")
        assert [event.seq for event in events] == list(range(len(events)))
    assert not [kind for _, kind in system.counts.troubles if kind == "bug"]


async def test_who_joins_disturbs_no_session_whose_partition_stays(tmp_path: Path) -> None:
    system = InMemorySystem()
    await declare_topics(system.log, PARTITIONS)
    groups = MemoryGroups(system.log)  # pyright: ignore[reportArgumentType]  # a MemoryLog
    first, second = (Member(system, groups, tmp_path / name) for name in ("1", "2"))
    sessions = sessions_by_partition()
    every = [name for names in sessions.values() for name in names]
    for session in every:
        await system.describe(session)
    async with started(first.app):
        await until(lambda: len(first.partitions("text")) == PARTITIONS)
        first.works.clear()
        for seq in range(3):
            for session in every:
                await two_sources(system, session, seq)
        await until(lambda: len(first.seen) == len(every))
        async with started(second.app):
            await until(lambda: all(len(one.partitions("text")) == 1 for one in (first, second)))
            (stays,) = first.partitions("text")
            (moved,) = second.partitions("text")
            await until(lambda: set(second.seen) == set(sessions[moved]))
            assert await ends(system, sessions[stays][0]) == 0  # still in the middle
            first.works.set()
            async with asyncio.timeout(10):
                for topic in SOURCES:
                    while any((await system.log.lag("test-pair", topic)).values()):
                        await asyncio.sleep(0.01)
            assert {session: first.agents[session] for session in every} == dict.fromkeys(every, 1)
            for session in sessions[stays]:
                assert len(first.seen[session]) == 6  # none was handed over twice
    for session in every:
        events: list[Event] = await system.records(Event, f"{session}/pair")
        assert [event.seq for event in events] == list(range(6))
    assert not system.counts.troubles


async def ends(system: InMemorySystem, session: str) -> int:
    return (await system.journal.of(Event).state(f"{session}/pair")).next


async def test_what_is_done_is_committed_in_both_sources(tmp_path: Path) -> None:
    system = InMemorySystem()
    await declare_topics(system.log, PARTITIONS)
    groups = MemoryGroups(system.log)  # pyright: ignore[reportArgumentType]  # a MemoryLog
    worker = Member(system, groups, tmp_path)
    await system.describe("s")
    async with started(worker.app):
        for seq in range(10):
            await two_sources(system, "s", seq)
        await until(lambda: len(worker.seen.get("s", [])) == 20)
    app: faust.App = worker.app
    for topic in SOURCES:
        assert set((await system.log.lag(app.conf.id, topic)).values()) == {0}


async def test_values_that_wait_for_their_turn_are_held_by_the_runner_alone(tmp_path: Path) -> None:
    system = InMemorySystem()
    await declare_topics(system.log, PARTITIONS)
    groups = MemoryGroups(system.log)  # pyright: ignore[reportArgumentType]  # a MemoryLog
    go_on = asyncio.Event()
    seen: list[int] = []

    async def agent(_: Description, records: AsyncIterator[Any]) -> Outputs:
        async for record in records:
            await go_on.wait()
            seen.append(len(record.text))
            for nothing in ():
                yield nothing

    def build(_: Resources, __: Journal) -> Agent:
        return agent

    stage = Stage("slow", sources=("text",), sinks=(), build=build)
    app = bind(stage, system, groups, namespace="test", data=tmp_path, observer=system.counts)
    await system.describe("s")
    async with started(app):
        for seq in range(30):
            await system.append([Item(session="s", seq=seq, text="x" * 15_000)])
        delivered = cast("Any", app.consumer)._delivered  # until they are committed
        await until(lambda: sum(map(len, delivered.values())) == 30)
        await until(
            lambda: not any(message.value for queue in delivered.values() for message in queue)
        )
        go_on.set()
        await until(lambda: seen == [15_000] * 30)
