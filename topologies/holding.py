"""What a stage holds of the records that were delivered to it and are not done."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from ..codecs.encoding import MalformedError
from ..storage.log import Log
from .delivery import Delivery

MAX_HELD_BYTES = 16_000_000
"""Values held by a stage, all keys together. What is delivered beyond it is read again in its turn:
to stop reading instead would keep a new session waiting behind all that others have."""
MAX_HELD_BYTES_OF_KEY = 48_000
"""A session that is far behind holds no more than its next record of audio, or two."""
MAX_IN_HAND_BYTES = 4_000
"""A larger value is read again in the rare case that its record is begun anew or given up."""
MAX_HELD_RECORDS = 200_000
"""With or without their values; beyond it the stage reads no more until some are done."""


@dataclass(slots=True)
class Holding:
    """Counts deliveries and bytes of their values; lets go of values there is no room for."""

    bytes_held: int = 0
    records_held: int = 0
    _by_key: dict[bytes, int] = field(default_factory=dict[bytes, int])
    _room: asyncio.Event = field(default_factory=asyncio.Event)

    async def take(self, delivery: Delivery) -> Delivery:
        """Return the delivery as it is to be kept; waits while there are too many."""
        while self.records_held >= MAX_HELD_RECORDS:
            self._room.clear()
            await self._room.wait()
        of_key = self._by_key.get(delivery.key, 0)
        if self.bytes_held >= MAX_HELD_BYTES or of_key >= MAX_HELD_BYTES_OF_KEY:
            delivery = replace(delivery, value=None)
        self.records_held += 1
        self._count(delivery)
        return delivery

    def in_hand(self, delivery: Delivery) -> Delivery:
        """Return a delivery as it is to be kept once an agent has it decoded."""
        if len(delivery.value or b"") <= MAX_IN_HAND_BYTES:
            return delivery
        self._count(delivery, -1)
        return replace(delivery, value=None)

    async def value(self, log: Log, delivery: Delivery) -> bytes:
        """Return a delivery's value, read again where that was let go of.

        Raises:
            MalformedError: the log has trimmed it meanwhile.
            OSError: the log is out of reach.
        """
        if delivery.value is not None:
            return delivery.value
        place = (delivery.topic, delivery.partition)
        (entry, *_) = (await log.read({place: delivery.offset}, limit=1)).get(place) or [None]
        if entry is None or entry.offset != delivery.offset:
            raise MalformedError(
                f"record {delivery.offset} of {delivery.topic} is not in the log any more"
            )
        return entry.value or b""

    def release(self, deliveries: Iterable[Delivery]) -> None:
        """Forget deliveries that are done, or another's now."""
        for delivery in deliveries:
            self.records_held -= 1
            self._count(delivery, -1)
        if self.records_held < MAX_HELD_RECORDS:
            self._room.set()

    def _count(self, delivery: Delivery, sign: int = 1) -> None:
        size = sign * len(delivery.value or b"")
        self.bytes_held += size
        of_key = self._by_key.get(delivery.key, 0) + size
        if of_key:
            self._by_key[delivery.key] = of_key
        else:
            self._by_key.pop(delivery.key, None)
