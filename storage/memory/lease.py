"""A lease in memory, for one process."""

from time import monotonic


class MemoryLease:
    """What one member holds at a time."""

    def __init__(self) -> None:
        self._holder = ""
        self._until_s = 0.0

    def take(self, member: str, lease_s: float) -> bool:
        """Take it, or hold it on, for so long; False where another has it."""
        now_s = monotonic()
        if self._holder != member and now_s < self._until_s:
            return False
        self._holder, self._until_s = member, now_s + lease_s
        return True

    def give(self, member: str) -> None:
        """Give it up; nothing changes where another has it."""
        if self._holder == member:
            self._until_s = 0.0

    def is_held_by(self, member: str) -> bool:
        """Return whether the member has it."""
        return self._holder == member and monotonic() < self._until_s
