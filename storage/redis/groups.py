"""Consumer groups on the server."""

from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing, contextmanager

from ..groups import Beat, GroupTimings, Heartbeat, Members
from .blocking_connection import BlockingConnection
from .connection import RedisConnection
from .group_scripts import GroupScripts
from .heartbeat import ThreadHeartbeat
from .scripts import LogScripts

PATIENCE = 0.25
"""Of a lease: so long is the reply to a beat waited for."""
SHORTEST_PATIENCE_S = 0.2
SILENT_BEATS = 2
"""A member that has missed so many beats may be dead: the others ask for its connection."""


class RedisGroups:
    """`storage.groups.Groups` on a server."""

    def __init__(self, connection: RedisConnection) -> None:
        self._settings = connection.settings
        self._scripts = GroupScripts(connection)
        self._log_scripts = LogScripts(connection)

    async def join(
        self,
        group: str,
        member: str,
        metadata: bytes,
        timings: GroupTimings,
        *,
        instance: str = "",
        takes_over: bool = False,
    ) -> Beat:
        return await self._scripts.join(
            group, member, metadata, timings, instance, takes_over=takes_over
        )

    async def beat(self, group: str, member: str, timings: GroupTimings) -> Beat:
        return await self._scripts.beat(group, member, timings)

    async def members(self, group: str) -> Members:
        return await self._scripts.members(group)

    async def assign(
        self, group: str, member: str, generation: int, assignments: Mapping[str, bytes]
    ) -> bool:
        return await self._scripts.assign(group, member, generation, assignments)

    async def assignment(self, group: str, member: str, generation: int) -> bytes | None:
        return await self._scripts.assignment(group, member, generation)

    async def leave(self, group: str, member: str) -> None:
        await self._scripts.leave(group, member)

    async def claim(self, group: str, generation: int, partitions: Sequence[int]) -> None:
        await self._log_scripts.claim(group, generation, partitions)

    def heartbeat(
        self,
        group: str,
        member: str,
        timings: GroupTimings,
        interval_s: float,
        on_beat: Callable[[Beat | BaseException], None],
        *,
        watched: bool = True,
    ) -> Heartbeat:
        silent_s = SILENT_BEATS * interval_s if watched else None
        # a connection that hangs is given up while there is time to beat over another
        patience_s = max(PATIENCE * timings.lease_s, SHORTEST_PATIENCE_S)

        @contextmanager
        def connect() -> Generator[Callable[[], Beat]]:
            key = self._scripts.place(group)
            connection = BlockingConnection(self._settings, key, patience_s)
            with closing(connection):
                yield lambda: self._scripts.beat_over(connection, group, member, timings, silent_s)

        return ThreadHeartbeat(connect, interval_s, on_beat)
