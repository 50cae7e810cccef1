"""Where each device was: what lets it go on after its connection, or its gateway, has gone."""

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

MOST_KEPT = 10_000


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


class MemoryPositions:
    """Positions of this process, the most recent ones: they outlive connections alone."""

    def __init__(self, most: int = MOST_KEPT) -> None:
        self._most = most
        self._kept: OrderedDict[str, Position] = OrderedDict()

    async def load(self, device: str) -> Position | None:
        return self._kept.get(device)

    async def save(self, positions: Mapping[str, Position | None]) -> None:
        for device, position in positions.items():
            self._kept.pop(device, None)
            if position is not None:
                self._kept[device] = position
        while len(self._kept) > self._most:
            self._kept.popitem(last=False)
