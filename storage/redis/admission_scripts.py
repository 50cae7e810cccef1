"""The script of admission as typed functions, one for each of its verbs."""

from dataclasses import asdict
from typing import Any

from ..admissions import Places
from .calls import Call, script
from .connection import RedisConnection


class AdmissionScripts:
    """Who leads the admission of sessions, and what the leader says.

    The server's clock alone counts. All methods raise what their connection does.
    """

    def __init__(self, connection: RedisConnection) -> None:
        self._connection = connection
        self._keys = [connection.keys.admission(part) for part in ("leader", "places")]

    async def lead(self, member: str, lease_s: float) -> bool:
        """Lead, or go on leading, for so long; False where another does."""
        return await self._run("lead", member, round(lease_s * 1000))

    async def publish(self, member: str, places: Places, free: int) -> bool:
        """Store what the leader says; False where the member does not lead."""
        fields = [word for field in asdict(places).items() for word in field]
        return await self._run("publish", member, free, *fields)

    async def resign(self, member: str) -> None:
        """Lead no longer."""
        await self._run("resign", member)

    async def _run(self, *arguments: Any) -> bool:
        return bool(await self._connection.run(Call(script("admission"), self._keys, arguments)))
