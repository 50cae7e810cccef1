"""What tests of every package share: one real server for all, a fresh namespace for each."""

import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from itertools import count

import pytest
from broker import SERVER, server_binary
from standins.waiting import until

from rhapsode.storage.redis.connection import RedisConnection, RedisSettings
from rhapsode.storage.redis.embedded import EmbeddedValkey
from rhapsode.storage.redis.groups import RedisGroups
from rhapsode.storage.redis.log import RedisLog

WaitUntil = Callable[..., Awaitable[None]]

_namespaces = count()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Give two processes one half of the tests each, where there are two (``--dist loadgroup``).

    Those of the whole system share one that runs; others look at all children of their process.
    """
    if config.pluginmanager.hasplugin("xdist"):
        for item in items:
            group = "live" if "live" in item.path.parts else "rest"
            item.add_marker(pytest.mark.xdist_group(group))


@pytest.fixture(scope="session", autouse=True)
def chosen_server() -> Iterator[None]:
    """Have the tests of this process start the server that ``TEST_LOG_SERVER`` names, if any."""
    with pytest.MonkeyPatch.context() as patch:
        if SERVER in os.environ:
            patch.setattr("rhapsode.storage.redis.embedded.find_server", server_binary)
        yield


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
    return until
