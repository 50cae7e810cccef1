"""What only the server's log has: keys, slots, foreign ids, errors and what they tell the user."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import redis.asyncio
from redis.crc import key_slot

from rhapsode.storage.log import (
    Fence,
    GroupTimings,
    IngressEntry,
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
from rhapsode.storage.redis.keys import Keys
from rhapsode.storage.redis.log import RedisLog

WaitUntil = Callable[..., Awaitable[None]]
Serving = Callable[..., AbstractAsyncContextManager[None]]


@pytest.fixture
async def foreign(valkey: EmbeddedValkey) -> AsyncIterator[Any]:
    """Give a client such as any other program would use."""
    client = redis.asyncio.Redis.from_url(valkey.url)
    yield client
    await client.aclose()


@asynccontextmanager
async def log_at(settings: RedisSettings) -> AsyncGenerator[RedisLog]:
    log = RedisLog(RedisConnection(settings))
    try:
        yield log
    finally:
        await log.close()


def place(topic: str, sequence: str, start: int, value: bytes = b"v") -> SequenceBatch:
    return SequenceBatch(topic, sequence, start, start + 1, b"k", (value,))


async def test_everything_of_a_partition_number_shares_a_slot(
    redis_log: RedisLog, redis_groups: RedisGroups, foreign: Any, redis_settings: RedisSettings
):
    await redis_groups.claim("g", 1, [7])
    fence = Fence("g", 1)
    await redis_log.append_at(7, [place("t", "a", 0), place("u", "b", 0)], fence=fence)
    await redis_log.append("v", 7, [NewEntry(None, b"")], fence=fence)
    await redis_log.commit("g", 7, {"t": 1}, fence=fence)
    keys = sorted([key async for key in foreign.scan_iter(f"*{redis_settings.namespace}:7*")])
    tag = b"{%s:7}" % redis_settings.namespace.encode()
    assert keys == [
        tag + rest
        for rest in (
            b":fence:g",
            b":index:t:a",
            b":index:u:b",
            b":log:t",
            b":log:u",
            b":log:v",
            b":offsets:g",
            b":sequence:t:a",
            b":sequence:u:b",
            b":time:t",
            b":time:u",
            b":time:v",
        )
    ]
    assert len({key_slot(key) for key in keys}) == 1


async def test_a_groups_state_shares_a_slot_and_topics_have_one_registry(
    redis_log: RedisLog, redis_groups: RedisGroups, foreign: Any, redis_settings: RedisSettings
):
    timings = GroupTimings(initial_delay_s=0.0)
    await redis_groups.join("g{}", "m", b"", timings)
    await redis_groups.assign("g{}", "m", 1, {"m": b""})
    await redis_log.declare("t", 1)
    space = redis_settings.namespace.encode()
    keys = {key async for key in foreign.scan_iter(f"*{redis_settings.namespace}*")}
    assert b"{%s}:topics" % space in keys
    state = keys - {b"{%s}:topics" % space}
    assert {key.rpartition(b":")[2] for key in state} == {
        b"state",
        b"leases",
        b"metadata",
        b"joined",
        b"assignments",
    }
    assert len({key_slot(key) for key in state}) == 1


@pytest.mark.parametrize("name", ["", "a b", "a:b", "{a}", "-a", "a\n", "a" * 65])
def test_a_namespace_that_is_none_is_refused(name: str):
    with pytest.raises(ValueError, match="namespace"):
        Keys(name)
    with pytest.raises(ValueError, match="namespace"):
        RedisSettings("redis://localhost", name)


async def test_the_time_index_has_at_most_one_entry_a_second(
    redis_log: RedisLog, foreign: Any, redis_settings: RedisSettings
):
    stamps = [*range(0, 5000, 10), 4990, 3, 4999]
    await redis_log.append("t", 0, [NewEntry(None, b"", timestamp_ms=ms) for ms in stamps])
    times = Keys(redis_settings.namespace).times("t", 0)
    points = await foreign.zrange(times, 0, -1, withscores=True)
    assert points == [(b"%d" % (n * 100), n * 1000.0) for n in range(5)]
    await redis_log.trim("t", 0, 350)
    assert await foreign.zrange(times, 0, -1) == [b"300", b"400"]


async def test_a_trim_of_many_entries_goes_by_steps(redis_log: RedisLog):
    for _ in range(5):
        await redis_log.append("t", 0, [NewEntry(None, b"")] * 5_000)
    assert await redis_log.trim("t", 0, 24_999) == 24_999
    assert await redis_log.span("t", 0) == Span(24_999, 25_000)


# -- foreign programs


async def test_a_foreign_id_in_a_log_stream_is_named_and_nothing_is_written(
    redis_log: RedisLog, foreign: Any, redis_settings: RedisSettings
):
    keys = Keys(redis_settings.namespace)
    await redis_log.append_at(0, [place("clean", "l", 0)])
    await redis_log.append("bad", 0, [NewEntry(None, b"ours")])
    entry = await foreign.xadd(keys.stream("bad", 0), {"text": "hello"})
    said = rf"{{{redis_settings.namespace}:0}}:log:bad.*<namespace>:in:<topic>"
    batch = [place("clean", "l", 1), place("clean", "m", 0), place("bad", "l", 0)]
    for refused in (
        lambda: redis_log.append("bad", 0, [NewEntry(None, b"x")]),
        lambda: redis_log.append_at(0, batch),
        lambda: redis_log.read({("bad", 0): 0}),
        lambda: redis_log.read({("bad", 0): 0}, timeout_s=5.0),
        lambda: redis_log.span("bad", 0),
        lambda: redis_log.trim("bad", 0, 1),
    ):
        with pytest.raises(UnusableServerError, match=said):
            await refused()
    assert await redis_log.append("clean", 0, []) == 1
    # even where the foreign entry is gone, its id stays the stream's last
    await foreign.xdel(keys.stream("bad", 0), entry)
    with pytest.raises(UnusableServerError, match=said):
        await redis_log.append_at(0, batch)
    assert len((await redis_log.read({("clean", 0): 0}))["clean", 0]) == 1
    assert await redis_log.sequence_state("clean", 0, "l") == SequenceState(1)
    assert await redis_log.sequence_state("clean", 0, "m") == SequenceState()


@pytest.mark.parametrize(
    "fields",
    [{"text": "no time"}, {"t": "yesterday"}, {"t": "1", "h": b"\xc1"}, {"t": "1", "h": b"\x01"}],
)
async def test_an_entry_that_is_none_of_ours_is_named(
    redis_log: RedisLog, foreign: Any, redis_settings: RedisSettings, fields: dict[str, Any]
):
    stream = Keys(redis_settings.namespace).stream("t", 0)
    await foreign.xadd(stream, fields, id="0-*")
    with pytest.raises(UnusableServerError, match=r"log:t \(entry 0-1"):
        await redis_log.read({("t", 0): 0})


async def test_foreign_programs_are_heard_at_the_ingress(
    redis_log: RedisLog, foreign: Any, redis_settings: RedisSettings
):
    assert await redis_log.read_ingress("text") == []
    key = f"{redis_settings.namespace}:in:text"
    ids = [(await foreign.xadd(key, {"text": f"n {n}", "x": b"\xff"})).decode() for n in range(3)]
    read = await redis_log.read_ingress("text", limit=2)
    assert read == [
        IngressEntry(ids[n], int(ids[n].partition("-")[0]), {b"text": b"n %d" % n, b"x": b"\xff"})
        for n in range(2)
    ]
    await redis_log.drop_ingress("text", [])
    await redis_log.drop_ingress("text", ids[:2])
    assert [entry.id for entry in await redis_log.read_ingress("text")] == ids[2:]


# -- what goes wrong with servers


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


async def test_a_flushed_script_cache_is_no_hindrance(redis_log: RedisLog, foreign: Any):
    await redis_log.append("t", 0, [NewEntry(None, b"")])
    await foreign.script_flush()
    assert await redis_log.append("t", 0, [NewEntry(None, b"")]) == 1


async def test_no_server_is_unreachable(tmp_path: Path):
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


async def test_a_server_that_accepts_and_says_nothing_is_unreachable(
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
    unanswered = 0

    async def half_open(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal unanswered
        behind, ahead = await asyncio.open_unix_connection(str(valkey.socket))
        try:
            while request := await reader.read(65_536):
                if b"XREAD" in request:
                    unanswered += 1
                    continue  # the answer never comes
                ahead.write(request)
                writer.write(await behind.read(65_536))
        finally:
            ahead.close()

    settings = RedisSettings(f"unix://{path}", command_timeout_s=0.2)
    async with serving(half_open, path), log_at(settings) as log:
        with pytest.raises(UnreachableError, match="did not reply within"):
            await log.read({("t", 0): 0}, timeout_s=0.05)
    assert unanswered == 1


async def test_rights_that_lack_are_said(valkey: EmbeddedValkey, foreign: Any):
    rules = "reader on >secret ~* +@all -@write -eval -evalsha"
    await foreign.execute_command("ACL", "SETUSER", *rules.split())
    for password in ("wrong", "secret"):
        settings = RedisSettings(f"unix://reader:{password}@{valkey.socket}")
        async with log_at(settings) as log:
            with pytest.raises(UnusableServerError, match="check user, password and ACL") as caught:
                await log.declare("t", 1)
        assert password not in str(caught.value).replace("WRONGPASS", "")
    await foreign.execute_command("ACL", "DELUSER", "reader")


async def test_a_server_without_memory_says_so_and_keeps_what_it_has(tmp_path: Path):
    with EmbeddedValkey(tmp_path, fsync="no") as server:
        settings = RedisSettings(server.url)
        client = redis.asyncio.Redis.from_url(server.url)
        async with log_at(settings) as log, client:
            await log.declare("t", 1)
            await log.append_at(0, [place("t", "l", 0)])
            await client.config_set("maxmemory", "1mb")
            with pytest.raises(UnusableServerError, match="out of memory: raise its maxmemory"):
                await log.append_at(0, [place("t", "l", 1), place("u", "l", 0)])
            with pytest.raises(UnusableServerError, match="out of memory"):
                await log.append("t", 0, [NewEntry(None, b"x")])
            assert await log.sequence_state("t", 0, "l") == SequenceState(1)
            assert await log.span("t", 0) == Span(0, 1)
            assert await log.span("u", 0) == Span(0, 0)
            assert await log.trim("t", 0, 1) == 1


async def test_a_server_that_would_throw_keys_away_is_refused(tmp_path: Path):
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


# -- URLs


@pytest.mark.parametrize(
    ("url", "safe"),
    [
        ("redis://user:pass@host:6380/2?password=pass", "redis://host:6380/2"),
        ("rediss://:pass@host", "rediss://host"),
        ("valkey://host", "valkey://host"),
        ("unix://user:pass@/run/a.sock?db=1", "unix:///run/a.sock"),
    ],
)
async def test_a_url_is_shown_without_its_password(url: str, safe: str):
    settings = RedisSettings(url)
    assert settings.safe_url == safe
    assert "pass" not in repr(settings)
    await RedisConnection(settings).close()


@pytest.mark.parametrize("url", ["secret", "http://secret", "redis://x:secret@h:port", "redis://["])
def test_a_url_that_is_none_is_refused_and_not_repeated(url: str):
    with pytest.raises(UnusableServerError, match="redis://") as caught:
        open_log(url, "rhapsode")
    assert "secret" not in str(caught.value)


def test_memory_is_a_log_too():
    log, _ = open_log("memory://", "rhapsode")
    assert type(log).__name__ == "MemoryLog"
