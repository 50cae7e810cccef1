"""Cursors, on a server, on a Cluster and in memory."""

from collections.abc import AsyncIterator

import pytest

from rhapsode.storage.cursors import Cursors
from rhapsode.storage.memory.cursors import MemoryCursors
from rhapsode.storage.redis.connection import RedisConnection
from rhapsode.storage.redis.cursors import RedisCursors


@pytest.fixture(params=["redis", "cluster", "memory"])
async def cursors(request: pytest.FixtureRequest) -> AsyncIterator[Cursors]:
    made: Cursors
    if request.param == "memory":
        made = MemoryCursors()
    else:
        made = RedisCursors(RedisConnection(request.getfixturevalue(f"{request.param}_settings")))
    yield made
    await made.close()


async def test_what_was_saved_last_is_found_by_its_name(cursors: Cursors) -> None:
    assert await cursors.load("a") is None
    await cursors.save({"a": b"1", "b": b"2"})
    await cursors.save({"a": b"3"})
    assert (await cursors.load("a"), await cursors.load("b")) == (b"3", b"2")


async def test_what_is_forgotten_is_gone(cursors: Cursors) -> None:
    await cursors.save({"a": b"1", "b": b"2"})
    await cursors.save({"a": None, "c": None})
    assert (await cursors.load("a"), await cursors.load("b")) == (None, b"2")


@pytest.mark.parametrize("name", ["", "|", "x" * 300, "owner|02:00:00", "{a}", "é\n\0", "*"])
async def test_any_name_is_one_of_its_own(cursors: Cursors, name: str) -> None:
    await cursors.save({name: b"mine", name + " ": b"other"})
    assert (await cursors.load(name), await cursors.load(name + " ")) == (b"mine", b"other")


async def test_in_memory_the_oldest_make_room() -> None:
    cursors = MemoryCursors(most=2)
    for name in "abc":
        await cursors.save({name: name.encode()})
    assert [await cursors.load(name) for name in "abc"] == [None, b"b", b"c"]


async def test_on_the_server_they_expire(redis_connection: RedisConnection) -> None:
    cursors = RedisCursors(redis_connection)
    await cursors.save({"a": b"1"})
    left_s = await redis_connection.command("TTL", redis_connection.keys.cursor("a"))
    assert 6 * 86_400 < left_s <= 7 * 86_400
