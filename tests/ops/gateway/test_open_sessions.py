"""Open sessions: those left alone are closed, and listening is reported, but not all the time."""

import asyncio
from collections.abc import Callable

import pytest

from rhapsode.codecs.records import Control, Item
from rhapsode.ops.gateway import open_sessions as module
from rhapsode.ops.gateway.open_sessions import REPORT_S, OpenSessions
from rhapsode.ops.sessions import Sessions
from rhapsode.storage.log import SequenceState, UnreachableError
from rhapsode.storage.memory.log import MemoryLog
from rhapsode.topologies.testing import InMemorySystem


class Clock:
    """What the watchers take for time."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(module, "monotonic", made)
    monkeypatch.setattr(module, "LOOK_S", 0.002)
    return made


class Looked(MemoryLog):
    """A log that counts how often somebody looked where a session ends, and may be away."""

    looks = 0
    unreachable = 0

    async def sequence_state(self, topic: str, partition: int, sequence: str) -> SequenceState:
        if topic == Item.TOPIC:
            self.looks += 1
        if self.unreachable:
            self.unreachable -= 1
            raise UnreachableError("nobody answers")
        return await super().sequence_state(topic, partition, sequence)


async def door(*names: str, idle_close_s: float = 60.0) -> tuple[Sessions, Looked]:
    log = Looked()
    system = InMemorySystem(log=log)
    await system.declare()
    sessions = Sessions(system.journal)
    for name in names:
        await sessions.open(sessions.described(session=name, open_=True, idle_close_s=idle_close_s))
    return sessions, log


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not holds():
            await asyncio.sleep(0.001)


async def looked_again(log: Looked, times: int = 3) -> None:
    """Wait until every session was looked at again, however many there are."""
    seen = log.looks
    await until(lambda: log.looks >= seen + times)


async def kinds(sessions: Sessions, session: str) -> list[str]:
    return [item.kind for item in await sessions.journal.of(Item).records(session, 0)]


async def closed(sessions: Sessions, session: str) -> bool:
    return (await sessions.journal.of(Item).state(session)).closed


async def wait_closed(sessions: Sessions, session: str) -> None:
    async with asyncio.timeout(10):
        while not await closed(sessions, session):
            await asyncio.sleep(0.002)


async def test_a_session_that_nobody_adds_to_is_closed_after_its_own_time(clock: Clock) -> None:
    sessions, log = await door("s")
    await sessions.add_text("s", "words")
    async with OpenSessions(sessions).running():
        await looked_again(log)
        clock.now_s += 60.0
        await looked_again(log)
        assert not await closed(sessions, "s")
        clock.now_s += 0.1
        await wait_closed(sessions, "s")
    assert await kinds(sessions, "s") == ["text", "end"]


async def test_each_item_gives_a_session_its_time_anew(clock: Clock) -> None:
    sessions, log = await door("s")
    async with OpenSessions(sessions).running():
        for _ in range(3):
            await looked_again(log)
            clock.now_s += 50.0
            await sessions.add_text("s", "words ")
        await looked_again(log)
        assert not await closed(sessions, "s")
        clock.now_s += 60.1
        await wait_closed(sessions, "s")
    assert await kinds(sessions, "s") == ["text"] * 3 + ["end"]


async def test_several_gateways_close_a_session_once(clock: Clock) -> None:
    sessions, log = await door("s", "t")
    async with (
        OpenSessions(sessions).running(),
        OpenSessions(sessions).running(),
        OpenSessions(sessions).running(),
    ):
        await looked_again(log, 20)
        clock.now_s += 61.0
        for session in ("s", "t"):
            await wait_closed(sessions, session)
    assert await kinds(sessions, "s") == ["end"]


async def test_a_session_that_is_heard_is_watched_although_it_came_later(clock: Clock) -> None:
    sessions, log = await door()
    watcher = OpenSessions(sessions)
    async with watcher.running():
        await sessions.open(sessions.described(session="later", open_=True, idle_close_s=60.0))
        await watcher.heard("later")
        await looked_again(log)
        clock.now_s += 61.0
        await wait_closed(sessions, "later")


async def test_sessions_that_are_closed_or_whole_or_unknown_are_forgotten(clock: Clock) -> None:
    sessions, _ = await door("s", "open")
    await sessions.start("whole", sessions.described(session="w"))
    watcher = OpenSessions(sessions)
    for session in ("w", "nobody", "s"):
        watcher.watch(session)
    await sessions.finish("s")
    async with watcher.running():
        await until(lambda: set(watcher._watched) == {"open"})


async def test_a_log_that_is_away_for_a_while_stops_nothing(clock: Clock) -> None:
    sessions, log = await door("s")
    log.unreachable = 3
    async with OpenSessions(sessions).running():
        await looked_again(log, 6)
        clock.now_s += 61.0
        await wait_closed(sessions, "s")


async def reports(sessions: Sessions, session: str) -> int:
    control = await sessions.journal.of(Control).records(session, 0)
    assert {record.verb for record in control} <= {"listening"}
    return len(control)


async def test_listening_is_reported_for_each_session_at_most_every_three_seconds(
    clock: Clock,
) -> None:
    sessions, _ = await door("s", "t")
    watcher = OpenSessions(sessions)
    for tenth in range(100):  # ten seconds of requests
        clock.now_s = 1000.0 + tenth / 10
        await watcher.heard("s")
        if tenth == 50:
            await watcher.heard("t")
    assert REPORT_S == 3.0
    assert await reports(sessions, "s") == 4
    assert await reports(sessions, "t") == 1


async def test_what_is_remembered_of_sessions_is_bounded(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_WATCHED", 5)
    names = [f"s{number}" for number in range(20)]
    sessions, log = await door(*names)
    watcher = OpenSessions(sessions)
    async with watcher.running():
        for _ in range(3):
            for name in names:
                await watcher.heard(name)
        await looked_again(log, 20)
        assert len(watcher._watched) <= 5
        assert len(watcher._reported_s) <= 5
