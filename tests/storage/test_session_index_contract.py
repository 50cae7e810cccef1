"""The index of sessions, on the server and in memory."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from rhapsode.storage.memory.session_index import MemorySessionIndex
from rhapsode.storage.redis.connection import RedisConnection
from rhapsode.storage.redis.session_index import RedisSessionIndex
from rhapsode.storage.session_index import KnownSession, Position, SessionIndex, Totals

LEASE_S = 30.0


@pytest.fixture(params=["redis", "cluster", "memory"])
async def index(request: pytest.FixtureRequest) -> AsyncIterator[SessionIndex]:
    made: SessionIndex
    if request.param == "memory":
        made = MemorySessionIndex()
    else:
        made = RedisSessionIndex(
            RedisConnection(request.getfixturevalue(f"{request.param}_settings"))
        )
    yield made
    await made.close()


def names(found: list[KnownSession]) -> list[str]:
    return [one.session for one in found]


async def test_sessions_are_listed_newest_first_page_by_page(index: SessionIndex) -> None:
    for number in range(7):
        await index.add(f"s{number}", created_ms=1000 + number // 2)  # some in one millisecond
    first = await index.newest(3)
    second = await index.newest(3, after=first[-1].position)
    third = await index.newest(3, after=second[-1].position)
    assert names(first + second + third) == [f"s{number}" for number in range(6, -1, -1)]
    assert await index.newest(3, after=third[-1].position) == []
    assert names(await index.oldest(2)) == ["s0", "s1"]
    assert names(await index.oldest(9, after=Position(1002, "s4"))) == ["s5", "s6"]


async def test_a_session_that_comes_meanwhile_shifts_no_page(index: SessionIndex) -> None:
    for number in range(4):
        await index.add(f"s{number}", created_ms=number + 1)
    page = await index.newest(2)
    await index.add("late", created_ms=99)
    assert names(await index.newest(2, after=page[-1].position)) == ["s1", "s0"]


async def test_a_page_follows_one_whose_last_session_was_removed(index: SessionIndex) -> None:
    for number in range(6):
        await index.add(f"s{number}", created_ms=1 + number // 3)
    page = await index.newest(2)
    await index.remove(names(page))
    assert names(await index.newest(2, after=page[-1].position)) == ["s3", "s2"]
    assert names(await index.oldest(2, after=Position(1, "s0"))) == ["s1", "s2"]


async def test_more_sessions_of_one_millisecond_than_a_page_has(index: SessionIndex) -> None:
    for number in range(9):
        await index.add(f"s{number}", created_ms=7)
    assert names(await index.newest(2, after=Position(7, "s4"))) == ["s3", "s2"]
    assert names(await index.oldest(2, after=Position(7, "s6"))) == ["s7", "s8"]


async def test_an_owner_sees_its_own(index: SessionIndex) -> None:
    await index.add("a", "me", 1)
    await index.add("b", "you", 2)
    await index.add("c", "me", 3)
    assert names(await index.newest(9, owner="me")) == ["c", "a"]
    assert names(await index.newest(9, owner="me", after=Position(3, "c"))) == ["a"]
    assert names(await index.newest(9, owner="nobody")) == []


async def test_who_is_known_stays_as_it_is(index: SessionIndex) -> None:
    await index.add("a", "me", 5)
    await index.add("a", "you", 9)
    assert await index.get("a") == KnownSession("a", 5, "me")
    assert await index.get("unknown") is None
    assert (await index.totals()).sessions == 1


async def test_a_session_without_a_time_has_the_present_one(index: SessionIndex) -> None:
    await index.add("old", created_ms=1)
    await index.add("new")
    (new, old) = await index.newest(9)
    assert (new.session, old.session) == ("new", "old")
    assert new.created_ms > 1_600_000_000_000


async def test_what_is_kept_is_summed_and_given_back(index: SessionIndex) -> None:
    await index.add("a", created_ms=1)
    await index.add("b", created_ms=2)
    await index.count("a", "media_bytes", 100)
    await index.count("a", "media_bytes", 11)
    await index.count("b", "archive_bytes", 7)
    await index.count("unknown", "archive_bytes", 7)
    await index.end("a", 77)
    assert await index.get("a") == KnownSession("a", 1, "", 77, 111, 0)
    assert await index.totals() == Totals(2, 111, 7)
    await index.count("a", "media_bytes", -111)
    await index.remove(["a", "unknown"])
    assert await index.totals() == Totals(1, 0, 7)
    await index.remove(["b"])
    assert await index.totals() == Totals(0, 0, 0)
    assert await index.newest(9) == []
    assert await index.newest(9, owner="") == []


async def test_what_is_kept_of_an_owner_is_summed_apart(index: SessionIndex) -> None:
    await index.add("a", "me", 1)
    await index.add("b", "you", 2)
    await index.count("a", "media_bytes", 10)
    await index.count("b", "archive_bytes", 5)
    assert await index.totals("me") == Totals(1, 10, 0)
    assert await index.totals("you") == Totals(1, 0, 5)
    await index.remove(["a"])
    assert await index.totals("me") == await index.totals("nobody") == Totals()
    assert await index.totals() == Totals(1, 0, 5)


async def test_what_is_to_be_removed_is_found_until_it_is(index: SessionIndex) -> None:
    await index.add("a", created_ms=1)
    await index.add("b", created_ms=2)
    await index.ask_removal("b")
    await index.ask_removal("unknown")
    assert await index.to_remove(9) == ["b"]
    known = await index.get("b")
    assert known is not None
    assert known.removing
    await index.remove(["b"])
    assert await index.to_remove(9) == []


async def test_one_cleans_up_until_it_resigns_or_its_lease_lapses(index: SessionIndex) -> None:
    assert await index.lead("one", LEASE_S)
    assert await index.lead("one", LEASE_S)
    assert not await index.lead("other", LEASE_S)
    await index.resign("other")
    assert not await index.lead("other", LEASE_S)
    await index.resign("one")
    assert await index.lead("other", 0.05)
    async with asyncio.timeout(10):
        while not await index.lead("one", LEASE_S):
            await asyncio.sleep(0.005)
