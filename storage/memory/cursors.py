"""Cursors in one process, the most recent ones."""

from collections import OrderedDict
from collections.abc import Mapping

MOST_KEPT = 10_000


class MemoryCursors:
    """`storage.cursors.Cursors` that end with the process."""

    def __init__(self, most: int = MOST_KEPT) -> None:
        self._most = most
        self._kept: OrderedDict[str, bytes] = OrderedDict()

    async def load(self, name: str) -> bytes | None:
        return self._kept.get(name)

    async def save(self, cursors: Mapping[str, bytes | None]) -> None:
        for name, value in cursors.items():
            self._kept.pop(name, None)
            if value is not None:
                self._kept[name] = value
        while len(self._kept) > self._most:
            self._kept.popitem(last=False)

    async def close(self) -> None:
        """Do nothing: no connection is held."""
