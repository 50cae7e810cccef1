"""The script of admission as a typed function."""

from dataclasses import asdict

from ..admissions import Places, Published
from .calls import Call, script
from .connection import RedisConnection


class AdmissionScripts:
    """What the leader of admission says. Methods raise what their connection does."""

    def __init__(self, connection: RedisConnection) -> None:
        self._connection = connection
        self._keys = [connection.keys.admission(part) for part in ("leader", "places", "line")]

    async def publish(self, member: str, places: Places, free: int, lease_s: float) -> Published:
        """Store what the leader says, and renew its lease."""
        fields = [word for field in asdict(places).items() for word in field]
        arguments = [member, round(lease_s * 1000), free, *fields]
        leads, added, waiting = await self._connection.run(
            Call(script("admission"), self._keys, arguments)
        )
        return Published(bool(leads), bool(added), int(waiting))
