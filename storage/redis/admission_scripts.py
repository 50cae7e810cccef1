"""The script of admission as a typed function."""

from dataclasses import asdict

from ..admissions import Places, Published
from .calls import Call, script
from .connection import RedisConnection


class AdmissionScripts:
    """What the leader of admission says. Methods raise what their connection does."""

    def __init__(self, connection: RedisConnection) -> None:
        self._connection = connection
        self._keys = [connection.keys.admission(part) for part in ("leader", "places")]

    async def publish(self, member: str, places: Places, free: int) -> Published:
        """Store what the leader says; nothing where the member does not lead."""
        fields = [word for field in asdict(places).items() for word in field]
        call = Call(script("admission"), self._keys, [member, free, *fields])
        leads, added = await self._connection.run(call)
        if not leads:
            return Published.REFUSED
        return Published.AFRESH if added else Published.STORED
