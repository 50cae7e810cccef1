"""The log and its groups, on a server, a Cluster and in memory, for tests of their contract."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from itertools import count

import pytest
from cluster import Cluster

from rhapsode.storage.log import Groups, Log
from rhapsode.storage.memory.groups import MemoryGroups
from rhapsode.storage.memory.log import MemoryLog
from rhapsode.storage.redis.connection import RedisConnection, RedisSettings
from rhapsode.storage.redis.groups import RedisGroups
from rhapsode.storage.redis.log import RedisLog

_namespaces = count()
Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@pytest.fixture
def serving() -> Callable[[Handler, str], AbstractAsyncContextManager[None]]:
    """Give ``async with serving(handler, path)``; it closes every connection at the end."""
    return _serving


@asynccontextmanager
async def _serving(handler: Handler, path: str) -> AsyncGenerator[None]:
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            await handler(reader, writer)
        except asyncio.CancelledError:
            pass  # the test is over
        finally:
            writer.close()

    async with await asyncio.start_unix_server(serve, path):
        yield
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks)


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Give three masters that no test ends."""
    cluster = Cluster(tmp_path_factory.mktemp("cluster"), "contract-6610")
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()


@pytest.fixture
def cluster_settings(cluster: Cluster) -> RedisSettings:
    """Give a namespace of the test's own on the Cluster."""
    return RedisSettings(cluster.url, f"test-{next(_namespaces)}")


@pytest.fixture(params=["redis", "cluster", "memory"])
async def opened(request: pytest.FixtureRequest) -> AsyncIterator[tuple[Log, Groups]]:
    if request.param == "memory":
        memory = MemoryLog()
        yield memory, MemoryGroups(memory)
        return
    connection = RedisConnection(request.getfixturevalue(f"{request.param}_settings"))
    log = RedisLog(connection)
    yield log, RedisGroups(connection)
    await log.close()


@pytest.fixture
def log(opened: tuple[Log, Groups]) -> Log:
    return opened[0]


@pytest.fixture
def groups(opened: tuple[Log, Groups]) -> Groups:
    return opened[1]
