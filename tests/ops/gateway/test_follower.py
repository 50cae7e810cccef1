"""Following a log for many listeners: everyone is woken, and no change is ever lost."""

import asyncio
import gc
import random
from collections.abc import Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from standins.rooms import PARTITIONS, Room, until

from rhapsode.codecs.records import DeviceFrames, Event, Text
from rhapsode.ops.gateway import follower as tail_module
from rhapsode.ops.gateway.follower import Tail
from rhapsode.ops.progress import Progress
from rhapsode.storage.log import (
    Entry,
    SequenceBatch,
    TopicPartition,
    UnreachableError,
    partition_of,
)
from rhapsode.storage.memory.log import MemoryLog


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


async def accepted(*sessions: str, log: MemoryLog | None = None) -> Room:
    room = Room(log=log or MemoryLog())
    await room.declare()
    await room.append_at(Text(session=session, text="words", created_ms=1) for session in sessions)
    return room


async def test_a_waiter_is_woken_by_an_event_of_its_session_alone() -> None:
    room = await accepted("s", "other")
    tail = Tail(room.log, PARTITIONS)
    async with tail.running():
        mine, others = tail.next_change("s"), tail.next_change("other")
        await room.append_at([published(0)])
        assert await tail.wait(mine, 10.0)
        assert not others.is_set()
        progress = await tail.progress("s")
        assert progress is not None
        assert progress.segments == 1


async def test_a_waiter_is_woken_by_device_frames() -> None:
    room = await accepted("s")
    tail = Tail(room.log, PARTITIONS)
    async with tail.running():
        change = tail.next_change("s")
        await room.append_at([DeviceFrames(session="s", first_frame=0, packets=(b"x",))])
        assert await tail.wait(change, 10.0)


async def test_all_who_wait_are_woken_and_the_next_change_is_another() -> None:
    room = await accepted("s")
    tail = Tail(room.log, PARTITIONS)
    async with tail.running():
        changes = [tail.next_change("s") for _ in range(3)]
        await room.append_at([published(0)])
        assert all([await tail.wait(change, 10.0) for change in changes])
        later = tail.next_change("s")
        assert not later.is_set()
        assert not await tail.wait(later, 0.0)


async def test_what_was_said_before_it_ran_is_loaded() -> None:
    room = await accepted("s")
    await room.append_at([published(0), published(1, last=True)])
    tail = Tail(room.log, PARTITIONS)
    async with tail.running():
        progress = await tail.progress("s")
        assert progress is not None
        assert (progress.segments, progress.done) == (2, True)
        assert await tail.progress("nobody") is None


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
    room = await accepted("s", log=ShakyLog(chance))
    tail = Tail(room.log, PARTITIONS)

    async def listen() -> Progress:
        for _ in range(chance.randrange(10)):
            await asyncio.sleep(0)
        seen = 0
        while True:
            change = tail.next_change("s")
            progress = await tail.progress("s")
            assert progress is not None
            assert progress.segments >= seen
            seen = progress.segments
            if progress.done:
                return progress
            assert await tail.wait(change, 10.0), "nobody woke it"

    async with tail.running():
        waiting = [asyncio.create_task(listen()) for _ in range(listeners)]
        for seq in range(count):
            for _ in range(chance.randrange(8)):
                await asyncio.sleep(0)
            await room.append_at([published(seq, last=seq == count - 1)])
        results = await asyncio.gather(*waiting)
    assert {progress.segments for progress in results} == {count}
    assert len({id(progress) for progress in results}) == 1


class Faltering(MemoryLog):
    """A log that is out of reach each time a line is read, as often as it is told."""

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
    ) -> dict[TopicPartition, list[Entry]]:
        return await super().read(positions, limit=limit, timeout_s=min(timeout_s, 0.05))


async def test_events_that_came_while_the_log_was_out_of_reach_are_seen_after() -> None:
    log = Faltering()
    room = await accepted("s", log=log)
    tail = Tail(room.log, PARTITIONS)
    heard: list[int] = []
    tail.on_event.append(lambda _, event: heard.append(event.seq))
    async with tail.running():
        log.failures = 1
        await room.append_at([published(0), published(1), published(2, last=True)])
        await until(lambda: len(heard) == 3)
    assert heard == [0, 1, 2]


async def test_what_is_no_event_is_passed_over() -> None:
    room = await accepted("s")
    tail = Tail(room.log, PARTITIONS)
    alien = SequenceBatch(
        topic="event", sequence="x", start=0, end=1, key=b"\xff", values=(b"\xc1",)
    )
    async with tail.running():
        await room.log.append_at(partition_of(b"s", PARTITIONS), [alien])
        change = tail.next_change("s")
        await room.append_at([published(0, last=True)])
        assert await tail.wait(change, 10.0)


async def test_callbacks_hear_each_event_once_after_it_was_folded_in() -> None:
    room = await accepted("s")
    tail = Tail(room.log, PARTITIONS)
    heard: list[tuple[int, int]] = []
    tail.on_event.append(lambda progress, event: heard.append((event.seq, progress.segments)))
    async with tail.running():
        for seq in range(2):
            await room.append_at([published(seq)])
            await until(lambda seq=seq: len(heard) > seq)
    assert heard == [(0, 1), (1, 2)]


async def test_a_bug_in_a_callback_does_not_pass_unseen() -> None:
    room = await accepted("s")
    tail = Tail(room.log, PARTITIONS)

    def fails(progress: Progress, event: Event) -> None:
        raise KeyError("a bug")

    tail.on_event.append(fails)
    before = asyncio.all_tasks()
    running = tail.running()
    await running.__aenter__()
    (follower,) = asyncio.all_tasks() - before
    await room.append_at([published(0)])
    await until(follower.done)
    with pytest.raises(KeyError, match="a bug"):
        await running.__aexit__(None, None, None)


async def test_who_looks_at_a_session_goes_on_seeing_it_when_many_others_come(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tail_module, "KEPT_SESSIONS", 2)
    others = [f"other-{number}" for number in range(5)]
    room = await accepted("s", *others)
    tail = Tail(room.log, PARTITIONS)
    async with tail.running():
        mine = await tail.progress("s")
        assert mine is not None
        for other in others:
            await tail.progress(other)
        change = tail.next_change("s")
        await room.append_at([published(0, last=True)])
        assert await tail.wait(change, 10.0)
        assert mine.done
    del mine
    gc.collect()
    assert len(tail._progress) == 2
    assert len(tail._looked_at) == 2


async def test_sessions_nobody_waits_for_any_more_are_forgotten() -> None:
    room = await accepted("s")
    tail = Tail(room.log, PARTITIONS)
    for number in range(100):
        await tail.wait(tail.next_change(f"session-{number}"), 0.0)
    gc.collect()
    assert len(tail._changed) <= 1  # the interpreter may hold on to the last one for a while
