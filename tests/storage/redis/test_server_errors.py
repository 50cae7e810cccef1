"""Servers that are away, silent, restarted, full or refuse us, and what the user is told."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import redis.asyncio

from rhapsode.storage.log import (
    Fence,
    GroupTimings,
    NewEntry,
    SequenceBatch,
    SequenceState,
    Span,
    UnreachableError,
    UnusableServerError,
)
from rhapsode.storage.opening import open_log
from rhapsode.storage.redis.connection import RedisConnection, RedisSettings
from rhapsode.storage.redis.embedded import EmbeddedValkey
from rhapsode.storage.redis.groups import RedisGroups
from rhapsode.storage.redis.log import RedisLog

WaitUntil = Callable[..., Awaitable[None]]
Serving = Callable[..., AbstractAsyncContextManager[None]]


@asynccontextmanager
async def log_at(settings: RedisSettings) -> AsyncGenerator[RedisLog]:
    log = RedisLog(RedisConnection(settings))
    try:
        yield log
    finally:
        await log.close()


def batch(topic: str, sequence: str, start: int, value: bytes = b"v") -> SequenceBatch:
    return SequenceBatch(topic, sequence, start, start + 1, b"k", (value,))


async def test_a_cancelled_wait_harms_no_other_command(
    redis_log: RedisLog, foreign: Any, wait_until: WaitUntil
):
    async def blocked() -> int:
        return int((await foreign.info("clients"))["blocked_clients"])

    for _ in range(3):
        before = await blocked()
        reading = asyncio.create_task(redis_log.read({("t", 9): 0}, timeout_s=20.0))
        await wait_until(lambda before=before: _more(blocked, before))
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
        first = await redis_log.append("t", 0, [NewEntry(None, b"x")])
        (found,) = (await redis_log.read({("t", 0): first}, timeout_s=5.0)).values()
        assert [entry.offset for entry in found] == [first]
    reads = [redis_log.read({("t", n): 0}, timeout_s=0.05) for n in range(20, 60)]
    assert await asyncio.gather(*reads) == [{}] * 40


async def _more(count: Callable[[], Awaitable[int]], before: int) -> bool:
    return await count() > before


async def test_more_commands_at_once_than_connections_all_get_through(redis_log: RedisLog):
    appends = [redis_log.append("t", n % 3, [NewEntry(None, b"%d" % n)]) for n in range(300)]
    await asyncio.gather(*appends)
    assert sum([(await redis_log.span("t", n)).next for n in range(3)]) == 300


async def test_scripts_run_after_the_script_cache_was_flushed(redis_log: RedisLog, foreign: Any):
    await redis_log.append("t", 0, [NewEntry(None, b"")])
    await foreign.script_flush()
    assert await redis_log.append("t", 0, [NewEntry(None, b"")]) == 1


async def test_a_missing_server_is_unreachable(tmp_path: Path):
    log, groups = open_log(f"unix://{tmp_path}/nobody.sock", "rhapsode")
    for call in (
        lambda: log.declare("t", 1),
        lambda: log.read({("t", 0): 0}),
        lambda: log.read({("t", 0): 0}, timeout_s=5.0),
        lambda: groups.claim("g", 1, [0]),
    ):
        with pytest.raises(UnreachableError, match=r"nobody\.sock does not answer"):
            await call()
    await log.close()


async def test_a_server_that_accepts_and_does_not_reply_is_unreachable(
    tmp_path: Path, serving: Serving
):
    path = str(tmp_path / "mute.sock")
    settings = RedisSettings(f"unix://{path}", connect_timeout_s=0.2, command_timeout_s=0.2)
    async with serving(_swallow, path), log_at(settings) as log:
        with pytest.raises(UnreachableError, match="does not answer"):
            await log.topics()


async def _swallow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while await reader.read(65_536):
        pass


async def test_a_server_that_falls_silent_during_a_wait_is_unreachable(
    valkey: EmbeddedValkey, tmp_path: Path, serving: Serving
):
    path = str(tmp_path / "half.sock")
    ignored = 0

    async def half_open(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal ignored
        behind, ahead = await asyncio.open_unix_connection(str(valkey.socket))
        try:
            while request := await reader.read(65_536):
                if b"XREAD" in request:
                    ignored += 1
                    continue  # the reply never comes
                ahead.write(request)
                writer.write(await behind.read(65_536))
        finally:
            ahead.close()

    settings = RedisSettings(f"unix://{path}", command_timeout_s=0.2)
    async with serving(half_open, path), log_at(settings) as log:
        with pytest.raises(UnreachableError, match="does not answer"):
            await log.read({("t", 0): 0}, timeout_s=0.05)
    assert ignored == 1


async def test_missing_rights_are_reported_without_the_password(
    valkey: EmbeddedValkey, foreign: Any
):
    rules = "reader on >secret ~* +@all -@write -eval -evalsha"
    await foreign.execute_command("ACL", "SETUSER", *rules.split())
    for password in ("wrong", "secret"):
        settings = RedisSettings(f"unix://reader:{password}@{valkey.socket}")
        async with log_at(settings) as log:
            with pytest.raises(UnusableServerError, match="check user, password and ACL") as caught:
                await log.declare("t", 1)
        assert password not in str(caught.value).replace("WRONGPASS", "")
    await foreign.execute_command("ACL", "DELUSER", "reader")


async def test_a_server_without_memory_keeps_what_it_has_and_is_asked_again(tmp_path: Path):
    with EmbeddedValkey(tmp_path, fsync="no") as server:
        settings = RedisSettings(server.url)
        client = redis.asyncio.Redis.from_url(server.url)
        async with log_at(settings) as log, client:
            await log.declare("t", 1)
            await log.append_at(0, [batch("t", "l", 0)])
            await client.config_set("maxmemory", "1mb")
            with pytest.raises(UnreachableError, match="out of memory: raise its maxmemory"):
                await log.append_at(0, [batch("t", "l", 1), batch("u", "l", 0)])
            with pytest.raises(UnreachableError, match="out of memory"):
                await log.append("t", 0, [NewEntry(None, b"x")])
            assert await log.sequence_state("t", 0, "l") == SequenceState(1)
            assert await log.span("t", 0) == Span(0, 1)
            assert await log.span("u", 0) == Span(0, 0)
            assert await log.trim("t", 0, 1) == 1


async def test_groups_live_on_while_the_server_has_no_memory(tmp_path: Path):
    patient = GroupTimings(lease_s=30.0, rebalance_s=30.0, initial_delay_s=0.0)
    with EmbeddedValkey(tmp_path, fsync="no") as server:
        connection = RedisConnection(RedisSettings(server.url))
        groups, log = RedisGroups(connection), RedisLog(connection)
        client = redis.asyncio.Redis.from_url(server.url)
        async with client:
            await log.declare("t", 1)
            await log.append("t", 0, [NewEntry(None, b"x")])
            await groups.join("g", "a", b"", patient)
            await client.config_set("maxmemory", "1mb")
            assert (await groups.beat("g", "a", patient)).joined
            assert (await groups.join("g", "b", b"", patient)).state == "preparing"
            generation = (await groups.join("g", "a", b"", patient)).generation
            await groups.claim("g", generation, [0])
            await log.commit("g", 0, {"t": 1}, fence=Fence("g", generation))
            assert await log.committed("g", "t", 0) == 1
        await log.close()


async def test_a_server_that_would_evict_keys_is_refused(tmp_path: Path):
    with EmbeddedValkey(tmp_path, fsync="no") as server:
        client = redis.asyncio.Redis.from_url(server.url)
        async with log_at(RedisSettings(server.url)) as log, client:
            await client.config_set("maxmemory-policy", "allkeys-lru")
            await client.config_set("maxmemory", "1gb")
            with pytest.raises(UnusableServerError, match=r"allkeys-lru\): set it to noeviction"):
                await log.declare("t", 1)
            await client.config_set("maxmemory", "0")
            assert await log.declare("t", 1) == 1


async def test_a_replica_is_not_ready(tmp_path: Path):
    with EmbeddedValkey(tmp_path, fsync="no") as server:
        client = redis.asyncio.Redis.from_url(server.url)
        async with log_at(RedisSettings(server.url)) as log, client:
            await log.append("t", 0, [NewEntry(None, b"x")])
            await client.replicaof("127.0.0.1", "1")
            with pytest.raises(UnreachableError, match="is not ready"):
                await log.append("t", 0, [NewEntry(None, b"x")])
