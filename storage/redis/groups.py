"""Consumer groups on the server."""

from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing, contextmanager
from functools import partial

from ..groups import Beat, GroupTimings, Heartbeat, Members
from .blocking_connection import BlockingConnection
from .connection import RedisConnection
from .group_scripts import BeatingMember, GroupScripts
from .heartbeat import SHARE_OF_LEASE, UNHURRIED, Heartbeats, Round
from .scripts import LogScripts

PATIENCE = 0.25
"""Of a lease: so long is the reply to a beat waited for."""
SHORTEST_PATIENCE_S = 0.2
SILENT_BEATS = 2
"""A member that has missed so many beats may be dead: the others ask for its connection."""

_Ask = Callable[[Sequence[BeatingMember]], Round]


class RedisGroups:
    """`storage.groups.Groups` on a server."""

    def __init__(self, connection: RedisConnection) -> None:
        self._settings = connection.settings
        self._scripts = GroupScripts(connection)
        self._log_scripts = LogScripts(connection)
        self._beats: dict[tuple[str, float, float], Heartbeats[BeatingMember]] = {}

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
        # the masters of a Cluster share the groups among them
        place = self._scripts.place(group) if self._settings.nodes else ""
        beats = self._beats.get((place, interval_s, patience_s))
        if beats is None:
            connect = partial(self._beating, self._scripts.place(group), patience_s)
            unhurried_s = max(
                interval_s, min(UNHURRIED * interval_s, SHARE_OF_LEASE * timings.lease_s)
            )
            beats = Heartbeats[BeatingMember](connect, interval_s, unhurried_s)
            self._beats[place, interval_s, patience_s] = beats
        return beats.add(BeatingMember(group, member, timings, silent_s), on_beat)

    @contextmanager
    def _beating(self, place: str, patience_s: float) -> Generator[_Ask]:
        with closing(BlockingConnection(self._settings, place, patience_s)) as connection:
            yield partial(self._scripts.beat_over, connection)
