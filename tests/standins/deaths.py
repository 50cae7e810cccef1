"""Stages that die at a chosen write, and are started anew on what they left behind."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

from rhapsode.codecs.encoding import unpack
from rhapsode.codecs.records import TOPICS, SequenceRecord
from rhapsode.storage.log import Fence, Log, SequenceBatch, TopicPartition, partition_of
from rhapsode.storage.memory.log import MemoryLog
from rhapsode.topologies.keyed_runner import Delivery, KeyedRunner, batches
from rhapsode.topologies.stage import Stage

from .kept_objects import KeptObjects
from .rooms import PARTITIONS, Room, until

T = TypeVar("T")


@dataclass(frozen=True)
class Death:
    """When a worker dies, and what is delivered again to the one that takes over."""

    writes: int
    """Writes, to the log and to the store, that are done before."""
    after: bool = False
    """It dies after one more write, whose answer it never sees."""
    again: int = 0
    """Records, in each partition, that are delivered again though they were done."""


@dataclass
class Scythe:
    """Lets a number of writes through; who writes then is dead and never hears of it."""

    left: int = -1
    after: bool = False
    struck: bool = False
    thawed: asyncio.Event = field(default_factory=asyncio.Event)
    """Set to let those who were thought dead write on."""

    def raise_for(self, death: Death | None) -> None:
        self.struck = False
        self.left, self.after = (death.writes, death.after) if death else (-1, False)

    async def write(self, effect: Callable[[], Awaitable[T]]) -> T:
        if self.left == 0:
            if self.after and not self.struck:
                self.struck = True
                await effect()
            self.struck = True
            await self.thawed.wait()
        self.left -= 1
        return await effect()


class MortalLog(MemoryLog):
    """A log whose writers die."""

    def __init__(self, scythe: Scythe) -> None:
        super().__init__()
        self.scythe = scythe

    async def append_at(
        self, partition: int, batches: Sequence[SequenceBatch], *, fence: Fence | None = None
    ) -> list[bool]:
        placed = super().append_at
        return await self.scythe.write(lambda: placed(partition, batches, fence=fence))


class MortalObjects(KeptObjects):
    """A store whose writers die."""

    def __init__(self, scythe: Scythe) -> None:
        super().__init__()
        self.scythe = scythe

    async def put(self, name: str, data: bytes, content_type: str) -> None:
        await self.scythe.write(partial(super().put, name, data, content_type))


async def as_placed(log: Log, topic: str) -> list[SequenceBatch]:
    """Return a topic's batches in the order in which they stand."""
    kind = TOPICS[topic]
    found: list[SequenceBatch] = []
    for number in range(PARTITIONS):
        span = await log.span(topic, number)
        read = await log.read({(topic, number): 0}, limit=max(1, span.next))
        records = [unpack(e.value or b"", kind) for e in read.get((topic, number), [])]
        found += batches(tuple(r for r in records if isinstance(r, SequenceRecord)))
    return found


@dataclass
class World:
    """The stage before: its records come step by step; what was delivered can be again."""

    log: MortalLog
    topic: str
    coming: list[SequenceBatch]
    step: int
    _done: set[tuple[int, int]] = field(default_factory=set)
    _offered: dict[TopicPartition, int] = field(default_factory=dict)

    def begin(self, again: int) -> None:
        """Deliver from the first record that is not done, less ``again``, in each partition."""
        for number in range(PARTITIONS):
            first = 0
            while (number, first) in self._done:
                first += 1
            self._offered[self.topic, number] = max(0, first - again)

    async def deliver(self, lanes: KeyedRunner, dead: Callable[[], bool]) -> bool:
        """Deliver until all is done or the worker is dead; say whether all is done."""
        while True:
            wanted = await self._offer(lanes)
            await until(lambda wanted=wanted: dead() or wanted <= self._done)
            if dead():
                return False
            if not self.coming:
                return True
            now, self.coming = self.coming[: self.step], self.coming[self.step :]
            for batch in now:
                number = partition_of(batch.key, PARTITIONS)
                await MemoryLog.append_at(self.log, number, [batch])  # it does not die

    async def _offer(self, lanes: KeyedRunner) -> set[tuple[int, int]]:
        wanted: set[tuple[int, int]] = set()
        for (topic, number), entries in (await self.log.read(self._offered, limit=10_000)).items():
            for entry in entries:
                place = (number, entry.offset)
                wanted.add(place)
                await lanes.offer(
                    Delivery(
                        key=entry.key or b"",
                        value=entry.value or b"",
                        partition=number,
                        offset=entry.offset,
                        fence=None,
                        done=partial(self._done.add, place),
                    )
                )
            self._offered[topic, number] = entries[-1].offset + 1
        return wanted


async def survived(
    stage: Stage, room: Room, scythe: Scythe, world: World, deaths: Sequence[Death]
) -> int:
    """Run a stage through deaths to its end; return how many writes its last life took."""
    bugs: list[BaseException] = []
    again = 0
    for death in (*deaths, None):
        world.begin(again)
        again = death.again if death else 0
        scythe.raise_for(death)
        lanes = KeyedRunner(
            stage,
            stage.build(room.parts),
            room.log,
            PARTITIONS,
            observer=room.counts,
            crash=bugs.append,
        )
        ended = await world.deliver(lanes, lambda: scythe.struck or bool(bugs))
        await lanes.drop()
        if bugs:
            raise bugs[0]
        if ended:
            break
    return -1 - scythe.left
