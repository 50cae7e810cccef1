"""Admission on the server: a hash of places, a sorted set of who waits, and a leader's lease."""

from collections.abc import Sequence

from ..admissions import Places, Published
from .admission_scripts import AdmissionScripts
from .connection import RedisConnection
from .lease import RedisLease


class RedisAdmissions:
    """`storage.admissions.Admissions` on a server.

    All keys share a slot of their own: they belong to the namespace, not to a partition.
    """

    def __init__(self, connection: RedisConnection) -> None:
        self._connection = connection
        self._scripts = AdmissionScripts(connection)
        self._lease = RedisLease(connection, connection.keys.admission("leader"))
        self._places, self._line = map(connection.keys.admission, ("places", "line"))

    async def take_place(self) -> bool:
        # below zero does no harm: the leader sets it again within a second
        return int(await self._connection.command("HINCRBY", self._places, "free", -1)) >= 0

    async def wait(self, session: str, since_ms: int) -> None:
        await self._connection.command("ZADD", self._line, "NX", since_ms, session)

    async def leave(self, sessions: Sequence[str]) -> None:
        if sessions:
            await self._connection.command("ZREM", self._line, *sessions)

    async def first_in_line(self, limit: int) -> list[str]:
        if limit <= 0:
            return []
        found = await self._connection.command("ZRANGE", self._line, 0, limit - 1)
        return [session.decode() for session in found]

    async def waiting(self) -> int:
        return int(await self._connection.command("ZCARD", self._line))

    async def position(self, session: str) -> int | None:
        rank = await self._connection.command("ZRANK", self._line, session)
        return None if rank is None else int(rank) + 1

    async def places(self) -> Places | None:
        limit, producing, speed, production_s = await self._connection.command(
            "HMGET", self._places, "limit", "producing", "speed", "production_s"
        )
        if limit is None:
            return None
        return Places(int(limit), int(producing), float(speed), float(production_s))

    async def lead(self, member: str, lease_s: float) -> bool:
        return await self._lease.take(member, lease_s)

    async def publish(self, member: str, places: Places, free: int, lease_s: float) -> Published:
        return await self._scripts.publish(member, places, free, lease_s)

    async def resign(self, member: str) -> None:
        await self._lease.give(member)

    async def close(self) -> None:
        await self._connection.close()
