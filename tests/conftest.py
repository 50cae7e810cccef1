"""What tests of every room share: one real server for all, a fresh namespace for each."""

import asyncio
import inspect
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from itertools import count

import pytest

from rhapsode.storage.redis.connection import RedisConnection, RedisSettings
from rhapsode.storage.redis.embedded import EmbeddedValkey
from rhapsode.storage.redis.groups import RedisGroups
from rhapsode.storage.redis.log import RedisLog

Predicate = Callable[[], object | Awaitable[object]]
WaitUntil = Callable[..., Awaitable[None]]

_namespaces = count()


@pytest.fixture(scope="session")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedValkey]:
    """Give one embedded server for the whole session."""
    with EmbeddedValkey(tmp_path_factory.mktemp("valkey"), fsync="no") as server:
        yield server


@pytest.fixture
def redis_settings(valkey: EmbeddedValkey) -> RedisSettings:
    """Give a namespace of the test's own on the server."""
    return RedisSettings(valkey.url, f"test-{next(_namespaces)}")


@pytest.fixture
async def redis_connection(redis_settings: RedisSettings) -> AsyncIterator[RedisConnection]:
    """Give a connection that is closed after the test."""
    connection = RedisConnection(redis_settings)
    yield connection
    await connection.close()


@pytest.fixture
def redis_log(redis_connection: RedisConnection) -> RedisLog:
    """Give a log on the server."""
    return RedisLog(redis_connection)


@pytest.fixture
def redis_groups(redis_connection: RedisConnection) -> RedisGroups:
    """Give the consumer groups on the server."""
    return RedisGroups(redis_connection)


@pytest.fixture(scope="session")
def wait_until() -> WaitUntil:
    """Give ``await wait_until(predicate, deadline_s)``; the predicate may be a coroutine's."""
    return _wait_until


async def _wait_until(predicate: Predicate, deadline_s: float = 10.0) -> None:
    end = time.monotonic() + deadline_s
    while True:
        holds = predicate()
        if inspect.isawaitable(holds):
            holds = await holds
        if holds:
            return
        assert time.monotonic() < end, f"not so within {deadline_s} s"
        await asyncio.sleep(0.01)
