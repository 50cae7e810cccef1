"""Somebody empties the log (FLUSHALL) under Faust apps: they begin anew, or say why they end."""

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest

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
