"""Which sessions there are, newest first, and what is kept of each.

What is kept here is global to a namespace and can be lost: it follows from the log and the archive
(`agents.retaining`). One process cleans up for all, under a lease.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol

Kept = Literal["media_bytes", "archive_bytes"]


class Position(NamedTuple):
    """A place in the order of sessions; it stays one when the session that is there is removed."""

    created_ms: int
    session: str


@dataclass(frozen=True, slots=True)
class KnownSession:
    """A session, and what is kept of it."""

    session: str
    created_ms: int
    owner: str = ""
    ended_ms: int = 0
    """When the log forgot it; 0 while the log knows it."""
    media_bytes: int = 0
    """Of segments, as far as the session is archived."""
    archive_bytes: int = 0
    removing: bool = False
    """True once somebody asked for it to be removed."""

    @property
    def position(self) -> Position:
        """Where the session is among the others."""
        return Position(self.created_ms, self.session)


@dataclass(frozen=True, slots=True)
class Totals:
    """What is kept of all sessions together."""

    sessions: int = 0
    media_bytes: int = 0
    archive_bytes: int = 0


class SessionIndex(Protocol):
    """Sessions by time. All methods may raise `storage.log.UnreachableError`."""

    async def add(self, session: str, owner: str = "", created_ms: int | None = None) -> None:
        """Note a session; who is known already stays as it is. None is the server's time."""
        ...

    async def get(self, session: str) -> KnownSession | None:
        """Return what is known of a session."""
        ...

    async def newest(
        self, limit: int, *, after: Position | None = None, owner: str | None = None
    ) -> list[KnownSession]:
        """Return sessions, newest first, that come after a position, or from the first one on.

        With an owner, only those of that owner.
        """
        ...

    async def oldest(self, limit: int, *, after: Position | None = None) -> list[KnownSession]:
        """Return sessions, oldest first, that come after a position, or from the first one on."""
        ...

    async def count(self, session: str, kind: Kept, size_bytes: int) -> None:
        """Add to what is kept of a session; unknown sessions change nothing."""
        ...

    async def end(self, session: str, ended_ms: int) -> None:
        """Note that the log has forgotten a session."""
        ...

    async def ask_removal(self, session: str) -> None:
        """Note that a session is to be removed."""
        ...

    async def to_remove(self, limit: int) -> list[str]:
        """Return sessions that somebody asked to be removed."""
        ...

    async def remove(self, sessions: Sequence[str]) -> None:
        """Forget sessions."""
        ...

    async def totals(self, owner: str | None = None) -> Totals:
        """Return what is kept of all sessions together, or of all of an owner."""
        ...

    async def lead(self, member: str, lease_s: float) -> bool:
        """Be the one who cleans up, for so long; False where another is."""
        ...

    async def resign(self, member: str) -> None:
        """Clean up no longer; who does not changes nothing."""
        ...

    async def close(self) -> None:
        """Close every connection."""
        ...
