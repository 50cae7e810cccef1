"""Following a log for many listeners: everyone is woken, and no change is ever lost."""

import asyncio
import gc
import random
from collections.abc import Callable, Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rhapsode.codecs.records import DeviceFrames, Event
from rhapsode.ops.gateway import follower as follower_module
from rhapsode.ops.gateway.follower import Follower
from rhapsode.ops.progress import Progress
from rhapsode.storage.log import (
    Entry,
    SequenceBatch,
    TopicPartition,
    UnreachableError,
    partition_of,
)
from rhapsode.storage.memory.log import MemoryLog
from rhapsode.topologies.testing import PARTITIONS, InMemorySystem


def published(seq: int, session: str = "s", *, last: bool = False) -> Event:
    return Event(
        session=session,
        stage="publish",
        seq=seq,
        kind="done" if last else "segment",
        count=seq + 1,
        audio_s=seq + 1.0,
        last=last,
    )


async def accepted(*sessions: str, log: MemoryLog | None = None) -> InMemorySystem:
    system = InMemorySystem(log=log or MemoryLog())
    await system.declare()
    for session in sessions:
        await system.describe(session)
    return system


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.002)


async def test_a_waiter_is_woken_by_an_event_of_its_session_alone() -> None:
    system = await accepted("s", "other")
    follower = Follower(system.journal)
    async with follower.running():
        mine, others = follower.next_change("s"), follower.next_change("other")
        await system.append([published(0)])
        assert await follower.wait(mine, 10.0)
        assert not others.is_set()
        progress = await follower.progress("s")
        assert progress is not None
        assert progress.segments == 1


async def test_a_waiter_is_woken_by_device_frames() -> None:
    system = await accepted("s")
    follower = Follower(system.journal)
    async with follower.running():
        change = follower.next_change("s")
        await system.append([DeviceFrames(session="s", first_frame=0, packets=(b"x",))])
        assert await follower.wait(change, 10.0)


async def test_all_who_wait_are_woken_and_the_next_change_is_another() -> None:
    system = await accepted("s")
    follower = Follower(system.journal)
    async with follower.running():
        changes = [follower.next_change("s") for _ in range(3)]
        await system.append([published(0)])
        assert all([await follower.wait(change, 10.0) for change in changes])
        later = follower.next_change("s")
        assert not later.is_set()
        assert not await follower.wait(later, 0.0)


async def test_what_was_reported_before_it_ran_is_loaded() -> None:
    system = await accepted("s")
    await system.append([published(0), published(1, last=True)])
    follower = Follower(system.journal)
    async with follower.running():
        progress = await follower.progress("s")
        assert progress is not None
        assert (progress.segments, progress.done) == (2, True)
        assert await follower.progress("nobody") is None


class ShakyLog(MemoryLog):
    """A log whose answers come sooner or later."""

    def __init__(self, chance: random.Random) -> None:
        super().__init__()
        self.chance = chance

    async def read_sequence(
        self,
        topic: str,
        partition: int,
        sequence: str,
        start: int,
        end: int | None = None,
        *,
        limit: int | None = None,
    ) -> list[Entry]:
        found = await super().read_sequence(topic, partition, sequence, start, end, limit=limit)
        for _ in range(self.chance.randrange(6)):
            await asyncio.sleep(0)
        return found


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32), listeners=st.integers(1, 4), count=st.integers(1, 8))
async def test_no_change_is_lost_where_loading_and_listening_meet(
    seed: int, listeners: int, count: int
) -> None:
    chance = random.Random(seed)
    system = await accepted("s", log=ShakyLog(chance))
    follower = Follower(system.journal)

    async def listen() -> Progress:
        for _ in range(chance.randrange(10)):
            await asyncio.sleep(0)
        seen = 0
        while True:
            change = follower.next_change("s")
            progress = await follower.progress("s")
            assert progress is not None
            assert progress.segments >= seen
            seen = progress.segments
            if progress.done:
                return progress
            assert await follower.wait(change, 10.0), "nobody woke it"

    async with follower.running():
        waiting = [asyncio.create_task(listen()) for _ in range(listeners)]
        for seq in range(count):
            for _ in range(chance.randrange(8)):
                await asyncio.sleep(0)
            await system.append([published(seq, last=seq == count - 1)])
        results = await asyncio.gather(*waiting)
    assert {progress.segments for progress in results} == {count}
    assert len({id(progress) for progress in results}) == 1


class Faltering(MemoryLog):
    """A log that is out of reach when a sequence is read, as often as it is told."""

    failures = 0

    async def read_sequence(
        self,
        topic: str,
        partition: int,
        sequence: str,
        start: int,
        end: int | None = None,
        *,
        limit: int | None = None,
    ) -> list[Entry]:
        if self.failures:
            self.failures -= 1
            raise UnreachableError("nobody answers")
        return await super().read_sequence(topic, partition, sequence, start, end, limit=limit)

    async def read(
        self,
        positions: Mapping[TopicPartition, int],
        *,
        limit: int = 500,
        timeout_s: float = 0.0,
        epoch: int | None = None,
    ) -> dict[TopicPartition, list[Entry]]:
        return await super().read(
            positions, limit=limit, timeout_s=min(timeout_s, 0.05), epoch=epoch
        )


async def test_events_that_came_while_the_log_was_out_of_reach_are_seen_after() -> None:
    log = Faltering()
    system = await accepted("s", log=log)
    follower = Follower(system.journal)
    heard: list[int] = []
    follower.on_event.append(lambda _, event: heard.append(event.seq))
    async with follower.running():
        log.failures = 1
        await system.append([published(0), published(1), published(2, last=True)])
        await until(lambda: len(heard) == 3)
    assert heard == [0, 1, 2]


async def test_what_is_no_event_is_ignored() -> None:
    system = await accepted("s")
    follower = Follower(system.journal)
    alien = SequenceBatch(
        topic="event", sequence="x", start=0, end=1, key=b"\xff", values=(b"\xc1",)
    )
    async with follower.running():
        await system.log.append_at(partition_of(b"s", PARTITIONS), [alien])
        change = follower.next_change("s")
        await system.append([published(0, last=True)])
        assert await follower.wait(change, 10.0)


async def test_callbacks_hear_each_event_once_after_it_was_folded_in() -> None:
    system = await accepted("s")
    follower = Follower(system.journal)
    heard: list[tuple[int, int]] = []
    follower.on_event.append(lambda progress, event: heard.append((event.seq, progress.segments)))
    async with follower.running():
        for seq in range(2):
            await system.append([published(seq)])
            await until(lambda seq=seq: len(heard) > seq)
    assert heard == [(0, 1), (1, 2)]


async def test_who_looks_at_a_session_goes_on_seeing_it_when_many_others_come(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(follower_module, "KEPT_SESSIONS", 2)
    others = [f"other-{number}" for number in range(5)]
    system = await accepted("s", *others)
    follower = Follower(system.journal)
    async with follower.running():
        mine = await follower.progress("s")
        assert mine is not None
        for other in others:
            await follower.progress(other)
        change = follower.next_change("s")
        await system.append([published(0, last=True)])
        assert await follower.wait(change, 10.0)
        assert mine.done
    del mine
    gc.collect()
    assert len(follower._progress) == 2
    assert len(follower._looked_at) == 2


async def test_sessions_nobody_waits_for_any_more_are_forgotten() -> None:
    system = await accepted("s")
    follower = Follower(system.journal)
    for number in range(100):
        await follower.wait(follower.next_change(f"session-{number}"), 0.0)
    gc.collect()
    assert len(follower._changed) <= 1  # the interpreter may hold on to the last one for a while
