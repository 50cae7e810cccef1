"""What a producer has stored last: it is stored again where a server that took over lacks it."""

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from time import monotonic

from faust.types.tuples import TP

from ...storage.log import NewEntry, TopicPartition

KEPT_S = 30.0
"""Longer than a Cluster's nodes take to replace a master (15 s, and an election)."""
KEPT_BYTES = 4_000_000
"""Of keys and values, over all partitions."""


@dataclass(frozen=True, slots=True)
class Sent:
    """Entries that were stored by one append."""

    tp: TP
    first: int
    epoch: int
    """`Log.epoch` when they were there."""
    entries: Sequence[NewEntry]
    at_s: float
    size_bytes: int

    def behind(self, start: int) -> list[NewEntry]:
        """Return those from an offset on."""
        return list(self.entries[max(0, start - self.first) :])


class RecentlySent:
    """The appends of the last seconds, the oldest first."""

    def __init__(self) -> None:
        self._sent: deque[Sent] = deque()
        self._size_bytes = 0

    def note(self, tp: TP, first: int, entries: Sequence[NewEntry], epoch: int) -> None:
        """Keep what was stored, and forget what is old."""
        size_bytes = sum(len(one.key or b"") + len(one.value or b"") for one in entries)
        now_s = monotonic()
        self._sent.append(Sent(tp, first, epoch, entries, now_s, size_bytes))
        self._size_bytes += size_bytes
        while self._size_bytes > KEPT_BYTES or self._sent[0].at_s < now_s - KEPT_S:
            self._size_bytes -= self._sent.popleft().size_bytes

    def places(self) -> set[TP]:
        """Return the partitions that something was sent to."""
        return {one.tp for one in self._sent}

    def take_lost(
        self, lost_since: Callable[[int], Mapping[TopicPartition, int]]
    ) -> list[tuple[TP, list[NewEntry]]]:
        """Return what of it was lost, in the order in which it was stored, and keep the rest."""
        lost: list[tuple[TP, list[NewEntry]]] = []
        kept: deque[Sent] = deque()
        starts = {epoch: lost_since(epoch) for epoch in {one.epoch for one in self._sent}}
        for one in self._sent:
            start = starts[one.epoch].get((one.tp.topic, one.tp.partition))
            if start is not None and (missing := one.behind(start)):
                lost.append((one.tp, missing))
                self._size_bytes -= one.size_bytes
            else:
                kept.append(one)
        self._sent = kept
        return lost
