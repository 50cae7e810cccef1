"""Consumer groups: who reads which partitions, and since when."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Beat:
    """What the group says to a member's heartbeat."""

    generation: int
    state: str
    """``preparing`` (members must join again), ``syncing`` (the leader assigns) or ``stable``."""
    joined: bool
    """False once the member was evicted, or has yet to join the coming generation."""
    leader: str
    """Member id of the leader."""


@dataclass(frozen=True, slots=True)
class GroupTimings:
    """How patient a group is, by the server's clock."""

    lease_s: float = 2.0
    """A member that is silent for longer is evicted. Smaller: quicker takeover; larger: fewer
    evictions of busy members."""
    rebalance_s: float = 5.0
    """How long the others wait for a living member to join again before it is left out."""
    initial_delay_s: float = 0.1
    """How long an empty group waits after its first join, so that a start-up is one rebalance."""


@dataclass(frozen=True, slots=True)
class Members:
    """Who is in a generation, for its leader to assign."""

    generation: int
    metadata: Mapping[str, bytes] = field(default_factory=dict[str, bytes])


class Heartbeat(Protocol):
    """Renews a member's lease beside whatever else the process does."""

    def start(self) -> None:
        """Begin to beat."""
        ...

    def stop(self) -> None:
        """Beat no more: nothing is called back once this returned."""
        ...


class Groups(Protocol):
    """Consumer groups, shaped like Kafka's: join, (leader) assign, beat, leave, and claims.

    empty or stable -> a join, a leave or a lapsed lease -> *preparing* -> every live member has
    joined, or the deadline passed -> *syncing*, generation + 1 -> the leader assigned -> *stable*.
    A leader that does not assign by the deadline is left out, and the others prepare again. Clocks
    are the server's alone.
    """

    async def join(self, group: str, member: str, metadata: bytes, timings: GroupTimings) -> Beat:
        """Enter the coming generation, or enter it again; renews the lease."""
        ...

    async def beat(self, group: str, member: str, timings: GroupTimings) -> Beat:
        """Renew the lease, evict whose lease lapsed, move the state on.

        A beat that comes late is in time if nobody has noticed; claims, not leases, fence writes.
        """
        ...

    async def members(self, group: str) -> Members:
        """Return the members of the present generation with their metadata."""
        ...

    async def assign(
        self, group: str, member: str, generation: int, assignments: Mapping[str, bytes]
    ) -> bool:
        """Store the leader's assignment; False if the member does not lead that generation.

        The first one stands: said again, it is True and changes nothing.
        """
        ...

    async def assignment(self, group: str, member: str, generation: int) -> bytes | None:
        """Return the member's assignment, None until the leader gave it or if it has moved on."""
        ...

    async def leave(self, group: str, member: str) -> None:
        """Go at once, without waiting for the lease to lapse."""
        ...

    async def claim(self, group: str, generation: int, partitions: Sequence[int]) -> None:
        """Fence the partitions off from every older generation of the group.

        Raises:
            FencedError: a newer generation has claimed one already.
        """
        ...

    def heartbeat(
        self,
        group: str,
        member: str,
        timings: GroupTimings,
        interval_s: float,
        on_beat: Callable[[Beat | BaseException], None],
    ) -> Heartbeat:
        """Return a heartbeat that is not started yet.

        Started, it beats every ``interval_s`` and calls ``on_beat`` in the event loop it was
        started in, with each answer or with what went wrong, and goes on. It ends with that loop.
        """
        ...
