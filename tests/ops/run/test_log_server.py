"""The log's server is there as long as a command needs it, whatever becomes of it meanwhile."""

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
import redis

from rhapsode.ops.run.addresses import log_folder
from rhapsode.ops.run.log_server import log_server
from rhapsode.ops.settings import Settings
from rhapsode.ops.settings_reading import read_settings
from rhapsode.storage.redis.blocking_connection import answers
from rhapsode.storage.redis.embedded import EmbeddedValkey, EmbeddedValkeyError, FolderTakenError

WaitUntil = Callable[..., Awaitable[None]]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return read_settings({}, state=tmp_path)


def server_pid(settings: Settings) -> int:
    """Return the server's process id; 0 while it writes it down."""
    return int((log_folder(settings) / "valkey.pid").read_text(encoding="ascii") or 0)


def client(settings: Settings) -> redis.Redis:
    return redis.Redis(unix_socket_path=str(EmbeddedValkey(log_folder(settings)).socket))


async def test_a_server_that_is_killed_is_started_again_with_what_it_had(
    settings: Settings, wait_until: WaitUntil
) -> None:
    async with log_server(settings) as (reachable, started):
        assert started
        for number in range(3):
            client(settings).set(f"key-{number}", "kept")
            killed = server_pid(settings)
            os.kill(killed, signal.SIGKILL)
            await wait_until(
                lambda killed=killed: (
                    server_pid(settings) not in (0, killed) and answers(reachable.redis_url)
                )
            )
        assert [client(settings).get(f"key-{number}") for number in range(3)] == [b"kept"] * 3
    assert not answers(reachable.redis_url)


async def test_a_server_whose_socket_was_removed_is_started_again(
    settings: Settings, wait_until: WaitUntil
) -> None:
    async with log_server(settings) as (reachable, _):
        client(settings).set("key", "kept")
        EmbeddedValkey(log_folder(settings)).socket.unlink()
        await wait_until(lambda: answers(reachable.redis_url))
        assert client(settings).get("key") == b"kept"


async def test_a_server_that_is_stopped_in_its_tracks_does_not_keep_who_leaves(
    settings: Settings,
) -> None:
    async with log_server(settings) as (reachable, _):
        client(settings).set("key", "kept")
        os.kill(server_pid(settings), signal.SIGSTOP)
    assert not answers(reachable.redis_url)
    async with log_server(settings):
        assert client(settings).get("key") == b"kept"


async def test_who_stays_longer_than_the_one_that_started_the_server_starts_it_again(
    settings: Settings, wait_until: WaitUntil
) -> None:
    first_leaves = asyncio.Event()
    first_is_there = asyncio.Event()

    async def first() -> None:
        async with log_server(settings) as (_, started):
            assert started
            first_is_there.set()
            await first_leaves.wait()

    starter = asyncio.create_task(first())
    await first_is_there.wait()
    async with log_server(settings) as (reachable, started):
        assert not started
        client(settings).set("key", "kept")
        first_leaves.set()
        await starter
        await wait_until(lambda: answers(reachable.redis_url))
        assert client(settings).get("key") == b"kept"
    assert not answers(reachable.redis_url)


async def test_leaving_while_the_server_does_not_start_leaves_the_folder_free(
    settings: Settings, wait_until: WaitUntil
) -> None:
    async with log_server(settings):
        folder = log_folder(settings)
        append_only = next((folder / "appendonlydir").glob("*.incr.aof"))
        append_only.write_bytes(b"not a command\r\n")
        killed = server_pid(settings)
        os.kill(killed, signal.SIGKILL)
        await wait_until(lambda: "Bad file format" in (folder / "valkey.log").read_text())
    with pytest.raises(EmbeddedValkeyError, match="Bad file format") as caught:
        EmbeddedValkey(folder).start()
    assert not isinstance(caught.value, FolderTakenError)
