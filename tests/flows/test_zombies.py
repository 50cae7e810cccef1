"""Two workers with one session: the first to write wins, nothing is doubled, nothing differs."""

import asyncio
import random
from collections.abc import Sequence
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from standins.deaths import Death, MortalLog, MortalObjects, Scythe
from standins.kept_objects import KeptObjects
from standins.rooms import PARTITIONS, Counts, Room, contents, until
from standins.undisturbed import STAGES, Undisturbed, model, said_by, stored_by, voice

from rhapsode.codecs.records import Text
from rhapsode.storage.log import Entry, Fence, SequenceBatch, SequenceState, partition_of
from rhapsode.storage.memory.groups import MemoryGroups
from rhapsode.storage.memory.log import MemoryLog
from rhapsode.topologies.keyed_runner import Delivery, KeyedRunner


class ShakyLog(MemoryLog):
    """A log whose answers come sooner or later."""

    def __init__(self, chance: random.Random) -> None:
        super().__init__()
        self.chance = chance

    async def shake(self) -> None:
        for _ in range(self.chance.randrange(4)):
            await asyncio.sleep(0)

    async def append_at(
        self, partition: int, batches: Sequence[SequenceBatch], *, fence: Fence | None = None
    ) -> list[bool]:
        await self.shake()
        answer = await super().append_at(partition, batches, fence=fence)
        await self.shake()
        return answer

    async def sequence_state(self, topic: str, partition: int, sequence: str) -> SequenceState:
        await self.shake()
        return await super().sequence_state(topic, partition, sequence)

    async def read_sequence(
        self,
        topic: str,
        partition: int,
        sequence: str,
        start: int,
        end: int | None = None,
        *,
        limit: int | None = None,
    ) -> list[Entry]:
        found = await super().read_sequence(topic, partition, sequence, start, end, limit=limit)
        await self.shake()
        return found


class ShakyObjects(KeptObjects):
    """A store that takes its time."""

    def __init__(self, log: ShakyLog) -> None:
        super().__init__()
        self.log = log

    async def put(self, name: str, data: bytes, content_type: str) -> None:
        await self.log.shake()
        await super().put(name, data, content_type)
        await self.log.shake()


class Worker:
    """One of several with the same stage."""

    def __init__(self, name: str, room: Room, generation: int = 0) -> None:
        self.room = room
        self.counts = Counts()
        self.bugs: list[BaseException] = []
        self.fence = Fence(name, generation) if generation else None
        self.offered: set[tuple[int, int]] = set()
        self.done: set[tuple[int, int]] = set()
        stage = STAGES[name]
        self.lanes = KeyedRunner(
            stage,
            stage.build(room.parts),
            room.log,
            PARTITIONS,
            observer=self.counts,
            crash=self.bugs.append,
        )

    async def offer(self, partition: int, entry: Entry) -> None:
        place = (partition, entry.offset)
        self.offered.add(place)
        await self.lanes.offer(
            Delivery(
                key=entry.key or b"",
                value=entry.value or b"",
                partition=partition,
                offset=entry.offset,
                fence=self.fence,
                done=partial(self.done.add, place),
            )
        )

    def ended(self) -> bool:
        return bool(self.bugs) or self.offered == self.done


async def deliver(
    room: Room, topic: str, coming: Sequence[SequenceBatch], *workers: Worker
) -> None:
    """Let records come to stand, and hand each to all workers."""
    for batch in coming:
        partition = partition_of(batch.key, PARTITIONS)
        first = (await room.log.span(topic, partition)).next
        await MemoryLog.append_at(room.log, partition, [batch])  # pyright: ignore[reportArgumentType]  # it is one
        for entry in (await room.log.read({(topic, partition): first}))[topic, partition]:
            for worker in workers:
                await worker.offer(partition, entry)


async def deliver_again(room: Room, topic: str, worker: Worker) -> None:
    """Hand a worker everything that stands."""
    positions = {(topic, number): 0 for number in range(PARTITIONS)}
    for (_, number), entries in (await room.log.read(positions, limit=10_000)).items():
        for entry in entries:
            await worker.offer(number, entry)


async def hold_to(was: Undisturbed, name: str, room: Room) -> None:
    stage = STAGES[name]
    assert said_by(stage, await contents(room.log, *stage.sinks)) == said_by(stage, was.contents)
    assert stored_by(stage, room.store.files) == stored_by(stage, was.files)


@pytest.mark.parametrize("name", STAGES)
@settings(max_examples=5, deadline=None)
@given(seed=st.integers(0, 2**32), late=st.integers(0, 6))
async def test_two_workers_that_race_over_a_session_say_what_one_would(
    undisturbed: Undisturbed, name: str, seed: int, late: int
) -> None:
    log = ShakyLog(random.Random(seed))
    room = Room(voice=voice(), model=model(), log=log, store=ShakyObjects(log))
    await room.declare()
    topic = STAGES[name].source
    if topic != Text.TOPIC:
        await room.append_at(undisturbed.texts)
    workers = [Worker(name, room), Worker(name, room)]
    coming = undisturbed.sources[topic]
    await deliver(room, topic, coming[:late], workers[0])
    await deliver_again(room, topic, workers[1])
    await deliver(room, topic, coming[late:], *workers)
    await until(lambda: all(worker.ended() for worker in workers), 30.0)
    for worker in workers:
        await worker.lanes.drop()
        assert worker.bugs == []
        assert worker.counts.troubles == []
    await hold_to(undisturbed, name, room)


@pytest.mark.parametrize("name", STAGES)
@pytest.mark.parametrize("writes", [1, 6])
async def test_a_worker_thought_dead_that_wakes_up_changes_nothing(
    undisturbed: Undisturbed, name: str, writes: int
) -> None:
    scythe = Scythe()
    log = MortalLog(scythe)
    groups = MemoryGroups(log)
    room = Room(voice=voice(), model=model(), log=log, store=MortalObjects(scythe))
    await room.declare()
    topic = STAGES[name].source
    if topic != Text.TOPIC:
        await room.append_at(undisturbed.texts)
    await groups.claim(name, 1, range(PARTITIONS))
    asleep = Worker(name, room, generation=1)
    scythe.raise_for(Death(writes))
    await deliver(room, topic, undisturbed.sources[topic], asleep)
    await until(lambda: scythe.struck)
    scythe.raise_for(None)  # who sleeps in the middle of a write sleeps on
    await groups.claim(name, 2, range(PARTITIONS))
    heir = Worker(name, room, generation=2)
    await deliver_again(room, topic, heir)
    await until(heir.ended, 30.0)
    await hold_to(undisturbed, name, room)
    scythe.thawed.set()
    await until(lambda: not asleep.lanes._held_bytes, 30.0)
    await asleep.lanes.drop()
    await heir.lanes.drop()
    assert asleep.bugs == heir.bugs == []
    assert heir.counts.troubles == []
    await hold_to(undisturbed, name, room)
