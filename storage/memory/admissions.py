"""Admission in memory, for one process."""

from collections.abc import Sequence

from ..admissions import Places, Published
from .lease import MemoryLease


class MemoryAdmissions:
    """`storage.admissions.Admissions` for as long as the process lives.

    Args:
        free: Places that are free before anybody leads.
    """

    def __init__(self, free: int = 0) -> None:
        self._free = free
        self._places: Places | None = None
        self._line: dict[str, int] = {}
        self._lease = MemoryLease()

    async def take_place(self) -> bool:
        if self._free <= 0:
            return False
        self._free -= 1
        return True

    async def wait(self, session: str, since_ms: int) -> None:
        self._line.setdefault(session, since_ms)

    async def leave(self, sessions: Sequence[str]) -> None:
        for session in sessions:
            self._line.pop(session, None)

    async def first_in_line(self, limit: int) -> list[str]:
        return self._ordered()[:limit]

    async def waiting(self) -> int:
        return len(self._line)

    async def position(self, session: str) -> int | None:
        return self._ordered().index(session) + 1 if session in self._line else None

    def _ordered(self) -> list[str]:
        return sorted(self._line, key=lambda session: (self._line[session], session))

    async def places(self) -> Places | None:
        return self._places

    async def lead(self, member: str, lease_s: float) -> bool:
        return self._lease.take(member, lease_s)

    async def publish(self, member: str, places: Places, free: int, lease_s: float) -> Published:
        if not self._lease.is_held_by(member):
            return Published(leads=False)
        self._lease.take(member, lease_s)
        published = Published(True, self._places is None, len(self._line))
        self._places, self._free = places, 0 if self._line else free
        return published

    async def resign(self, member: str) -> None:
        self._lease.give(member)

    async def close(self) -> None:
        pass
