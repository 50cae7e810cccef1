"""API keys, on the server and in memory."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from rhapsode.storage.access_keys import AccessKey, AccessKeys
from rhapsode.storage.memory.access_keys import MemoryAccessKeys
from rhapsode.storage.redis.access_keys import RedisAccessKeys
from rhapsode.storage.redis.connection import RedisConnection


@pytest.fixture(params=["redis", "cluster", "memory"])
async def keys(request: pytest.FixtureRequest) -> AsyncIterator[AccessKeys]:
    made: AccessKeys
    if request.param == "memory":
        made = MemoryAccessKeys()
    else:
        made = RedisAccessKeys(
            RedisConnection(request.getfixturevalue(f"{request.param}_settings"))
        )
    yield made
    await made.close()


def key(key_id: str, created_ms: int = 1, **fields: int) -> AccessKey:
    return AccessKey(id=key_id, name=f"of {key_id}", sha256="ab", created_ms=created_ms, **fields)


async def test_what_was_added_is_found_the_oldest_first(keys: AccessKeys) -> None:
    late, early = key("a", 20, chars_a_day=5), key("b", 10, sessions_at_once=2)
    assert await keys.add(late)
    assert await keys.add(early)
    assert await keys.all() == [early, late]
    assert await keys.get("a") == late
    assert await keys.get("c") is None


async def test_an_id_that_is_taken_stays_whose_it_is(keys: AccessKeys) -> None:
    assert await keys.add(key("a", 1))
    assert not await keys.add(key("a", 2))
    assert await keys.get("a") == key("a", 1)


async def test_a_revoked_key_is_gone(keys: AccessKeys) -> None:
    await keys.add(key("a"))
    assert await keys.revoke("a")
    assert not await keys.revoke("a")
    assert await keys.get("a") is None
    assert await keys.all() == []


async def test_the_secret_is_the_same_for_everybody_who_asks(keys: AccessKeys) -> None:
    found = await asyncio.gather(*(keys.secret() for _ in range(5)))
    assert len(set(found)) == 1
    assert len(found[0]) == 32


async def test_what_is_spent_is_summed_by_key_and_day(keys: AccessKeys) -> None:
    assert await keys.spend("a", "2026-01-01", 5) == 5
    assert await keys.spend("a", "2026-01-01", 7) == 12
    assert await keys.spend("a", "2026-01-01", -7) == 5
    assert await keys.spend("a", "2026-01-02", 1) == 1
    assert await keys.spend("b", "2026-01-01", 2) == 2


async def test_unfinished_sessions_are_counted_once_each(keys: AccessKeys) -> None:
    assert await keys.begin("a", "s", 1_000) == 1
    assert await keys.begin("a", "s", 2_000) == 1
    assert await keys.begin("a", "t", 3_000) == 2
    assert await keys.begin("b", "u", 4_000) == 1
    assert await keys.unfinished("a") == {"s": 1_000, "t": 3_000}
    await keys.end("a", ["s", "unknown"])
    await keys.end("a", [])
    assert await keys.unfinished("a") == {"t": 3_000}
    assert await keys.unfinished("nobody") == {}
