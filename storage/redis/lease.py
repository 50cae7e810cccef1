"""A lease on the server, by its clock alone."""

from .calls import Call, script
from .connection import RedisConnection


class RedisLease:
    """What one member holds at a time, under one key. Methods raise what their connection does."""

    def __init__(self, connection: RedisConnection, key: str) -> None:
        self._connection = connection
        self._key = key

    async def take(self, member: str, lease_s: float) -> bool:
        """Take it, or hold it on, for so long; False where another has it."""
        call = Call(script("lease"), [self._key], ["take", member, round(lease_s * 1000)])
        return bool(await self._connection.run(call))

    async def give(self, member: str) -> None:
        """Give it up; nothing changes where another has it."""
        await self._connection.run(Call(script("lease"), [self._key], ["give", member]))
