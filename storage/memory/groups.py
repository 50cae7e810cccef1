"""Consumer groups in memory: the same state machine as ``group.lua`` on the server."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from ..groups import Beat, GroupTimings, Heartbeat, Members
from .heartbeat import TaskHeartbeat
from .log import MemoryLog


@dataclass(slots=True)
class _Group:
    state: str = "empty"
    generation: int = 0
    leader: str = ""
    rebalance_s: float = 0.0
    deadline_s: float = 0.0
    """Until when preparing, or syncing, may last."""
    earliest_s: float = 0.0
    """Before then a preparing group waits for more members."""
    leases: dict[str, float] = field(default_factory=dict[str, float])
    metadata: dict[str, bytes] = field(default_factory=dict[str, bytes])
    joined: set[str] = field(default_factory=set[str])
    assignments: dict[str, bytes] = field(default_factory=dict[str, bytes])
    instances: dict[str, str] = field(default_factory=dict[str, str])

    def enter(self, state: str, now_s: float) -> None:
        self.state, self.deadline_s = state, now_s + self.rebalance_s

    def prepare(self, now_s: float) -> None:
        if self.state != "preparing":
            self.enter("preparing", now_s)
            self.joined.clear()
            self.earliest_s = 0.0

    def forget(self, member: str) -> None:
        self.leases.pop(member, None)
        self.metadata.pop(member, None)
        self.joined.discard(member)
        self.instances = {name: who for name, who in self.instances.items() if who != member}

    def take_over(self, instance: str, member: str, *, may: bool) -> bool:
        """Give an instance to a member; False where another has it and it may not take it over."""
        holder = self.instances.get(instance, member)
        if holder != member:
            if not may:
                return False
            self.forget(holder)
        self.instances[instance] = member
        return True

    def evict(self, now_s: float) -> None:
        gone = [member for member, until in self.leases.items() if until <= now_s]
        if self.state == "syncing" and now_s >= self.deadline_s:
            gone.append(self.leader)
        for member in gone:
            self.forget(member)
        if gone and self.state != "empty":
            self.prepare(now_s)
        if not self.leases:
            self.state = "empty"
            self.joined.clear()

    def close_barrier(self, now_s: float) -> None:
        if self.state != "preparing" or not self.joined:
            return
        everyone = len(self.joined) >= len(self.leases) and now_s >= self.earliest_s
        if not everyone and now_s < self.deadline_s:
            return
        for member in set(self.leases) - self.joined:
            self.forget(member)
        if self.leader not in self.joined:
            self.leader = min(self.joined)
        self.generation += 1
        self.assignments = {}
        self.enter("syncing", now_s)

    def beat(self, member: str) -> Beat:
        return Beat(self.generation, self.state, member in self.joined, self.leader)


class MemoryGroups:
    """`storage.groups.Groups` in one process, whose claims fence the given log."""

    def __init__(self, log: MemoryLog, clock_s: Callable[[], float] = time.monotonic) -> None:
        self._log = log
        self._clock_s = clock_s
        self._groups: dict[str, _Group] = {}

    def _group(self, group: str) -> _Group:
        return self._groups.setdefault(group, _Group())

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
        now_s, state = self._clock_s(), self._group(group)
        if instance and not state.take_over(instance, member, may=takes_over):
            return Beat(state.generation, "replaced", joined=False, leader=state.leader)
        state.rebalance_s = timings.rebalance_s
        state.evict(now_s)
        first = state.state == "empty"
        state.prepare(now_s)
        if first:
            state.earliest_s = now_s + timings.initial_delay_s
        state.leases[member] = now_s + timings.lease_s
        state.metadata[member] = metadata
        state.joined.add(member)
        state.close_barrier(now_s)
        return state.beat(member)

    async def beat(self, group: str, member: str, timings: GroupTimings) -> Beat:
        now_s, state = self._clock_s(), self._group(group)
        if member in state.leases:
            state.leases[member] = now_s + timings.lease_s
        state.evict(now_s)
        state.close_barrier(now_s)
        return state.beat(member)

    async def members(self, group: str) -> Members:
        state = self._group(group)
        now_s = self._clock_s()
        lapsed = frozenset(member for member, until in state.leases.items() if until <= now_s)
        return Members(state.generation, dict(state.metadata), lapsed)

    async def assign(
        self, group: str, member: str, generation: int, assignments: Mapping[str, bytes]
    ) -> bool:
        state = self._group(group)
        if (state.generation, state.leader) != (generation, member):
            return False
        if state.state == "syncing":
            state.assignments = dict(assignments)
            state.state = "stable"
        return state.state == "stable"

    async def assignment(self, group: str, member: str, generation: int) -> bytes | None:
        state = self._group(group)
        if (state.state, state.generation) != ("stable", generation):
            return None
        return state.assignments.get(member)

    async def leave(self, group: str, member: str) -> None:
        now_s, state = self._clock_s(), self._group(group)
        if member not in state.leases:
            return
        state.forget(member)
        if state.leases:
            state.prepare(now_s)
        state.evict(now_s)
        state.close_barrier(now_s)

    async def claim(self, group: str, generation: int, partitions: Sequence[int]) -> None:
        for partition in partitions:
            self._log.claim(group, generation, partition)

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
        del watched  # a member in this process has no connection that could be gone
        return TaskHeartbeat(lambda: self.beat(group, member, timings), interval_s, on_beat)
