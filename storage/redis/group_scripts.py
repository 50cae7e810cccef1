"""The consumer groups' script as typed functions, one for each of its verbs."""

from collections.abc import Mapping
from typing import Any

from ..groups import Beat, GroupTimings, Members
from .calls import Call, script
from .connection import BlockingConnection, RedisConnection

_PARTS = ("state", "leases", "metadata", "joined", "assignments")
_NO_TIMINGS = GroupTimings()
"""For verbs that renew no lease and set no deadline."""


class GroupScripts:
    """The state machine of consumer groups, in one namespace of one server.

    The server's clock alone counts. All methods raise what their connection does.
    """

    def __init__(self, connection: RedisConnection) -> None:
        self._connection = connection

    async def join(self, group: str, member: str, metadata: bytes, timings: GroupTimings) -> Beat:
        """Enter the coming generation and renew the lease."""
        call = self._call(group, "join", member, timings, metadata)
        return _beat_of(await self._connection.run(call))

    async def beat(self, group: str, member: str, timings: GroupTimings) -> Beat:
        """Renew the lease of a member, evict members whose lease lapsed, move the state on."""
        return _beat_of(await self._connection.run(self._call(group, "beat", member, timings)))

    def beat_over(
        self, connection: BlockingConnection, group: str, member: str, timings: GroupTimings
    ) -> Beat:
        """Do as `beat`, from a thread with a connection of its own."""
        return _beat_of(connection.run(self._call(group, "beat", member, timings)))

    async def leave(self, group: str, member: str) -> None:
        """Remove a member; one that is unknown changes nothing."""
        await self._connection.run(self._call(group, "leave", member))

    async def members(self, group: str) -> Members:
        """Return the present generation's members with their metadata."""
        generation, pairs, lapsed = await self._connection.run(self._call(group, "members", ""))
        metadata = {name.decode(): raw for name, raw in zip(pairs[::2], pairs[1::2], strict=True)}
        return Members(int(generation), metadata, frozenset(name.decode() for name in lapsed))

    async def assign(
        self, group: str, member: str, generation: int, assignments: Mapping[str, bytes]
    ) -> bool:
        """Store the leader's assignments; False where the member does not lead the generation."""
        flat: list[Any] = [item for pair in assignments.items() for item in pair]
        call = self._call(group, "assign", member, _NO_TIMINGS, generation, *flat)
        return bool(await self._connection.run(call))

    async def assignment(self, group: str, member: str, generation: int) -> bytes | None:
        """Return a member's assignment in a stable generation, None where it has none."""
        call = self._call(group, "assignment", member, _NO_TIMINGS, generation)
        return await self._connection.run(call)

    def _call(
        self,
        group: str,
        verb: str,
        member: str,
        timings: GroupTimings = _NO_TIMINGS,
        *payload: Any,
    ) -> Call:
        keys = [self._connection.keys.group(group, part) for part in _PARTS]
        arguments = [
            verb,
            member,
            max(1, _ms(timings.lease_s)),
            max(1, _ms(timings.rebalance_s)),
            _ms(timings.initial_delay_s),
            *payload,
        ]
        return Call(script("group"), keys, arguments)


def _ms(seconds: float) -> int:
    return round(seconds * 1000)


def _beat_of(reply: Any) -> Beat:
    generation, state, joined, leader = reply
    return Beat(int(generation), state.decode(), bool(joined), leader.decode())
