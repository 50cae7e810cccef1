"""Admission: how many sessions may be in production, and who waits for a place.

What is kept here is global to a namespace, and can be lost: the log has what it follows from
(`agents.admitting`). One process leads for all and says how many places there are; anybody may take
a free one.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Places:
    """What the leader found when it last looked."""

    limit: int
    """Sessions that may be in production at the same time."""
    producing: int
    """Sessions that are."""
    speed: float = 0.0
    """Seconds of audio made in a second by all workers together; 0 until measured."""
    production_s: float = 0.0
    """How long a session is in production on average; 0 until one has ended."""


@dataclass(frozen=True, slots=True)
class Published:
    """What became of what the leader says."""

    leads: bool
    """False where another leads: nothing was changed."""
    afresh: bool = False
    """Nothing was there before: what was is lost, the line with it."""
    waiting: int = 0
    """How many sessions wait."""


class Admissions(Protocol):
    """Places and the line for them. All methods may raise `storage.log.UnreachableError`."""

    async def take_place(self) -> bool:
        """Take a free place; False where there is none, or nobody has led yet."""
        ...

    async def wait(self, session: str, since_ms: int) -> None:
        """Stand in line by the time of acceptance; who stands there already keeps its place."""
        ...

    async def leave(self, sessions: Sequence[str]) -> None:
        """Leave the line; unknown sessions change nothing."""
        ...

    async def first_in_line(self, limit: int) -> list[str]:
        """Return the sessions that have waited longest, in their order."""
        ...

    async def waiting(self) -> int:
        """Return how many sessions wait."""
        ...

    async def position(self, session: str) -> int | None:
        """Return a session's position in the line, 1 for the first; None where it does not wait."""
        ...

    async def places(self) -> Places | None:
        """Return what the leader published last, None where nobody has."""
        ...

    async def lead(self, member: str, lease_s: float) -> bool:
        """Lead, or go on leading, for so long; False where another does."""
        ...

    async def publish(self, member: str, places: Places, free: int, lease_s: float) -> Published:
        """Say how many places are free, none where sessions wait; lead on for so long.

        Nothing changes where the member does not lead.
        """
        ...

    async def resign(self, member: str) -> None:
        """Lead no longer, so that another may at once; who does not lead changes nothing."""
        ...

    async def close(self) -> None:
        """Close every connection."""
        ...
