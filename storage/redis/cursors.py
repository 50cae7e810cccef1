"""Cursors on the server: a string each, which expires."""

from collections.abc import Mapping

from ..cursors import KEPT_S
from .connection import RedisConnection


class RedisCursors:
    """`storage.cursors.Cursors` on a server."""

    def __init__(self, connection: RedisConnection) -> None:
        self._connection = connection
        self._place = connection.keys.cursor

    async def load(self, name: str) -> bytes | None:
        return await self._connection.command("GET", self._place(name))

    async def save(self, cursors: Mapping[str, bytes | None]) -> None:
        commands: list[tuple[object, ...]] = []
        for name, value in cursors.items():
            key = self._place(name)
            if value is None:
                commands.append(("UNLINK", key))
            else:
                commands.append(("SET", key, value, "EX", round(KEPT_S)))
        await self._connection.pipeline(commands)

    async def close(self) -> None:
        await self._connection.close()
