"""Where each device was: what lets it go on after its connection, or its gateway, has gone."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import msgspec

from ...storage.cursors import Cursors

MOST_KEPT = 10_000
"""Positions that wait to be saved."""


@dataclass(frozen=True, slots=True)
class Position:
    """What a device was playing, and how far it had heard it."""

    session: str
    frame: int
    """The first of the session's frames that it has not heard."""
    playing: bool
    """False where its user has stopped it: then it goes on when asked to, not by itself."""
    saved_s: float
    """Unix time."""


class Positions(Protocol):
    """Keeps positions by device, ``OWNER|DEVICE-ID``.

    All gateways of a system share one. The last writer wins: a device has one connection. Its
    methods may raise `storage.log.UnreachableError`: then a device does not go on by itself, and
    its position is saved again a second later.
    """

    async def load(self, device: str) -> Position | None:
        """Return where a device was, None where nobody knows."""
        ...

    async def save(self, positions: Mapping[str, Position | None]) -> None:
        """Keep where devices are; None forgets one. Called once a second with what has changed."""
        ...


class StoredPositions:
    """Positions that outlive the gateway, and are every gateway's."""

    def __init__(self, cursors: Cursors) -> None:
        self._cursors = cursors

    async def load(self, device: str) -> Position | None:
        stored = await self._cursors.load(device)
        if stored is None:
            return None
        try:
            return msgspec.msgpack.decode(stored, type=Position)
        except msgspec.MsgspecError:
            return None  # another build's: the device begins anew

    async def save(self, positions: Mapping[str, Position | None]) -> None:
        await self._cursors.save(
            {
                device: None if position is None else msgspec.msgpack.encode(position)
                for device, position in positions.items()
            }
        )
