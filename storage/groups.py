"""Consumer groups: which member reads which partitions, and since which generation."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Beat:
    """The state of a group, as told to a member."""

    generation: int
    state: str
    """``preparing`` (members must join again), ``syncing`` (the leader assigns) or ``stable``; to
    a join also ``replaced``: another member has taken the instance over, this one must end."""
    joined: bool
    """False once the member was evicted, or has yet to join the coming generation."""
    leader: str
    """Member id of the leader."""


@dataclass(frozen=True, slots=True)
class GroupTimings:
    """How long a group waits for its members, by the server's clock."""

    lease_s: float = 10.0
    """A member that is silent for longer is evicted, be it only starved of the processor. One whose
    connection is gone is evicted once it has missed two heartbeats."""
    rebalance_s: float = 5.0
    """How long the others wait for a living member to join again before it is left out."""
    initial_delay_s: float = 0.1
    """How long an empty group waits after its first join, so that a start-up is one rebalance."""


@dataclass(frozen=True, slots=True)
class Members:
    """The members of a generation: its leader assigns partitions to them."""

    generation: int
    metadata: Mapping[str, bytes] = field(default_factory=dict[str, bytes])
    lapsed: frozenset[str] = frozenset()
    """Those whose lease has lapsed, or whose connection is gone: dead or starved, and not evicted
    yet. Where a group's last member dies, nobody is left to evict it."""


class Heartbeat(Protocol):
    """Renews a member's lease in the background."""

    def start(self) -> None:
        """Start to renew the lease."""
        ...

    def stop(self) -> None:
        """Stop: ``on_beat`` is not called after this has returned."""
        ...


class Groups(Protocol):
    """Consumer groups like Kafka's: join, (leader) assign, beat, leave; and claims that fence.

    empty or stable -> a join, a leave or a lapsed lease -> *preparing* -> every live member has
    joined, or the deadline passed -> *syncing*, generation + 1 -> the leader assigned -> *stable*.
    A leader that does not assign by the deadline is removed, and the others prepare again. Only
    the server's clock counts.
    """

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
        """Enter the coming generation, or enter it again; renew the lease.

        An ``instance`` is a name that outlives a process (Kafka's static membership, KIP-345): the
        next process of that name ``takes_over``, and nobody waits for the lease of the former one.
        """
        ...

    async def beat(self, group: str, member: str, timings: GroupTimings) -> Beat:
        """Renew the lease, evict members whose lease lapsed, move the state on.

        A late beat still renews a lease that nobody has found lapsed; claims, not leases, fence
        writes.
        """
        ...

    async def members(self, group: str) -> Members:
        """Return the members of the present generation with their metadata."""
        ...

    async def assign(
        self, group: str, member: str, generation: int, assignments: Mapping[str, bytes]
    ) -> bool:
        """Store the leader's assignment; False if the member does not lead that generation.

        The first assignment is kept: to assign again returns True and changes nothing.
        """
        ...

    async def assignment(self, group: str, member: str, generation: int) -> bytes | None:
        """Return the member's assignment, None until it has one in that generation."""
        ...

    async def leave(self, group: str, member: str) -> None:
        """Leave at once, without waiting for the lease to lapse."""
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
        *,
        watched: bool = True,
    ) -> Heartbeat:
        """Return a heartbeat that is not started yet.

        Once started it beats every ``interval_s`` and calls ``on_beat``, in the event loop it was
        started in, with the group's state where it is another than before, and with each error. It
        ends with that loop.
        On a server it also has members leave whose connection is gone: a dead process has none.
        One that is not ``watched`` has until its lease lapses to come back.
        """
        ...
