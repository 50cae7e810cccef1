"""Where each partition is read next: moved by deliveries, never by reads."""

from dataclasses import dataclass

from faust.types import TP

from ...storage.log import Entry


@dataclass(frozen=True, slots=True)
class Fetched:
    """An entry as a read brought it, stamped with what the partition was then."""

    entry: Entry
    epoch: int
    generation: int


class Positions:
    """The next offset of every partition that was sought in the present assignment.

    A blocking read may return long after it was asked for: behind a seek, or in another generation
    of the group. So every seek begins a new *epoch* of its partition, and what was read in an
    older one is dropped; the position is still before it, so it is read again if it is still
    wanted. A seek, too, may come late: one that was begun under an earlier assignment, or while
    none holds, changes nothing. A partition that was not sought has no position and is not read.
    """

    def __init__(self) -> None:
        self._next: dict[TP, int] = {}
        self._epochs: dict[TP, int] = {}
        self._epoch = 0
        self._assigned = False
        self.assignment = 0
        """Counts assignments and revocations; a seek that has to wait notes it beforehand."""

    def assign(self) -> None:
        """Begin an assignment: seeks count from now on."""
        self._renew(assigned=True)

    def revoke(self) -> None:
        """End the assignment: no partition has a position, whatever is still under way."""
        self._renew(assigned=False)

    def _renew(self, *, assigned: bool) -> None:
        self._next.clear()
        self._epochs.clear()
        self._assigned = assigned
        self.assignment += 1

    def seek(self, tp: TP, offset: int, assignment: int) -> bool:
        """Read on from the offset, unless the assignment has ended; reads under way are dropped."""
        if not self._assigned or assignment != self.assignment:
            return False
        self._epoch += 1
        self._epochs[tp] = self._epoch
        self._next[tp] = offset
        return True

    def get(self, tp: TP) -> int | None:
        """Return the offset that is delivered next, None before a seek."""
        return self._next.get(tp)

    def epoch(self, tp: TP) -> int:
        """Return the epoch that a read of the partition belongs to."""
        return self._epochs[tp]

    def expects(self, tp: TP, fetched: Fetched) -> bool:
        """Say whether the entry is to be delivered now."""
        return fetched.epoch == self._epochs.get(tp) and fetched.entry.offset >= self._next[tp]

    def delivered(self, tp: TP, fetched: Fetched) -> None:
        """Move on behind a delivered entry, unless the partition was sought meanwhile."""
        if fetched.epoch == self._epochs.get(tp):
            self._next[tp] = fetched.entry.offset + 1
