"""The contract of consumer groups, on the server and in memory: the whole state machine."""

import asyncio
from collections.abc import Awaitable, Callable
from time import monotonic

import pytest

from rhapsode.storage.log import (
    Beat,
    Fence,
    FencedError,
    Groups,
    GroupTimings,
    Log,
    NewEntry,
    SequenceBatch,
    Span,
)

PATIENT = GroupTimings(lease_s=30.0, rebalance_s=30.0, initial_delay_s=0.0)
BRIEF = GroupTimings(lease_s=0.1, rebalance_s=30.0, initial_delay_s=0.0)
WaitUntil = Callable[..., Awaitable[None]]


async def settled(groups: Groups, first: str, *others: str) -> int:
    """Bring the group to stable with these members; return its generation."""
    members = (first, *others)
    for member in members:
        await groups.join("g", member, b"", PATIENT)
    for member in members:  # the first one was alone for a moment: it has to join again
        if not (await groups.beat("g", member, PATIENT)).joined:
            await groups.join("g", member, b"", PATIENT)
    beat = await groups.beat("g", first, PATIENT)
    assert (beat.state, beat.joined) == ("syncing", True)
    plan = {member: b"for " + member.encode() for member in members}
    assert await groups.assign("g", beat.leader, beat.generation, plan)
    return beat.generation


async def states(groups: Groups, *members: str) -> list[Beat]:
    return [await groups.beat("g", member, PATIENT) for member in members]


async def test_members_that_start_together_make_one_generation(
    groups: Groups, wait_until: WaitUntil
):
    timings = GroupTimings(lease_s=30.0, rebalance_s=30.0, initial_delay_s=0.1)
    for member in "abc":
        beat = await groups.join("g", member, b"meta " + member.encode(), timings)
        assert (beat.state, beat.generation, beat.joined) == ("preparing", 0, True)

    async def syncing() -> bool:
        return (await groups.beat("g", "b", timings)).state == "syncing"

    await wait_until(syncing)
    members = await groups.members("g")
    assert members.generation > 0
    syncing_now = Beat(members.generation, "syncing", True, "a")
    assert await states(groups, "a", "b", "c") == [syncing_now] * 3
    assert members.metadata == {"a": b"meta a", "b": b"meta b", "c": b"meta c"}


async def test_only_the_leader_of_the_generation_assigns_and_only_once(groups: Groups):
    first = await groups.join("g", "a", b"", PATIENT)
    now = first.generation
    assert first == Beat(now, "syncing", True, "a")
    assert await groups.assignment("g", "a", now) is None
    assert not await groups.assign("g", "b", now, {"a": b"x"})
    assert not await groups.assign("g", "a", now - 1, {"a": b"x"})
    assert not await groups.assign("g", "a", now + 1, {"a": b"x"})
    assert await groups.assign("g", "a", now, {"a": b"mine", "b": b""})
    assert await groups.assign("g", "a", now, {"a": b"another"})
    assert await groups.assignment("g", "a", now) == b"mine"
    assert await groups.assignment("g", "b", now) == b""
    assert await groups.assignment("g", "c", now) is None
    assert await groups.assignment("g", "a", now + 1) is None
    assert await states(groups, "a") == [Beat(now, "stable", True, "a")]


async def test_a_new_member_makes_all_others_join_the_next_generation(groups: Groups):
    generation = await settled(groups, "a", "b")
    newcomer = await groups.join("g", "c", b"", PATIENT)
    assert newcomer == Beat(generation, "preparing", True, "a")
    assert await states(groups, "a", "b") == [Beat(generation, "preparing", False, "a")] * 2
    assert await groups.assignment("g", "a", generation) is None
    assert not await groups.assign("g", "a", generation, {})
    assert (await groups.join("g", "a", b"", PATIENT)).state == "preparing"
    last = await groups.join("g", "b", b"", PATIENT)
    assert last == Beat(generation + 1, "syncing", True, "a")
    assert await states(groups, "a", "b", "c") == [last] * 3
    assert await groups.assignment("g", "a", generation + 1) is None


async def test_who_takes_an_instance_over_has_its_former_member_forgotten_at_once(groups: Groups):
    for member in "ab":
        await groups.join("g", member, b"", PATIENT, instance=f"of {member}", takes_over=True)
    generation = await settled(groups, "a", "b")
    came = await groups.join("g", "c", b"new", PATIENT, instance="of b", takes_over=True)
    assert came.state == "preparing"
    beat = await groups.join("g", "a", b"", PATIENT, instance="of a")
    assert beat == Beat(generation + 1, "syncing", True, "a"), "b's lease is not waited for"
    assert (await groups.members("g")).metadata == {"a": b"", "c": b"new"}


async def test_a_member_whose_instance_was_taken_over_is_told_so_and_does_not_come_back(
    groups: Groups,
):
    await groups.join("g", "a", b"", PATIENT, instance="one", takes_over=True)
    await groups.join("g", "b", b"", PATIENT, instance="one", takes_over=True)
    assert not (await groups.beat("g", "a", PATIENT)).joined
    assert (await groups.join("g", "a", b"", PATIENT, instance="one")).state == "replaced"
    assert (await groups.members("g")).metadata.keys() == {"b"}


async def test_an_instance_is_free_once_its_member_has_left(groups: Groups):
    await groups.join("g", "a", b"", PATIENT, instance="one", takes_over=True)
    await groups.leave("g", "a")
    assert (await groups.join("g", "b", b"", PATIENT, instance="one")).state != "replaced"


async def test_a_silent_member_is_evicted_and_told_so(groups: Groups, wait_until: WaitUntil):
    generation = await settled(groups, "a", "b")
    await groups.beat("g", "b", BRIEF)

    async def noticed() -> bool:
        return (await groups.beat("g", "a", PATIENT)).state == "preparing"

    await wait_until(noticed)
    beat = await groups.beat("g", "b", BRIEF)
    assert not beat.joined
    assert await groups.join("g", "a", b"", PATIENT) == Beat(generation + 1, "syncing", True, "a")
    assert (await groups.members("g")).metadata.keys() == {"a"}
    assert not (await groups.beat("g", "b", BRIEF)).joined
    # it may join again as any other member
    assert (await groups.join("g", "b", b"", PATIENT)).state == "preparing"


async def test_a_last_member_that_falls_silent_is_seen_to_have_lapsed(
    groups: Groups, wait_until: WaitUntil
):
    generation = await settled(groups, "a")
    assert not (await groups.members("g")).lapsed
    await groups.beat("g", "a", BRIEF)

    async def noticed() -> bool:
        return (await groups.members("g")).lapsed == frozenset({"a"})

    await wait_until(noticed)
    # to look evicts nobody: a starved worker that comes back in time keeps its partitions
    assert await groups.beat("g", "a", PATIENT) == Beat(generation, "stable", True, "a")
    assert not (await groups.members("g")).lapsed


async def test_a_silent_leader_is_replaced(groups: Groups, wait_until: WaitUntil):
    await groups.join("g", "a", b"", BRIEF)
    await groups.join("g", "b", b"", PATIENT)

    async def gone() -> bool:
        return (await groups.beat("g", "b", PATIENT)).state == "syncing"

    await wait_until(gone)
    (beat,) = await states(groups, "b")
    assert (beat.leader, beat.joined) == ("b", True)


async def test_a_member_that_does_not_join_again_by_the_deadline_is_removed(
    groups: Groups, wait_until: WaitUntil
):
    hasty = GroupTimings(lease_s=30.0, rebalance_s=0.1, initial_delay_s=0.0)
    generation = await settled(groups, "a", "b")
    heard = [await groups.join("g", "c", b"", hasty)]

    async def passed() -> bool:
        await groups.beat("g", "b", hasty)  # alive, and busy with something else
        heard.append(await groups.beat("g", "c", hasty))
        return heard[-1].state != "preparing"

    await wait_until(passed)
    assert heard[-1] == Beat(generation + 1, "syncing", True, "c")
    assert [beat.joined for beat in await states(groups, "a", "b")] == [False, False]


async def test_a_leader_that_does_not_assign_is_removed(groups: Groups, wait_until: WaitUntil):
    hasty = GroupTimings(lease_s=30.0, rebalance_s=0.1, initial_delay_s=0.0)
    await groups.join("g", "a", b"", hasty)
    await groups.join("g", "b", b"", hasty)
    await groups.join("g", "a", b"", hasty)

    async def dropped() -> bool:
        await groups.beat("g", "b", hasty)
        return not (await groups.beat("g", "a", hasty)).joined

    await wait_until(dropped)
    beat = await groups.join("g", "b", b"", hasty)
    assert (beat.state, beat.leader) == ("syncing", "b")


async def test_a_member_that_leaves_is_not_waited_for(groups: Groups):
    generation = await settled(groups, "a", "b", "c")
    await groups.leave("g", "a")
    await groups.leave("g", "a")
    await groups.leave("g", "never came")
    beats = await states(groups, "a", "b", "c")
    assert [(beat.state, beat.joined) for beat in beats] == [("preparing", False)] * 3
    await groups.join("g", "b", b"", PATIENT)
    await groups.leave("g", "c")
    assert await states(groups, "b") == [Beat(generation + 1, "syncing", True, "b")]
    await groups.leave("g", "b")
    (beat,) = await states(groups, "b")
    assert (beat.state, beat.joined) == ("empty", False)


async def test_generations_only_rise_even_where_a_group_was_empty(groups: Groups):
    first = (await groups.join("g", "a", b"", PATIENT)).generation
    await groups.leave("g", "a")
    assert (await groups.join("g", "a", b"", PATIENT)).generation == first + 1


async def test_a_beat_alone_makes_no_member(groups: Groups):
    (beat,) = await states(groups, "stranger")
    assert beat == Beat(0, "empty", False, "")
    assert (await groups.members("g")).metadata == {}


async def test_a_zombie_writes_nothing_once_its_partition_is_claimed(log: Log, groups: Groups):
    old = await settled(groups, "a", "b")
    await groups.claim("g", old, [0])
    zombie = Fence("g", old)
    await log.append("t", 0, [NewEntry(None, b"1")], fence=zombie)
    await groups.leave("g", "a")
    beat = await groups.join("g", "b", b"", PATIENT)
    assert beat.generation > old
    await groups.claim("g", beat.generation, [0])
    with pytest.raises(FencedError):
        await log.commit("g", 0, {"t": 1}, fence=zombie)
    with pytest.raises(FencedError):
        await log.append("t", 0, [NewEntry(None, b"2")], fence=zombie)
    with pytest.raises(FencedError):
        await log.append_at(0, [SequenceBatch("t", "l", 0, 1, b"", (b"3",))], fence=zombie)
    assert await log.span("t", 0) == Span(0, 1)
    assert await log.committed("g", "t", 0) is None
    await log.commit("g", 0, {"t": 1}, fence=Fence("g", beat.generation))
    assert await log.committed("g", "t", 0) == 1


async def test_a_heartbeat_keeps_the_lease_until_it_is_stopped(
    groups: Groups, wait_until: WaitUntil
):
    lease = GroupTimings(lease_s=0.4, rebalance_s=30.0, initial_delay_s=0.0)
    generation = (await groups.join("g", "a", b"", lease)).generation
    await groups.assign("g", "a", generation, {})
    heard: list[Beat | BaseException] = []
    heartbeat = groups.heartbeat("g", "a", lease, 0.02, heard.append)
    heartbeat.start()
    end_s = monotonic() + 2 * lease.lease_s
    await wait_until(lambda: monotonic() > end_s)
    assert heard == [Beat(generation, "stable", True, "a")]  # what is no news is not told again
    await groups.join("g", "b", b"", PATIENT)
    await wait_until(lambda: heard[-1] == Beat(generation, "preparing", False, "a"))
    heartbeat.stop()
    counted = len(heard)

    async def evicted() -> bool:
        return (await groups.beat("g", "b", PATIENT)).state == "syncing"

    await wait_until(evicted)
    assert (await groups.members("g")).metadata.keys() == {"b"}
    assert len(heard) == counted


async def test_many_concurrent_joins_end_in_one_stable_generation(
    groups: Groups, wait_until: WaitUntil
):
    timings = GroupTimings(lease_s=30.0, rebalance_s=30.0, initial_delay_s=0.02)
    members = [f"m{number:02}" for number in range(12)]
    at_rest: dict[str, int] = {}

    async def live(member: str) -> None:
        beat = await groups.join("g", member, b"", timings)
        while len(set(at_rest.values())) != 1 or len(at_rest) < len(members):
            if beat.state == "syncing" and beat.leader == member:
                plan = dict.fromkeys((await groups.members("g")).metadata, b"")
                await groups.assign("g", member, beat.generation, plan)
            if beat.state == "stable" and beat.joined:
                at_rest[member] = beat.generation
            await asyncio.sleep(0.002)
            beat = await groups.beat("g", member, timings)
            if not beat.joined:
                beat = await groups.join("g", member, b"", timings)

    await asyncio.wait_for(asyncio.gather(*(live(member) for member in members)), 20.0)
    assert (await groups.members("g")).metadata.keys() == set(members)
