"""The records of one key that a stage has been given: waiting, in the agent's hand, done."""

import asyncio
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from ..storage.log import Fence, TopicPartition
from .delivery import Delivery


@dataclass(slots=True)
class KeyedRecords:
    """Deliveries in order. Where partitions moved, and these stayed, they are delivered again."""

    waiting: deque[Delivery] = field(default_factory=deque[Delivery])
    handed: deque[Delivery] = field(default_factory=deque[Delivery])
    """Given to the agent and not done."""
    _arrival: asyncio.Event = field(default_factory=asyncio.Event)
    _done_below: dict[TopicPartition, int] = field(default_factory=dict[TopicPartition, int])
    """The offset after the last one that is done, of each partition that records came from."""

    def __iter__(self) -> Iterator[Delivery]:
        yield from self.handed
        yield from self.waiting

    def __bool__(self) -> bool:
        return bool(self.waiting or self.handed)

    def add(self, delivery: Delivery) -> None:
        """Let a record wait for its turn."""
        self._done_below.setdefault((delivery.topic, delivery.partition), 0)
        self.waiting.append(delivery)
        self._arrival.set()

    def has(self, delivery: Delivery) -> bool:
        """Take a delivery in the place of an earlier one of the same record; False if it is new.

        What is done already is done for this delivery, too.
        """
        place = (delivery.topic, delivery.partition)
        if delivery.offset < self._done_below.get(place, 0):
            delivery.done()
            return True
        for queue in (self.handed, self.waiting):
            for at, one in enumerate(queue):
                if (one.topic, one.partition, one.offset) == (*place, delivery.offset):
                    queue[at] = replace(one, fence=delivery.fence, done=delivery.done)
                    return True
        return False

    def lies_in(self, places: Mapping[TopicPartition, Fence]) -> bool:
        """Say whether all partitions that records came from are among these."""
        return self._done_below.keys() <= places.keys()

    def renew(self, fences: Mapping[TopicPartition, Fence]) -> None:
        """Write under other fences from now on."""
        for queue in (self.handed, self.waiting):
            for at, one in enumerate(queue):
                queue[at] = replace(one, fence=fences[one.topic, one.partition])

    def hand_over(self) -> None:
        """Move the next record that waits into the agent's hand."""
        self.handed.append(self.waiting.popleft())

    def hand_over_one(self) -> None:
        """Have a record in the agent's hand, if there is any."""
        if self.waiting and not self.handed:
            self.hand_over()

    def forget_generation(self) -> list[Delivery]:
        """Drop what came in the generation that was fenced off, not what came since; return it."""
        fenced = self.handed[-1].fence
        assert fenced is not None
        gone = [
            delivery
            for delivery in self
            if delivery.fence is not None and delivery.fence.generation <= fenced.generation
        ]
        self.waiting = deque(one for one in (*self.handed, *self.waiting) if one not in gone)
        self.handed.clear()
        return gone

    def finish(self) -> list[Delivery]:
        """Have all that is in the agent's hand be done; return it."""
        finished = list(self.handed)
        self.handed.clear()
        for delivery in finished:
            self._done_below[delivery.topic, delivery.partition] = delivery.offset + 1
            delivery.done()
        return finished

    def put_back(self) -> None:
        """Let what is in the agent's hand come first again: it was not finished."""
        self.waiting.extendleft(reversed(self.handed))
        self.handed.clear()
        if self.waiting:
            self._arrival.set()

    async def arrived(self, timeout_s: float) -> bool:
        """Wait for a record; False where none came in time."""
        if self.waiting:
            return True
        self._arrival.clear()
        try:
            async with asyncio.timeout(timeout_s):
                await self._arrival.wait()
        except TimeoutError:
            return False
        return True
