"""Sequences in memory: what ``append_at.lua`` and ``find_batches.lua`` do on the server."""

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice

from ..errors import ClosedError, GapError, LogError, OverlapError, refused
from ..sequences import SequenceBatch, SequenceState


@dataclass(frozen=True, slots=True)
class StoredBatch:
    """The positions of a batch and where its entries are."""

    start: int
    end: int
    first: int
    """Offset of its first entry."""
    last: int
    """Offset of its last entry."""

    @property
    def entries(self) -> int:
        """How many entries it was written with."""
        return self.last - self.first + 1

    def touches(self, start: int, end: int | None) -> bool:
        """Return whether the batch has a position in ``[start, end)``; a bare one has its own."""
        if end is not None and (end <= start or self.start >= end):
            return False
        return self.end > start or self.start == self.end == start


@dataclass(slots=True)
class StoredSequence:
    """A sequence's state and the batches it was written with, in order."""

    next: int = 0
    closed: bool = False
    batches: list[StoredBatch] = field(default_factory=list[StoredBatch])

    def append(self, batch: SequenceBatch, first: int, last: int) -> None:
        """Record that the batch was written to the offsets ``first`` to ``last``."""
        self.batches.append(StoredBatch(batch.start, batch.end, first, last))
        self.next, self.closed = batch.end, batch.last

    def find(
        self, start: int, end: int | None, first_offset: int, limit: int | None
    ) -> Iterator[StoredBatch]:
        """Yield the batches in ``[start, end)`` that have an entry left, as `Log.read_sequence`."""
        # they follow one another: only the last one that starts at or before ``start`` may touch it
        low = max(0, bisect_right(self.batches, start, key=lambda batch: batch.start) - 1)
        entries = 0
        for batch in islice(self.batches, low, None):
            if end is not None and batch.start >= end:
                return
            if batch.last < first_offset or not batch.touches(start, end):
                continue
            if limit is not None and entries and entries + batch.entries > limit:
                return
            entries += batch.entries
            yield batch


def is_stored(batch: SequenceBatch, sequence: SequenceState) -> bool:
    """Return whether the batch is already stored, rather than next in its sequence.

    Raises:
        ClosedError, GapError, OverlapError: it is neither.
    """
    if batch.is_bare:  # it takes no position, so it needs one after it, or a closed sequence
        stored = batch.start < sequence.next or (sequence.closed and batch.start == sequence.next)
    elif batch.by_start:
        stored = batch.start < sequence.next
    else:
        stored = batch.end <= sequence.next
    if stored:
        return True
    if sequence.closed:
        raise _refused(ClosedError, batch, sequence)
    if batch.start > sequence.next:
        raise _refused(GapError, batch, sequence)
    if batch.start < sequence.next:
        raise overlap(batch, sequence)
    return False


def overlap(batch: SequenceBatch, sequence: SequenceState) -> LogError:
    """Return the error for a batch that is not what is stored at its position."""
    return _refused(OverlapError, batch, sequence)


def _refused(kind: type[LogError], batch: SequenceBatch, sequence: SequenceState) -> LogError:
    name = f"{batch.topic} of {batch.sequence}"
    return refused(kind, name, sequence.next, (batch.start, batch.end))
