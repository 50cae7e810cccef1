"""The heartbeat on the server: in a thread of its own, through errors, for as long as its loop."""

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, closing, nullcontext
from pathlib import Path

from rhapsode.storage.log import Beat, GroupTimings, UnreachableError
from rhapsode.storage.redis.blocking_connection import BlockingConnection
from rhapsode.storage.redis.calls import script
from rhapsode.storage.redis.connection import RedisConnection, RedisSettings
from rhapsode.storage.redis.embedded import EmbeddedValkey
from rhapsode.storage.redis.group_scripts import BeatingMember, GroupScripts
from rhapsode.storage.redis.groups import RedisGroups
from rhapsode.storage.redis.heartbeat import Heartbeats, Round

WaitUntil = Callable[..., Awaitable[None]]
Serving = Callable[..., AbstractAsyncContextManager[None]]
PATIENT = GroupTimings(lease_s=30.0, rebalance_s=30.0, initial_delay_s=0.0)
BRIEF = GroupTimings(lease_s=1.0, rebalance_s=30.0, initial_delay_s=0.0)


class Watcher(threading.Thread):
    """Another member, in another thread, whose beats evict silent members."""

    def __init__(self, settings: RedisSettings) -> None:
        super().__init__(name="watcher")
        self.settings = settings
        self.stopping = threading.Event()
        self.seen: list[Beat] = []

    def run(self) -> None:
        asyncio.run(self.watch())

    async def watch(self) -> None:
        connection = RedisConnection(self.settings)
        groups = RedisGroups(connection)
        while not self.stopping.is_set():
            self.seen.append(await groups.beat("g", "watcher", PATIENT))
            await asyncio.sleep(0.01)
        await connection.close()


async def test_code_that_keeps_the_loop_busy_does_not_lose_the_lease(
    redis_groups: RedisGroups, redis_settings: RedisSettings, wait_until: WaitUntil
):
    await redis_groups.join("g", "watcher", b"", PATIENT)
    await redis_groups.join("g", "busy", b"", BRIEF)
    heard: list[Beat | BaseException] = []
    heartbeat = redis_groups.heartbeat("g", "busy", BRIEF, 0.05, heard.append)
    heartbeat.start()
    watcher = Watcher(redis_settings)
    watcher.start()
    end = time.monotonic() + 2 * BRIEF.lease_s
    number = 0
    while time.monotonic() < end:
        number = (number * 31 + 7) % 1_000_003  # pure Python, and never an await
    assert len(watcher.seen) > 1
    members = await redis_groups.members("g")
    assert set(members.metadata) == {"busy", "watcher"}
    await wait_until(lambda: bool(heard))
    heartbeat.stop()

    async def evicted() -> bool:
        return set((await redis_groups.members("g")).metadata) == {"watcher"}

    await wait_until(evicted)
    watcher.stopping.set()
    watcher.join()


async def test_it_reports_errors_and_goes_on(tmp_path: Path, wait_until: WaitUntil):
    server = EmbeddedValkey(tmp_path)
    server.start()
    connection = RedisConnection(RedisSettings(server.url))
    groups = RedisGroups(connection)
    beat = await groups.join("g", "a", b"", PATIENT)
    heard: list[Beat | BaseException] = []
    heartbeat = groups.heartbeat("g", "a", PATIENT, 0.02, heard.append)
    heartbeat.start()
    try:
        await wait_until(lambda: heard[-1:] == [beat])
        server.stop()
        await wait_until(lambda: isinstance(heard[-1], UnreachableError))
        server.start()
        await wait_until(lambda: heard[-1:] == [beat])
    finally:
        heartbeat.stop()
        await connection.close()
        server.stop()


def test_it_ends_with_its_loop(redis_settings: RedisSettings):
    async def leave_it_running() -> None:
        connection = RedisConnection(redis_settings)
        RedisGroups(connection).heartbeat("g", "a", PATIENT, 0.01, print).start()
        await connection.close()

    asyncio.run(leave_it_running())
    _gone()


async def test_stopping_it_does_not_wait_for_a_server_that_hangs(tmp_path: Path, serving: Serving):
    path = str(tmp_path / "mute.sock")
    asked = asyncio.Event()

    async def swallow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.read(65_536):
            asked.set()

    heard: list[Beat | BaseException] = []
    connection = RedisConnection(RedisSettings(f"unix://{path}"))
    async with serving(swallow, path):
        heartbeat = RedisGroups(connection).heartbeat("g", "a", PATIENT, 0.01, heard.append)
        heartbeat.start()
        await asyncio.wait_for(asked.wait(), 10.0)
        await asyncio.wait_for(asyncio.to_thread(heartbeat.stop), 5.0)
    await connection.close()
    await asyncio.to_thread(_gone)  # once its connection was closed
    assert heard == []


def _gone() -> None:
    for thread in threading.enumerate():
        if thread.name == "heartbeat":
            thread.join(10.0)
            assert not thread.is_alive()


async def test_all_members_of_a_process_beat_in_one_thread_for_as_long_as_there_are_any(
    redis_groups: RedisGroups, wait_until: WaitUntil
):
    heard: dict[str, list[Beat | BaseException]] = {"a": [], "b": []}
    beats = {
        member: redis_groups.heartbeat(f"group-{member}", member, PATIENT, 0.02, told.append)
        for member, told in heard.items()
    }
    generations: dict[str, int] = {}
    for member, heartbeat in beats.items():
        beat = await redis_groups.join(f"group-{member}", member, b"", PATIENT)
        generations[member] = beat.generation
        heartbeat.start()
    await wait_until(lambda: all(told[-1:] for told in heard.values()))
    assert _heartbeats() == 1
    beats["a"].stop()
    assert _heartbeats() == 1
    await redis_groups.join("group-b", "another", b"", PATIENT)
    await wait_until(lambda: heard["b"][-1] == Beat(generations["b"], "preparing", False, "b"))
    beats["b"].stop()
    assert _heartbeats() == 0
    again = redis_groups.heartbeat("group-a", "a", PATIENT, 0.02, heard["a"].append)
    heard["a"].clear()
    again.start()
    await wait_until(lambda: bool(heard["a"]))
    again.stop()


async def test_what_is_no_news_is_told_once(
    redis_groups: RedisGroups, redis_settings: RedisSettings, wait_until: WaitUntil
):
    generation = (await redis_groups.join("g", "a", b"", PATIENT)).generation
    heard: list[Beat | BaseException] = []
    heartbeat = redis_groups.heartbeat("g", "a", PATIENT, 0.01, heard.append)
    connection = RedisConnection(redis_settings)
    heartbeat.start()
    await wait_until(lambda: bool(heard))
    heard.clear()
    await connection.each("SCRIPT", "FLUSH")  # a server that was started again knows no script

    async def known_again() -> bool:
        ((known,),) = await connection.each("SCRIPT", "EXISTS", script("group").digest)
        return bool(known)

    await wait_until(known_again)
    await redis_groups.join("g", "b", b"", PATIENT)
    await wait_until(lambda: bool(heard))
    heartbeat.stop()
    await connection.close()
    assert heard == [Beat(generation, "preparing", False, "a")]


async def test_a_member_alone_in_a_stable_group_is_in_no_hurry(
    redis_groups: RedisGroups, redis_settings: RedisSettings
):
    connection = RedisConnection(redis_settings)
    scripts = GroupScripts(connection)
    beating = [BeatingMember("g", "a", PATIENT, silent_s=60.0)]
    with closing(BlockingConnection(redis_settings, scripts.place("g"), 5.0)) as blocking:

        async def is_unhurried() -> bool:
            return (await asyncio.to_thread(scripts.beat_over, blocking, beating)).unhurried

        first = (await redis_groups.join("g", "a", b"", PATIENT)).generation
        assert not await is_unhurried()  # it has yet to assign
        await redis_groups.assign("g", "a", first, {"a": b"all"})
        assert await is_unhurried()
        await redis_groups.join("g", "b", b"", PATIENT)
        assert not await is_unhurried()
        await redis_groups.join("g", "a", b"", PATIENT)
        await redis_groups.assign("g", "a", first + 1, {"a": b"half", "b": b"half"})
        assert not await is_unhurried()  # b has to know when it dies
    await connection.close()


async def test_who_is_in_no_hurry_beats_at_once_where_another_comes(wait_until: WaitUntil):
    asked: list[list[str]] = []

    def ask(questions: Sequence[str]) -> Round:
        asked.append(list(questions))
        return Round([Beat(1, "stable", True, "a")] * len(questions), unhurried=True)

    beats = Heartbeats[str](lambda: nullcontext(ask), 0.01, 3600.0)
    first, second = beats.add("a", lambda _: None), beats.add("b", lambda _: None)
    first.start()
    await wait_until(lambda: bool(asked))
    second.start()
    await wait_until(lambda: asked[-1] == ["a", "b"])
    first.stop()
    second.stop()
    await wait_until(lambda: _heartbeats() == 0)
    assert len(asked) <= 4  # once for each that comes or goes


def _heartbeats() -> int:
    return sum(thread.name == "heartbeat" for thread in threading.enumerate())
