"""The consumer groups' script as typed functions, one for each of its verbs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..groups import Beat, GroupTimings, Members
from .blocking_connection import BlockingConnection
from .calls import Call, script
from .connection import RedisConnection
from .heartbeat import Round
from .links import Link, forgotten, gone, links_of, question

_PARTS = ("state", "leases", "metadata", "joined", "assignments", "links", "instances")
_NO_TIMINGS = GroupTimings()
"""For verbs that renew no lease and set no deadline."""


@dataclass(frozen=True, slots=True)
class BeatingMember:
    """Whose lease a beat renews."""

    group: str
    member: str
    timings: GroupTimings
    silent_s: float | None
    """After so long without another beat others look whether its connection is still there; never
    for None."""


class GroupScripts:
    """The state machine of consumer groups, in one namespace of one server.

    The server's clock alone counts. All methods raise what their connection does.
    """

    def __init__(self, connection: RedisConnection) -> None:
        self._connection = connection

    def place(self, group: str) -> str:
        """Return a key of a group; whichever server has it has the group's members' links."""
        return self._connection.keys.group(group, _PARTS[0])

    async def join(
        self,
        group: str,
        member: str,
        metadata: bytes,
        timings: GroupTimings,
        instance: str,
        *,
        takes_over: bool,
    ) -> Beat:
        """Enter the coming generation and renew the lease."""
        named = (instance, int(takes_over)) if instance else ()
        call = self._call(group, "join", member, timings, metadata, *named)
        return _beat_of(await self._connection.run(call))

    async def beat(self, group: str, member: str, timings: GroupTimings) -> Beat:
        """Renew the lease of a member, evict members whose lease lapsed, move the state on."""
        return _beat_of(await self._connection.run(self._call(group, "beat", member, timings)))

    def beat_over(self, connection: BlockingConnection, members: Sequence[BeatingMember]) -> Round:
        """Do as `beat` for each, over a thread's own connection, and remove who is gone."""
        name = connection.link()
        replies = connection.run_each([self._linked_beat(member, name) for member in members])
        told: list[Beat | BaseException] = []
        unhurried = True
        for member, reply in zip(members, replies, strict=True):
            if isinstance(reply, BaseException):
                told.append(reply)
                unhurried = False
                continue
            beat = _beat_of(reply)
            told.append(beat)
            unhurried = unhurried and beat.state == "stable" and reply[5] == 1
            links, run = links_of(reply[4]), name.partition(":")[0]
            dead = forgotten(links, run, reply[6]) if run else []
            if silent := [one for one in links if one.server == run]:
                dead += gone(silent, connection.command(*question(silent)))
            for one in dead:
                connection.run(
                    self._call(member.group, "gone", one.member, member.timings, one.noted)
                )
        return Round(told, unhurried)

    def _linked_beat(self, beating: BeatingMember, name: str) -> Call:
        silent_s = beating.silent_s
        link = (name, _ms(silent_s)) if name and silent_s is not None else ()
        return self._call(beating.group, "beat", beating.member, beating.timings, *link)

    async def leave(self, group: str, member: str) -> None:
        """Remove a member; one that is unknown changes nothing."""
        await self._connection.run(self._call(group, "leave", member))

    async def members(self, group: str) -> Members:
        """Return the present generation's members with their metadata."""
        reply = await self._connection.run(self._call(group, "members", ""))
        generation, pairs, lapsed, silent = reply
        metadata = {name.decode(): raw for name, raw in zip(pairs[::2], pairs[1::2], strict=True)}
        dead = [name.decode() for name in lapsed]
        if silent:
            dead += [link.member for link in await self._gone(group, links_of(silent))]
        return Members(int(generation), metadata, frozenset(dead))

    async def _gone(self, group: str, links: list[Link]) -> list[Link]:
        place = self.place(group)
        known = [link for link in links if link.server == self._connection.met(place).run]
        if not known:
            return []
        return gone(known, await self._connection.command(*question(known), beside=place))

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
    generation, state, joined, leader = reply[:4]
    return Beat(int(generation), state.decode(), bool(joined), leader.decode())
