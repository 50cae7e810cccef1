"""The one who cleans up: what is beyond its bounds goes, and only that."""

from typing import Any

import pytest
from standins.in_memory import System, contents
from standins.retention import (
    SEQUENCED,
    TEXT,
    Clocked,
    everything,
    let_go,
    remover_of,
    retainer_of,
    spans,
    told,
    trimmer_of,
)
from standins.waiting import until

from rhapsode.agents.journal import Journal, UnknownSessionError
from rhapsode.agents.retention import Retention
from rhapsode.codecs.records import (
    AudioFrame,
    Control,
)
from rhapsode.ops.tools.replay import derive
from rhapsode.storage.log import Entry, TopicPartition
from rhapsode.topologies.testing import PARTITIONS


async def test_a_log_over_its_bound_is_brought_below_it_and_its_sessions_forgotten() -> None:
    system = await told("s", "t")
    before = await contents(system.log, *SEQUENCED)
    retainer = retainer_of(system, Retention(log_bytes=1))
    assert await retainer.tick()
    assert await spans(system) == {0}
    known = await system.session_index.newest(9)
    assert [one.ended_ms > 0 for one in known] == [True, True]
    fresh = Journal(system.log, PARTITIONS, archive=system.archive)
    assert await everything(fresh, before) == before


async def test_records_older_than_their_bound_go_and_younger_ones_stay() -> None:
    system = await told("s")
    await retainer_of(system, Retention(log_age_s=3600.0)).tick()
    assert await spans(system) == {0}  # they are of 2023
    young = System()
    await young.narrated(TEXT)
    await retainer_of(young, Retention(log_age_s=3600.0)).tick()
    assert await young.records(AudioFrame, "s")
    assert max(await spans(young)) > 0


async def test_sessions_that_nobody_put_into_the_index_are_found() -> None:
    system = System(log=Clocked())
    await system.narrated(TEXT, "a")
    await system.narrated(TEXT, "b", owner="me")
    retainer = retainer_of(system)
    await retainer.tick()
    assert {one.session for one in await system.session_index.newest(9)} == {"a", "b"}
    assert [one.session for one in await system.session_index.newest(9, owner="me")] == ["b"]


async def test_an_index_that_was_lost_is_made_again_from_log_and_archive() -> None:
    system = await told("gone", "kept")
    await let_go(system)
    await remover_of(system).forget_if_over("gone")
    await system.session_index.remove(["gone", "kept"])
    fresh = System(log=system.log, archive=system.archive)
    await retainer_of(fresh).tick()
    known = await fresh.session_index.get("gone")
    assert known is not None
    assert known.ended_ms


async def test_two_do_not_clean_up_at_once() -> None:
    system = await told("s")
    one, other = retainer_of(system), retainer_of(system)
    assert await one.tick()
    assert not await other.tick()
    await one._resign()
    assert await other.tick()


async def test_a_session_beyond_its_bound_is_gone_with_all_that_is_kept_of_it() -> None:
    system = await told("s", "t")
    retainer = retainer_of(system, Retention(log_bytes=1, sessions=1))
    went = await retainer.once()
    assert went is not None
    assert len(went) == 1
    (left,) = await system.session_index.newest(9)
    (gone,) = {"s", "t"} - {left.session}
    assert await system.store.names(f"{gone}/") == []
    assert gone not in await system.archive.sessions()
    fresh = Journal(system.log, PARTITIONS, archive=system.archive)
    with pytest.raises(UnknownSessionError):
        await fresh.describe(gone)
    assert (await derive(fresh, left.session, store=system.store)).differences == []


async def test_media_beyond_their_bound_go_and_the_session_can_be_made_again() -> None:
    system = await told("s")
    await retainer_of(system, Retention(log_bytes=1, media_bytes=1)).once()
    assert await system.store.names("s/") == []
    assert (await system.session_index.totals()).media_bytes == 0
    again: dict[str, bytes] = {}

    async def keep(name: str, data: bytes) -> None:
        again[name] = data

    replayed = await derive(system.journal, "s", keep, store=system.store)
    assert (replayed.differences, replayed.media_kept) == ([], False)
    assert len(again) > 3


async def test_a_session_that_is_to_be_removed_is_once_it_has_ended() -> None:
    system = System(log=Clocked())
    retainer = retainer_of(system)
    async with system.running():
        await system.describe("s", open=True)
        await system.session_index.add("s")
        await system.text(0, "A few words. ", item_end=True)
        await until(lambda: system.records(AudioFrame, "s"))
        await system.session_index.ask_removal("s")
        await retainer._remove_asked()
        assert await system.journal.describe("s")
        await system.journal.append(Control(session="s", seq=0, verb="cancel", last=True))
        await system.finished("s")
    await retainer._remove_asked()
    with pytest.raises(UnknownSessionError):
        await Journal(system.log, PARTITIONS, archive=system.archive).describe("s")
    assert await system.store.names("s/") == []
    assert await system.session_index.newest(9) == []
    await let_go(system)  # what was left in the log goes without being archived
    assert await spans(system) == {0}
    assert await system.archive.sessions() == []


async def test_a_session_that_was_removed_before_it_was_found_in_the_log_stays_unknown() -> None:
    system = await told("s")
    await remover_of(system).remove("s")
    retainer = retainer_of(system)
    assert await retainer.tick()
    assert await system.session_index.newest(9) == []


class ReadsCounted(Clocked):
    """A log that counts the entries it gives."""

    entries_read = 0

    async def read(self, *arguments: Any, **options: Any) -> dict[TopicPartition, list[Entry]]:
        found = await super().read(*arguments, **options)
        self.entries_read += sum(map(len, found.values()))
        return found


async def test_while_nothing_is_old_enough_hardly_anything_is_read() -> None:
    log = ReadsCounted()
    system = System(log=log)
    await system.narrated(TEXT)
    trimmer = trimmer_of(system)
    log.entries_read = 0
    for number in range(PARTITIONS):
        assert await trimmer.cut(number, log.now_ms - 3_600_000) is None
    assert log.entries_read <= PARTITIONS * len(SEQUENCED)
