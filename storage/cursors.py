"""How far readers outside the log have come: devices, which come back and go on from there."""

from collections.abc import Mapping
from typing import Protocol

KEPT_S = 7 * 86_400.0
"""A cursor that nobody has moved for so long is forgotten."""


class Cursors(Protocol):
    """Small values by name, of all processes of a namespace; the last writer wins.

    They belong to the namespace, not to a partition, and may be lost without harm to the log.
    Methods may raise `UnreachableError`.
    """

    async def load(self, name: str) -> bytes | None:
        """Return a cursor, None where there is none."""
        ...

    async def save(self, cursors: Mapping[str, bytes | None]) -> None:
        """Keep cursors for a week; None forgets one."""
        ...

    async def close(self) -> None:
        """Close every connection."""
        ...
