"""The log and its groups, on the server and in memory, for the tests of what both promise."""

from collections.abc import AsyncIterator

import pytest

from rhapsode.storage.log import Groups, Log
from rhapsode.storage.memory_groups import MemoryGroups
from rhapsode.storage.memory_log import MemoryLog
from rhapsode.storage.redis_connection import RedisConnection
from rhapsode.storage.redis_groups import RedisGroups
from rhapsode.storage.redis_log import RedisLog


@pytest.fixture(params=["redis", "memory"])
async def opened(request: pytest.FixtureRequest) -> AsyncIterator[tuple[Log, Groups]]:
    if request.param == "memory":
        memory = MemoryLog()
        yield memory, MemoryGroups(memory)
        return
    connection = RedisConnection(request.getfixturevalue("redis_settings"))
    yield RedisLog(connection), RedisGroups(connection)
    await connection.close()


@pytest.fixture
def log(opened: tuple[Log, Groups]) -> Log:
    return opened[0]


@pytest.fixture
def groups(opened: tuple[Log, Groups]) -> Groups:
    return opened[1]
