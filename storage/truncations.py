"""What a log is known to have lost, in the order in which it was noticed."""

from collections.abc import Mapping

from .entries import TopicPartition
from .errors import TruncatedError


class Truncations:
    """Tells readers whose position lies beyond what was lost."""

    def __init__(self) -> None:
        self._noted: list[Mapping[TopicPartition, int]] = []

    @property
    def epoch(self) -> int:
        """How many times something was lost."""
        return len(self._noted)

    def note(self, starts: Mapping[TopicPartition, int]) -> None:
        """Note the first offset that each partition has lost; a new epoch begins."""
        self._noted.append(dict(starts))

    def since(self, epoch: int) -> dict[TopicPartition, int]:
        """Return the first offset that each partition has lost since an epoch."""
        first: dict[TopicPartition, int] = {}
        for starts in self._noted[epoch:]:
            for place, start in starts.items():
                first[place] = min(start, first.get(place, start))
        return first

    def check_nothing_lost(self, epoch: int | None) -> None:
        """Raise `TruncatedError` where anything was lost since the epoch."""
        if epoch is not None and epoch != self.epoch:
            raise TruncatedError(self.since(epoch))

    def check(self, positions: Mapping[TopicPartition, int], epoch: int | None) -> None:
        """See whether what lies before each position is still what it was in the epoch.

        Raises:
            TruncatedError: it is not.
        """
        if epoch is None or epoch == self.epoch:
            return
        first = self.since(epoch)
        lost = {
            place: first[place]
            for place, position in positions.items()
            if first.get(place, position) < position
        }
        if lost:
            raise TruncatedError(lost)
