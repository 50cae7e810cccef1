"""Somebody empties the log (FLUSHALL) under Faust apps: they begin anew, or say why they end."""

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest

from rhapsode.storage.log import NewEntry
from rhapsode.storage.redis.connection import RedisConnection, RedisSettings
from rhapsode.storage.redis.embedded import EmbeddedValkey
from rhapsode.storage.redis.groups import RedisGroups
from rhapsode.storage.redis.log import RedisLog

from .faust_apps import PARTITIONS, app_on, collecting, fill, until


@pytest.fixture
async def connection(tmp_path: Path) -> AsyncGenerator[RedisConnection]:
    server = EmbeddedValkey(tmp_path / "valkey")
    await asyncio.to_thread(server.start)
    connected = RedisConnection(RedisSettings(server.url))
    yield connected
    await connected.close()
    await asyncio.to_thread(server.stop)


async def test_a_lone_worker_reads_what_comes_after(connection: RedisConnection, tmp_path: Path):
    log = RedisLog(connection)
    app = app_on(log, RedisGroups(connection), tmp_path / "app")
    seen: list[int] = []
    collecting(app, "t", seen)
    await fill(log, "t", 40)
    await app.start()
    try:
        await until(lambda: len(seen) == 40)
        await connection.each("FLUSHALL")
        seen.clear()
        await fill(log, "t", 20)
        await until(lambda: sorted(seen) == list(range(20)), 20.0)
        other = RedisLog(connection)  # as another process opens it
        assert await other.declare("t", PARTITIONS) == PARTITIONS
    finally:
        await app.stop()
    assert not app.crashed


async def test_what_was_done_of_the_former_log_is_not_passed_over_in_the_new_one(
    connection: RedisConnection, tmp_path: Path
):
    log, groups = RedisLog(connection), RedisGroups(connection)
    app = app_on(log, groups, tmp_path / "app")
    seen: list[bytes] = []
    goes_on = asyncio.Event()
    new = [b"new in partition %d" % partition for partition in range(PARTITIONS)]

    @app.agent(app.topic("t", value_serializer="raw", key_serializer="raw"))
    async def work(stream: Any) -> None:  # pyright: ignore[reportUnusedFunction]
        async for value in stream:
            seen.append(value)
            await goes_on.wait()

    await fill(log, "t", PARTITIONS)
    await app.start()
    try:
        await until(lambda: bool(seen))
        await connection.each("FLUSHALL")
        for partition, value in enumerate(new):
            await log.append("t", partition, [NewEntry(None, value)])
        goes_on.set()  # what was under way is done, up to an offset that another record has now
        await until(lambda: set(new) <= set(seen))
    finally:
        await app.stop()
    assert not app.crashed


async def test_one_with_tables_ends_and_says_why(connection: RedisConnection, tmp_path: Path):
    log = RedisLog(connection)
    app = app_on(log, RedisGroups(connection), tmp_path / "app")
    table: Any = app.Table("counts", default=int, partitions=4)
    seen: list[int] = []

    @app.agent(app.topic("t", value_serializer="raw", key_serializer="raw"))
    async def count(stream: Any) -> None:  # pyright: ignore[reportUnusedFunction]
        async for value in stream:
            table[value.decode()] += 1
            seen.append(int(value))

    await fill(log, "t", 4)
    await app.start()
    try:
        await until(lambda: len(seen) == 4, 30.0)
        await connection.each("FLUSHALL")
        await until(lambda: app.crashed, 20.0)
        assert "the log was emptied" in str(app.crash_reason)
        assert "start this worker again" in str(app.crash_reason)
    finally:
        await app.stop()
