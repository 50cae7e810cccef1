"""Streams that somebody else wrote to: they are passed over, and all others are read on."""

from collections.abc import Mapping
from time import monotonic

import structlog

from ..entries import TopicPartition
from ..errors import UnusableServerError

LOOK_AGAIN_S = 5.0
log = structlog.get_logger()


class PassedOver:
    """Partitions whose stream holds an entry that the log did not write.

    One bare ``XADD *`` must not stop what the other partitions hold.
    """

    def __init__(self) -> None:
        self._until_s: dict[TopicPartition, float] = {}
        self._newest: UnusableServerError | None = None

    def note(self, place: TopicPartition, error: UnusableServerError) -> None:
        """Pass a partition over for a while, and say so."""
        self._newest = error
        self._until_s[place] = monotonic() + LOOK_AGAIN_S
        topic, number = place
        log.error("a partition cannot be read on", topic=topic, partition=number, why=str(error))

    def without(self, positions: Mapping[TopicPartition, int]) -> Mapping[TopicPartition, int]:
        """Return the positions that can be read from.

        Raises:
            UnusableServerError: there are none.
        """
        if not self._until_s:
            return positions
        now_s = monotonic()
        self._until_s = {place: at_s for place, at_s in self._until_s.items() if at_s > now_s}
        left = {place: at for place, at in positions.items() if place not in self._until_s}
        if not left and self._newest is not None:
            raise self._newest
        return left
