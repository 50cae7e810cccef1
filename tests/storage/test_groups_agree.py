"""Whatever members do, in whatever order: groups on the server are as those in memory."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from itertools import count
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    rule,
    run_state_machine_as_test,
)

from rhapsode.storage.groups import Beat, Members
from rhapsode.storage.log import Groups, GroupTimings
from rhapsode.storage.memory.groups import MemoryGroups
from rhapsode.storage.memory.log import MemoryLog
from rhapsode.storage.redis.connection import RedisConnection, RedisSettings
from rhapsode.storage.redis.embedded import EmbeddedValkey
from rhapsode.storage.redis.groups import RedisGroups

# nothing lapses here: what time does is in the contract's tests
PATIENT = GroupTimings(lease_s=600.0, rebalance_s=600.0, initial_delay_s=0.0)
NAMES = "abcd"
MEMBERS = st.sampled_from(NAMES)
_namespaces = count()


class GroupsAgree(RuleBasedStateMachine):
    """Makes the same calls to both and compares what they return."""

    url = ""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.connection = RedisConnection(RedisSettings(self.url, f"groups-{next(_namespaces)}"))
        self.groups: tuple[Groups, ...] = (RedisGroups(self.connection), MemoryGroups(MemoryLog()))
        self.before: dict[Groups, int] = {}
        """The generation before a group's first one."""

    def teardown(self) -> None:
        self.loop.run_until_complete(self.connection.close())
        self.loop.close()

    def both(self, call: Callable[[Groups], Awaitable[Any]]) -> Any:
        return self.both_in(0, lambda groups, _: call(groups))

    def both_in(self, generation: int, call: Callable[[Groups, int], Awaitable[Any]]) -> Any:
        """Make a call that names a generation, counted from each group's first one on."""
        replies: list[Any] = []
        for groups in self.groups:
            before = self.before.get(groups, 0)
            reply = self.loop.run_until_complete(_run(call(groups, before + generation)))
            if isinstance(reply, Beat | Members) and reply.generation:
                before = self.before.setdefault(groups, reply.generation - 1)
                reply = replace(reply, generation=reply.generation - before)
            replies.append(reply)
        assert replies[0] == replies[1]
        return replies[0]

    @rule(member=MEMBERS)
    def join(self, member: str) -> None:
        self.both(lambda groups: groups.join("g", member, member.encode(), PATIENT))

    @rule(member=MEMBERS, instance=st.sampled_from("xy"), takes_over=st.booleans())
    def join_as(self, member: str, instance: str, takes_over: bool) -> None:
        self.both(
            lambda groups: groups.join(
                "g", member, b"", PATIENT, instance=instance, takes_over=takes_over
            )
        )

    @rule(member=MEMBERS)
    def beat(self, member: str) -> None:
        self.both(lambda groups: groups.beat("g", member, PATIENT))

    @rule(member=MEMBERS)
    def leave(self, member: str) -> None:
        self.both(lambda groups: groups.leave("g", member))

    @rule(member=MEMBERS, generation=st.integers(0, 9))
    def assign(self, member: str, generation: int) -> None:
        plan = {name: f"{name} in {generation}".encode() for name in NAMES}
        self.both_in(generation, lambda groups, real: groups.assign("g", member, real, plan))

    @rule()
    def join_again_and_assign(self) -> None:
        """Do as members do that heard of the rebalance: else few runs come to a stable group."""
        for name in self.both(lambda groups: groups.members("g")).metadata:
            self.join(name)
        beat = self.both(lambda groups: groups.beat("g", "a", PATIENT))
        self.assign(beat.leader, beat.generation)

    @invariant()
    def both_are_in_the_same_state(self) -> None:
        generation = self.both(lambda groups: groups.members("g")).generation
        for name in NAMES:
            self.both_in(
                generation, lambda groups, real, name=name: groups.assignment("g", name, real)
            )


async def _run(call: Awaitable[Any]) -> Any:
    return await call


def test_groups_on_the_server_and_those_in_memory_agree(valkey: EmbeddedValkey) -> None:
    machine = type("Machine", (GroupsAgree,), {"url": valkey.url})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=60,
            stateful_step_count=25,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow],
        ),
    )
