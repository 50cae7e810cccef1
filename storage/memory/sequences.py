"""Sequences in memory: what ``append_at.lua`` and ``find_batches.lua`` do on the server."""

from bisect import bisect_left, bisect_right
from dataclasses import dataclass, field
from itertools import islice

from ..errors import (
    ClosedError,
    ForgottenError,
    GapError,
    LogError,
    OverlapError,
    TrimmedError,
    refused,
)
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
        self, name: str, start: int, end: int | None, first_offset: int, limit: int | None
    ) -> list[StoredBatch]:
        """Return the batches in ``[start, end)``, as `Log.read_sequence`.

        Raises:
            TrimmedError: the first of them has lost entries, or is archived.
        """
        # they follow one another: only the last one that starts at or before ``start`` may touch it
        low = bisect_right(self.batches, start, key=lambda batch: batch.start) - 1
        if start >= self.next:  # only a bare end mark is found at its own position
            if low < 0 or self.batches[low].start != start:
                if self.closed and not self.batches and start == self.next:
                    raise TrimmedError(name, start, start)  # it may be archived
                return []
        elif low < 0:
            raise TrimmedError(name, start, self._first_from(0))
        if self.batches[low].first < first_offset:
            held = bisect_left(self.batches, first_offset, key=lambda batch: batch.first)
            raise TrimmedError(name, start, self._first_from(held))
        found: list[StoredBatch] = []
        entries = 0
        for batch in islice(self.batches, low, None):
            entries += batch.entries
            past = end is not None and batch.start >= end
            if past or (limit is not None and found and entries > limit):
                break
            found.append(batch)
        return found

    def _first_from(self, rank: int) -> int:
        return self.batches[rank].start if rank < len(self.batches) else self.next

    def drop(self, below: int) -> None:
        """Forget the batches that lie below an offset."""
        self.batches = [batch for batch in self.batches if batch.last >= below]


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


def forgotten(batch: SequenceBatch, sequence: SequenceState) -> LogError:
    """Return the error for a batch of a scope that is not known any more, or not yet."""
    return _refused(ForgottenError, batch, sequence)


def overlap(batch: SequenceBatch, sequence: SequenceState) -> LogError:
    """Return the error for a batch that is not what is stored at its position."""
    return _refused(OverlapError, batch, sequence)


def _refused(kind: type[LogError], batch: SequenceBatch, sequence: SequenceState) -> LogError:
    name = f"{batch.topic} of {batch.sequence}"
    return refused(kind, name, sequence.next, (batch.start, batch.end))
