"""API keys: who may use a system, how much, and what was used.

What is kept is global to a namespace. A key's secret is never stored, only its SHA-256.
"""

from collections.abc import Sequence
from typing import Protocol

import msgspec


class AccessKey(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An API key as it is stored."""

    id: str
    """Public part of the key, and owner of the sessions it starts."""
    name: str
    """What people call it."""
    sha256: str
    """Of the whole key, in hexadecimal."""
    created_ms: int
    chars_a_day: int = 0
    """Characters of text it may send in a day (UTC); 0 for any number."""
    sessions_at_once: int = 0
    """Sessions of it that may be unfinished at the same time; 0 for any number."""
    kept_mb: int = 0
    """Megabytes of media and archive that are kept of it; 0 for any number."""


class AccessKeys(Protocol):
    """Keys of a namespace. All methods may raise `storage.log.UnreachableError`."""

    async def add(self, key: AccessKey) -> bool:
        """Store a key; False, and nothing is stored, where its id is taken."""
        ...

    async def get(self, key_id: str) -> AccessKey | None:
        """Return a key, None where there is none, or not any more."""
        ...

    async def all(self) -> list[AccessKey]:
        """Return every key, the oldest first."""
        ...

    async def revoke(self, key_id: str) -> bool:
        """Remove a key; False where there is none."""
        ...

    async def secret(self) -> bytes:
        """Return the namespace's 32 secret bytes, which sign tokens; made when first asked for."""
        ...

    async def spend(self, key_id: str, day: str, chars: int) -> int:
        """Count characters for a key and a day; return the day's sum. Kept for two days."""
        ...

    async def begin(self, key_id: str, session: str, begun_ms: int) -> int:
        """Count a session as unfinished since a Unix time; return how many the key has."""
        ...

    async def unfinished(self, key_id: str) -> dict[str, int]:
        """Return the sessions of a key that were begun and not ended, and when each was first."""
        ...

    async def end(self, key_id: str, sessions: Sequence[str]) -> None:
        """Count sessions as finished; unknown ones change nothing."""
        ...

    async def close(self) -> None:
        """Close every connection."""
        ...
