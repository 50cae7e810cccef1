"""What a producer has stored last: it is stored again where a server that took over lacks it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import count
from time import monotonic

from faust.types.tuples import TP

from ...storage.log import NewEntry, TopicPartition

KEPT_S = 30.0
"""Longer than a Cluster's nodes take to replace a master (15 s, and an election)."""
KEPT_BYTES = 4_000_000
"""Of keys, values and what is kept with them, over all partitions."""
ENTRY_BYTES = 300
"""About what an entry takes here beside its key and value."""


@dataclass(frozen=True, slots=True)
class Sending:
    """An entry that is sent, and what it is sent for."""

    entry: NewEntry
    source: tuple[TP, int] | None
    """Partition and offset of the event that it belongs to; None for what is sent beside events."""

    @property
    def size_bytes(self) -> int:
        """About how much memory it takes."""
        return len(self.entry.key or b"") + len(self.entry.value or b"") + ENTRY_BYTES


@dataclass(frozen=True, slots=True)
class Sent:
    """Entries that were stored by one append."""

    tp: TP
    first: int
    epoch: int
    """`Log.epoch` when they were there."""
    sendings: Sequence[Sending]
    at_s: float

    @property
    def size_bytes(self) -> int:
        """About how much memory they take."""
        return sum(one.size_bytes for one in self.sendings)

    def behind(self, start: int) -> Sequence[Sending]:
        """Return those from an offset on."""
        return self.sendings[max(0, start - self.first) :]


Lost = tuple[int, TP, Sequence[Sending]]
"""What of an append was lost, with its number here."""


class RecentlySent:
    """The appends of the last seconds, the oldest first."""

    def __init__(self) -> None:
        self._sent: dict[int, Sent] = {}
        self._number = count()
        self._size_bytes = 0

    def __bool__(self) -> bool:
        return bool(self._sent)

    def note(self, tp: TP, first: int, sendings: Sequence[Sending], epoch: int) -> None:
        """Keep what was stored."""
        sent = Sent(tp, first, epoch, sendings, monotonic())
        self._sent[next(self._number)] = sent
        self._size_bytes += sent.size_bytes
        while self._size_bytes > KEPT_BYTES:
            self.forget(next(iter(self._sent)))

    def forget(self, number: int) -> None:
        """Forget one append, unless that was done already."""
        sent = self._sent.pop(number, None)
        self._size_bytes -= sent.size_bytes if sent else 0

    def cut(self, number: int, entries: int) -> None:
        """Forget the last entries of an append: what is before them is there."""
        sent = self._sent.get(number)
        if sent is None:
            return
        head = replace(sent, sendings=sent.sendings[: len(sent.sendings) - entries])
        self._size_bytes += head.size_bytes - sent.size_bytes
        if head.sendings:
            self._sent[number] = head
        else:
            del self._sent[number]

    def stood(self, tp: TP, at_s: float) -> None:
        """Forget what is old enough, of a partition that was seen to stand at a moment.

        Where a partition is out of reach nobody knows what its next master lacks.
        """
        for number, sent in list(self._sent.items()):
            if sent.at_s >= at_s - KEPT_S:
                return
            if sent.tp == tp:
                self.forget(number)

    def places(self) -> set[TP]:
        """Return the partitions that something was sent to."""
        return {sent.tp for sent in self._sent.values()}

    def lost(self, lost_since: Callable[[int], Mapping[TopicPartition, int]]) -> list[Lost]:
        """Return what of each append was lost, in the order of the appends."""
        starts = {epoch: lost_since(epoch) for epoch in {one.epoch for one in self._sent.values()}}
        found: list[Lost] = []
        for number, sent in self._sent.items():
            start = starts[sent.epoch].get((sent.tp.topic, sent.tp.partition))
            if start is not None and (missing := sent.behind(start)):
                found.append((number, sent.tp, missing))
        return found
