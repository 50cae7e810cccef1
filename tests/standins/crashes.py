"""Workers that crash at a chosen write, and are started anew on what they left behind."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

from rhapsode.agents.batching import batches
from rhapsode.codecs.encoding import decode
from rhapsode.codecs.records import TOPICS, SequenceRecord
from rhapsode.storage.log import Entry, Fence, Log, SequenceBatch, TopicPartition, partition_of
from rhapsode.storage.memory.log import MemoryLog
from rhapsode.topologies.keyed_runner import Delivery, KeyedRunner
from rhapsode.topologies.stage import Stage
from rhapsode.topologies.testing import PARTITIONS, Counts, InMemorySystem

from .in_memory import fixed_clock_ms
from .recorded_objects import RecordedObjects
from .waiting import until

T = TypeVar("T")
Place = tuple[str, int, int]
"""Topic, partition and offset of a delivered record."""


@dataclass(frozen=True)
class Crash:
    """When a worker crashes, and what is delivered again to the one that takes over."""

    writes: int
    """Writes, to the log and to the store, that are done before."""
    after: bool = False
    """It crashes after one more write, whose answer it never sees."""
    redelivered: int = 0
    """Records, in each partition of each source, that are delivered again though they were done."""


@dataclass
class WriteGate:
    """Lets a number of writes through; whoever writes then hangs, as a crashed worker would."""

    left: int = -1
    after: bool = False
    crashed: bool = False
    woken: asyncio.Event = field(default_factory=asyncio.Event)
    """Set to let workers that were thought dead write on."""

    def set_to(self, crash: Crash | None) -> None:
        """Crash the next worker so, or not at all."""
        self.crashed = False
        self.left, self.after = (crash.writes, crash.after) if crash else (-1, False)

    async def write(self, effect: Callable[[], Awaitable[T]]) -> T:
        """Do a write, now, or when the worker wakes up again."""
        if self.left == 0:
            if self.after and not self.crashed:
                self.crashed = True
                await effect()
            self.crashed = True
            await self.woken.wait()
        self.left -= 1
        return await effect()


class CrashingLog(MemoryLog):
    """A log whose writers crash."""

    def __init__(self, gate: WriteGate) -> None:
        super().__init__(fixed_clock_ms)
        self.gate = gate

    async def append_at(
        self,
        partition: int,
        batches: Sequence[SequenceBatch],
        *,
        fence: Fence | None = None,
        together: bool = False,
    ) -> list[bool]:
        append = super().append_at
        return await self.gate.write(
            lambda: append(partition, batches, fence=fence, together=together)
        )


class CrashingObjects(RecordedObjects):
    """A store whose writers crash."""

    def __init__(self, gate: WriteGate) -> None:
        super().__init__()
        self.gate = gate

    async def put(self, name: str, data: bytes, content_type: str) -> None:
        await self.gate.write(partial(super().put, name, data, content_type))


async def stored_batches(log: Log, topic: str) -> list[SequenceBatch]:
    """Return a topic's batches in the order in which they were appended, partition by partition."""
    kind = TOPICS[topic]
    found: list[SequenceBatch] = []
    for number in range(PARTITIONS):
        span = await log.span(topic, number)
        read = await log.read({(topic, number): 0}, limit=max(1, span.next))
        records = [decode(e.value or b"", kind) for e in read.get((topic, number), [])]
        found += batches(tuple(r for r in records if isinstance(r, SequenceRecord)))
    return found


async def append_unharmed(log: Log, batch: SequenceBatch) -> tuple[TopicPartition, int]:
    """Append a batch as an earlier stage would, which does not crash; return where it begins."""
    assert isinstance(log, MemoryLog)
    partition = partition_of(batch.key, PARTITIONS)
    first = (await log.span(batch.topic, partition)).next
    await MemoryLog.append_at(log, partition, [batch])
    return (batch.topic, partition), first


class Worker:
    """One process with one stage: what it was offered, what it has done, and its trouble."""

    def __init__(self, stage: Stage, system: InMemorySystem, generation: int = 0) -> None:
        self.counts = Counts()
        self.bugs: list[BaseException] = []
        self.offered: set[Place] = set()
        self.done: set[Place] = set()
        self._fence = Fence(stage.name, generation) if generation else None
        self.runner = KeyedRunner(
            stage,
            stage.agent(system),
            system.journal,
            observer=self.counts,
            on_bug=self.bugs.append,
        )

    async def offer(self, topic: str, partition: int, entry: Entry) -> None:
        """Deliver a record."""
        place = (topic, partition, entry.offset)
        self.offered.add(place)
        await self.runner.offer(
            Delivery(
                key=entry.key or b"",
                value=entry.value or b"",
                topic=topic,
                partition=partition,
                offset=entry.offset,
                fence=self._fence,
                done=partial(self.done.add, place),
            )
        )

    def ended(self) -> bool:
        """Tell whether it has done all it was offered, or broke down."""
        return bool(self.bugs) or self.offered <= self.done


@dataclass
class Upstream:
    """The stages before: their records come step by step; what was delivered can be again."""

    log: CrashingLog
    topics: tuple[str, ...]
    coming: list[SequenceBatch]
    step: int
    done: set[Place] = field(default_factory=set[Place])
    _next: dict[TopicPartition, int] = field(default_factory=dict[TopicPartition, int])

    def begin(self, redelivered: int) -> None:
        """Deliver from the first record that is not done, less some, in each partition."""
        for topic in self.topics:
            for number in range(PARTITIONS):
                first = 0
                while (topic, number, first) in self.done:
                    first += 1
                self._next[topic, number] = max(0, first - redelivered)

    async def deliver(self, worker: Worker, crashed: Callable[[], bool]) -> bool:
        """Deliver until all is done or the worker has crashed; tell whether all is done."""
        while True:
            await self._offer(worker)
            await until(lambda: crashed() or worker.ended(), 30.0)
            self.done |= worker.done
            if crashed():
                return False
            if not self.coming:
                return True
            now, self.coming = self.coming[: self.step], self.coming[self.step :]
            for batch in now:
                await append_unharmed(self.log, batch)

    async def _offer(self, worker: Worker) -> None:
        for (topic, number), entries in (await self.log.read(self._next, limit=10_000)).items():
            for entry in entries:
                await worker.offer(topic, number, entry)
            self._next[topic, number] = entries[-1].offset + 1


async def run_through(
    stage: Stage,
    system: InMemorySystem,
    gate: WriteGate,
    upstream: Upstream,
    crashes: Sequence[Crash],
) -> int:
    """Run a stage through crashes to its end; return how many writes its last worker made."""
    redelivered = 0
    for crash in (*crashes, None):
        upstream.begin(redelivered)
        redelivered = crash.redelivered if crash else 0
        gate.set_to(crash)
        worker = Worker(stage, system)
        bugs = worker.bugs
        ended = await upstream.deliver(worker, lambda bugs=bugs: gate.crashed or bool(bugs))
        await worker.runner.drop()
        if worker.bugs:
            raise worker.bugs[0]
        assert worker.counts.troubles == []
        if ended:
            break
    return -1 - gate.left
