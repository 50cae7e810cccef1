"""A dead process leaves its groups at once; a silent one that is connected keeps its lease."""

import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from time import monotonic

import pytest

from rhapsode.storage.log import Beat, GroupTimings, UnreachableError
from rhapsode.storage.redis import links
from rhapsode.storage.redis.connection import RedisConnection, RedisSettings
from rhapsode.storage.redis.embedded import EmbeddedValkey
from rhapsode.storage.redis.groups import RedisGroups

WaitUntil = Callable[..., Awaitable[None]]
Member = Callable[[str], subprocess.Popen[bytes]]
PATIENT = GroupTimings(lease_s=60.0, rebalance_s=60.0, initial_delay_s=0.0)
BEATS_S = 0.05
MEMBER = """
import asyncio, os, signal, sys
from rhapsode.storage.log import GroupTimings
from rhapsode.storage.redis.connection import RedisConnection, RedisSettings
from rhapsode.storage.redis.groups import RedisGroups

async def live(url, namespace, name):
    groups = RedisGroups(RedisConnection(RedisSettings(url, namespace)))
    timings = GroupTimings(60.0, 60.0, 0.0)
    await groups.join("g", name, b"", timings)
    def heard(beat):
        print("lives", flush=True)
    groups.heartbeat("g", name, timings, 0.05, heard).start()
    await asyncio.sleep(300)

asyncio.run(live(*sys.argv[1:]))
"""


@pytest.fixture
def member(redis_settings: RedisSettings):
    """Return a function that starts a process which is a member, and returns once it beats."""
    started: list[subprocess.Popen[bytes]] = []

    def start(name: str) -> subprocess.Popen[bytes]:
        started.append(_started(redis_settings, name))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.communicate()


async def test_a_member_whose_process_dies_is_not_waited_for(
    redis_groups: RedisGroups, member: Member, wait_until: WaitUntil
):
    await redis_groups.join("g", "here", b"", PATIENT)
    heartbeat = redis_groups.heartbeat("g", "here", PATIENT, 0.05, lambda _: None)
    heartbeat.start()
    process = member("dies")
    await redis_groups.join("g", "here", b"", PATIENT)
    process.kill()

    async def alone() -> bool:
        return set((await redis_groups.members("g")).metadata) == {"here"}

    await wait_until(alone)
    heartbeat.stop()


async def test_who_looks_on_sees_that_a_last_member_is_dead(
    redis_groups: RedisGroups, member: Member, wait_until: WaitUntil
):
    process = member("dies")
    assert not (await redis_groups.members("g")).lapsed
    process.kill()

    async def noticed() -> bool:
        return (await redis_groups.members("g")).lapsed == frozenset({"dies"})

    await wait_until(noticed)


async def test_a_stopped_member_that_is_still_connected_keeps_its_lease(
    redis_groups: RedisGroups, member: Member, wait_until: WaitUntil
):
    await redis_groups.join("g", "here", b"", PATIENT)
    starved = member("starved")
    await redis_groups.join("g", "here", b"", PATIENT)
    starved.send_signal(signal.SIGSTOP)
    await _beat_often(redis_groups, wait_until)
    members = await redis_groups.members("g")
    assert set(members.metadata) == {"here", "starved"}
    assert not members.lapsed


async def test_a_server_that_was_started_again_makes_no_member_dead(
    tmp_path: Path, wait_until: WaitUntil
):
    server, connection, process = _with_member(tmp_path, "far")
    groups = RedisGroups(connection)
    try:
        await groups.join("g", "here", b"", PATIENT)
        process.send_signal(signal.SIGSTOP)  # so that it cannot connect again
        server.stop()
        server.start()
        await _beat_often(groups, wait_until)
        members = await groups.members("g")
        assert set(members.metadata) == {"here", "far"}
        assert not members.lapsed
    finally:
        process.kill()
        process.communicate()
        await connection.close()
        server.stop()


async def test_who_does_not_come_back_to_a_server_that_was_started_again_is_not_waited_for(
    tmp_path: Path, wait_until: WaitUntil, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(links, "COMES_BACK_S", 0.2)
    server, connection, process = _with_member(tmp_path, "left")
    groups = RedisGroups(connection)
    heartbeat = groups.heartbeat("g", "here", PATIENT, BEATS_S, lambda _: None)
    try:
        await groups.join("g", "here", b"", PATIENT)
        server.stop()
        process.kill()  # it can tell nobody
        server.start()
        heartbeat.start()

        async def alone() -> bool:
            try:
                return set((await groups.members("g")).metadata) == {"here"}
            except UnreachableError:  # by a connection of before
                return False

        await wait_until(alone)
    finally:
        heartbeat.stop()
        process.kill()
        process.communicate()
        await connection.close()
        server.stop()


async def _beat_often(groups: RedisGroups, wait_until: WaitUntil) -> None:
    """Beat for several times as long as another member may be silent."""
    heard: list[Beat | BaseException] = []
    heartbeat = groups.heartbeat("g", "here", PATIENT, BEATS_S, heard.append)
    heartbeat.start()
    await wait_until(lambda: any(isinstance(told, Beat) for told in heard))
    end_s = monotonic() + 20 * BEATS_S
    await wait_until(lambda: monotonic() > end_s)
    heartbeat.stop()
    assert isinstance(heard[-1], Beat)


def _with_member(
    folder: Path, name: str
) -> tuple[EmbeddedValkey, RedisConnection, subprocess.Popen[bytes]]:
    """Start a server of one's own, and a process that is a member on it."""
    server = EmbeddedValkey(folder)
    server.start()
    settings = RedisSettings(server.url)
    return server, RedisConnection(settings), _started(settings, name)


def _started(settings: RedisSettings, name: str) -> subprocess.Popen[bytes]:
    words = [sys.executable, "-c", MEMBER, settings.url, settings.namespace, name]
    process = subprocess.Popen(words, stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"lives\n"
    return process
