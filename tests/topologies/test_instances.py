"""Workers with names: they come back to their partitions, and nobody has them meanwhile."""

from pathlib import Path

from rhapsode.storage.memory.groups import MemoryGroups
from rhapsode.topologies.in_memory import declare_topics
from rhapsode.topologies.testing import PARTITIONS, InMemorySystem

from .faust_apps import started, until
from .test_bind import Member, sessions_by_partition, two_sources


async def test_a_named_worker_that_is_started_again_comes_back_to_its_partitions(
    tmp_path: Path,
) -> None:
    system = InMemorySystem()
    await declare_topics(system.log, PARTITIONS)
    groups = MemoryGroups(system.log)  # pyright: ignore[reportArgumentType]  # a MemoryLog
    first, second = (Member(system, groups, tmp_path / name, name) for name in ("one", "two"))
    sessions = sessions_by_partition()
    every = [name for names in sessions.values() for name in names]
    for session in every:
        await system.describe(session)
    async with started(first.app):
        async with started(second.app):
            await until(lambda: all(len(one.partitions("text")) == 1 for one in (first, second)))
            (mine,) = first.partitions("text")
            (its,) = second.partitions("text")
            for session in every:
                await two_sources(system, session, 0)
            await until(lambda: len(first.seen) + len(second.seen) == len(every))
        for session in every:
            await two_sources(system, session, 1)
        await until(lambda: all(len(first.seen[session]) == 4 for session in sessions[mine]))
        assert first.partitions("text") == {mine}, "nobody takes them over while it is away"
        again = Member(system, groups, tmp_path / "again", "two")
        async with started(again.app):
            await until(lambda: set(again.seen) == set(sessions[its]))
            assert again.partitions("text") == {its}
            await until(lambda: first.partitions("text") == {mine})
        assert first.agents == dict.fromkeys(sessions[mine], 1), "the others were not disturbed"
        assert set(first.seen) == set(sessions[mine])


async def test_of_two_workers_with_one_name_the_later_one_works_and_the_other_ends(
    tmp_path: Path,
) -> None:
    system = InMemorySystem()
    await declare_topics(system.log, PARTITIONS)
    groups = MemoryGroups(system.log)  # pyright: ignore[reportArgumentType]  # a MemoryLog
    first, second = (Member(system, groups, tmp_path / name, "same") for name in ("1", "2"))
    await system.describe("s")
    async with started(first.app):
        await until(lambda: len(first.partitions("text")) == PARTITIONS)
        async with started(second.app):
            await until(lambda: first.app.crashed)
            assert "give each of its workers a name of its own" in str(first.app.crash_reason)
            await until(lambda: len(second.partitions("text")) == PARTITIONS)
            await two_sources(system, "s", 0)
            await until(lambda: len(second.seen.get("s", [])) == 2)
