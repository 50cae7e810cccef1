"""A log and a store that answer sooner or later, for workers that race."""

import asyncio
import random
from collections.abc import Sequence

from rhapsode.storage.log import Entry, Fence, Log, SequenceBatch, SequenceState
from rhapsode.storage.memory.log import MemoryLog

from .crashes import Worker, append_unharmed
from .in_memory import fixed_clock_ms
from .recorded_objects import RecordedObjects


class UnevenLog(MemoryLog):
    """A log whose answers come sooner or later."""

    def __init__(self, seed: int) -> None:
        super().__init__(fixed_clock_ms)
        self._chance = random.Random(seed)

    async def pause(self) -> None:
        """Let others go first, a number of times."""
        for _ in range(self._chance.randrange(4)):
            await asyncio.sleep(0)

    async def append_at(
        self,
        partition: int,
        batches: Sequence[SequenceBatch],
        *,
        fence: Fence | None = None,
        together: bool = False,
    ) -> list[bool]:
        await self.pause()
        answer = await super().append_at(partition, batches, fence=fence, together=together)
        await self.pause()
        return answer

    async def sequence_state(self, topic: str, partition: int, sequence: str) -> SequenceState:
        await self.pause()
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
        await self.pause()
        return found


class UnevenObjects(RecordedObjects):
    """A store that takes its time."""

    def __init__(self, log: UnevenLog) -> None:
        super().__init__()
        self._log = log

    async def put(self, name: str, data: bytes, content_type: str) -> None:
        await self._log.pause()
        await super().put(name, data, content_type)
        await self._log.pause()


async def deliver(log: Log, coming: Sequence[SequenceBatch], *workers: Worker) -> None:
    """Append records as earlier stages would, and hand each to all workers."""
    for batch in coming:
        where = await append_unharmed(log, batch)
        # what a stage has written to a source of its own is handed on later, with the rest
        for entry in (await log.read({where[0]: where[1]})).get(where[0], []):
            for worker in workers:
                await worker.offer(*where[0], entry)


async def deliver_again(log: Log, topics: Sequence[str], partitions: int, worker: Worker) -> None:
    """Hand a worker everything that is stored."""
    positions = {(topic, number): 0 for topic in topics for number in range(partitions)}
    for where, entries in (await log.read(positions, limit=10_000)).items():
        for entry in entries:
            await worker.offer(*where, entry)
