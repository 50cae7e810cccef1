"""What admission keeps, on the server and in memory."""

import asyncio
from collections.abc import AsyncIterator
from time import monotonic

import pytest

from rhapsode.storage.admissions import Admissions, Places, Published
from rhapsode.storage.memory.admissions import MemoryAdmissions
from rhapsode.storage.redis.admissions import RedisAdmissions
from rhapsode.storage.redis.connection import RedisConnection

LEASE_S = 30.0


@pytest.fixture(params=["redis", "cluster", "memory"])
async def admissions(request: pytest.FixtureRequest) -> AsyncIterator[Admissions]:
    made: Admissions
    if request.param == "memory":
        made = MemoryAdmissions()
    else:
        made = RedisAdmissions(
            RedisConnection(request.getfixturevalue(f"{request.param}_settings"))
        )
    yield made
    await made.close()


async def test_before_anybody_leads_there_is_no_place(admissions: Admissions) -> None:
    assert await admissions.places() is None
    assert not await admissions.take_place()
    assert await admissions.places() is None


async def test_as_many_places_are_taken_as_are_free(admissions: Admissions) -> None:
    assert await admissions.lead("a", LEASE_S)
    assert await admissions.publish("a", Places(5, 2), 3, LEASE_S) == Published(True, afresh=True)
    taken = await asyncio.gather(*(admissions.take_place() for _ in range(10)))
    assert sum(taken) == 3
    assert await admissions.publish("a", Places(5, 4), 1, LEASE_S) == Published(True)
    assert await admissions.take_place()
    assert not await admissions.take_place()


async def test_what_the_leader_says_is_what_others_read(admissions: Admissions) -> None:
    places = Places(limit=5, producing=2, speed=26.5, production_s=3.25)
    await admissions.lead("a", LEASE_S)
    await admissions.publish("a", places, 3, LEASE_S)
    assert await admissions.places() == places


async def test_one_leads_at_a_time_and_only_that_one_is_heard(admissions: Admissions) -> None:
    assert await admissions.lead("a", LEASE_S)
    assert not await admissions.lead("b", LEASE_S)
    assert await admissions.lead("a", LEASE_S)
    assert await admissions.publish("b", Places(9, 0), 9, LEASE_S) == Published(leads=False)
    assert await admissions.places() is None
    await admissions.resign("b")
    assert not await admissions.lead("b", LEASE_S)
    await admissions.resign("a")
    assert await admissions.lead("b", LEASE_S)
    assert await admissions.publish("a", Places(9, 0), 9, LEASE_S) == Published(leads=False)


async def test_another_leads_once_the_lease_has_lapsed(admissions: Admissions) -> None:
    assert await admissions.lead("a", 0.05)
    async with asyncio.timeout(5):
        while not await admissions.lead("b", LEASE_S):
            await asyncio.sleep(0.01)
    assert await admissions.publish("a", Places(9, 0), 9, LEASE_S) == Published(leads=False)


async def test_the_line_is_in_order_of_acceptance(admissions: Admissions) -> None:
    for session, since_ms in (("late", 30), ("early", 10), ("between", 20)):
        await admissions.wait(session, since_ms)
    assert await admissions.first_in_line(2) == ["early", "between"]
    assert await admissions.first_in_line(0) == []
    assert await admissions.first_in_line(9) == ["early", "between", "late"]
    assert [await admissions.position(name) for name in ("early", "late")] == [1, 3]
    assert await admissions.waiting() == 3


async def test_who_stands_in_line_keeps_its_place(admissions: Admissions) -> None:
    await admissions.wait("a", 10)
    await admissions.wait("b", 20)
    await admissions.wait("a", 30)
    assert await admissions.first_in_line(9) == ["a", "b"]


async def test_who_leaves_the_line_has_no_position(admissions: Admissions) -> None:
    await admissions.wait("a", 10)
    await admissions.wait("b", 20)
    await admissions.leave(["a", "unknown"])
    await admissions.leave([])
    assert await admissions.position("a") is None
    assert await admissions.position("b") == 1


async def test_no_place_is_free_while_sessions_wait(admissions: Admissions) -> None:
    await admissions.lead("a", LEASE_S)
    await admissions.wait("first", 10)
    published = await admissions.publish("a", Places(5, 2), 3, LEASE_S)
    assert published == Published(True, afresh=True, waiting=1)
    assert not await admissions.take_place()
    await admissions.leave(["first"])
    await admissions.publish("a", Places(5, 2), 3, LEASE_S)
    assert await admissions.take_place()


async def test_who_publishes_leads_on(admissions: Admissions) -> None:
    await admissions.lead("a", 0.2)
    assert (await admissions.publish("a", Places(5, 2), 3, LEASE_S)).leads
    end_s = monotonic() + 0.3
    while monotonic() < end_s:
        assert not await admissions.lead("b", LEASE_S)
