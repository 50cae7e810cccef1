"""The lanes between engine and agents: order, retries, dead letters, and no record forgotten."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from rhapsode.codecs.encoding import pack, unpack
from rhapsode.codecs.records import DeadLetter, Passage, SequenceRecord, Text
from rhapsode.storage.log import Fence, GapError, Log, UnreachableError, partition_of
from rhapsode.storage.memory.groups import MemoryGroups
from rhapsode.storage.memory.log import MemoryLog
from rhapsode.topologies.in_memory import declare_topics
from rhapsode.topologies.keyed_runner import MAX_HELD_BYTES, Delivery, KeyedRunner, batches
from rhapsode.topologies.stage import Agent, Stage

PARTITIONS = 4


@dataclass
class Counts:
    """An observer that remembers."""

    records: int = 0
    troubles: list[str] = field(default_factory=list)

    def handled(self, stage: str, records: int, seconds: float) -> None:
        self.records += records

    def wrote(self, stage: str, topic: str, records: int) -> None: ...

    def troubled(self, stage: str, kind: str) -> None:
        self.troubles.append(kind)


@dataclass
class Bench:
    log: Log
    lanes: KeyedRunner
    counts: Counts
    crashes: list[BaseException]
    done: list[int] = field(default_factory=list)

    async def offer(self, offset: int, value: bytes, key: str, fence: Fence | None = None) -> None:
        partition = partition_of(key.encode(), PARTITIONS)
        await self.lanes.offer(
            Delivery(
                key=key.encode(),
                value=value,
                partition=partition,
                offset=offset,
                fence=fence,
                done=lambda: self.done.append(offset),
            )
        )

    async def passages(self, session: str) -> list[Passage]:
        partition = partition_of(session.encode(), PARTITIONS)
        entries = await self.log.read_sequence("passage", partition, session, 0)
        return [unpack(entry.value or b"", Passage) for entry in entries]


async def bench_with(agent: Agent, log: Log | None = None) -> Bench:
    log = log or MemoryLog()
    await declare_topics(log, PARTITIONS)
    stage = Stage("test", source="text", sinks=("passage",), build=lambda _: agent)
    counts, crashes = Counts(), []
    lanes = KeyedRunner(stage, agent, log, PARTITIONS, observer=counts, crash=crashes.append)
    return Bench(log, lanes, counts, crashes)


def text(session: str, words: str = "words") -> bytes:
    return pack(Text(session=session, text=words))


async def until(condition: Callable[[], bool], deadline_s: float = 5.0) -> None:
    async with asyncio.timeout(deadline_s):
        while not condition():
            await asyncio.sleep(0.005)


def numbered() -> Agent:
    async def agent(texts: AsyncIterator[Text]) -> AsyncGenerator[tuple[SequenceRecord, ...]]:
        seq = 0
        async for record in texts:
            yield (Passage(session=record.session, seq=seq, text=record.text),)
            seq += 1

    return agent


async def test_a_record_is_done_only_when_its_outputs_stand_in_the_log() -> None:
    bench = await bench_with(numbered())
    for offset in range(5):
        await bench.offer(offset, text("a", f"word {offset}"), "a")
    await until(lambda: len(bench.done) == 5)
    assert [passage.text for passage in await bench.passages("a")] == [
        f"word {offset}" for offset in range(5)
    ]
    assert bench.done == [0, 1, 2, 3, 4]
    await bench.lanes.drop()


async def test_a_session_that_waits_does_not_hold_up_another_of_its_partition() -> None:
    gate = asyncio.Event()

    async def agent(texts: AsyncIterator[Text]) -> AsyncGenerator[tuple[SequenceRecord, ...]]:
        async for record in texts:
            if record.session == "slow":
                await gate.wait()
            yield (Passage(session=record.session, seq=0, text=record.text),)

    bench = await bench_with(agent)
    await bench.offer(0, text("slow"), "slow")
    await bench.offer(1, text("quick"), "quick")
    await until(lambda: bench.done == [1])
    gate.set()
    await until(lambda: bench.done == [1, 0])
    await bench.lanes.drop()


async def test_what_is_unreachable_is_tried_again_from_the_record_in_hand() -> None:
    tries = 0

    async def agent(texts: AsyncIterator[Text]) -> AsyncGenerator[tuple[SequenceRecord, ...]]:
        nonlocal tries
        seq = 0
        async for record in texts:
            tries += 1
            if tries in (2, 3):
                raise ConnectionError("no voice today")
            yield (Passage(session=record.session, seq=int(record.text), text=record.text),)
            seq += 1

    bench = await bench_with(agent)
    for offset in range(3):
        await bench.offer(offset, text("a", str(offset)), "a")
    await until(lambda: bench.done == [0, 1, 2])
    assert [passage.seq for passage in await bench.passages("a")] == [0, 1, 2]
    assert bench.counts.troubles == ["retry", "retry"]
    assert not bench.crashes
    await bench.lanes.drop()


async def test_a_malformed_record_is_a_dead_letter_and_the_session_goes_on() -> None:
    bench = await bench_with(numbered())
    await bench.offer(0, text("a", "one"), "a")
    await bench.offer(1, b"\x00 no record", "a")
    await bench.offer(2, text("a", "two"), "a")
    await until(lambda: bench.done == [0, 1, 2])
    partition = partition_of(b"a", PARTITIONS)
    found = await bench.log.read({("dead-letter", partition): 0})
    (letter,) = [unpack(e.value or b"", DeadLetter) for e in found["dead-letter", partition]]
    assert (letter.topic, letter.offset, letter.stage) == ("text", 1, "test")
    assert letter.value == b"\x00 no record"
    assert "not a record" in letter.reason
    await bench.lanes.drop()


async def test_a_bug_stops_the_stage_loudly_and_the_record_is_not_done() -> None:
    async def agent(texts: AsyncIterator[Text]) -> AsyncGenerator[tuple[SequenceRecord, ...]]:
        async for _ in texts:
            raise KeyError("a bug")
            yield ()

    bench = await bench_with(agent)
    await bench.offer(0, text("a"), "a")
    await until(lambda: bool(bench.crashes))
    assert isinstance(bench.crashes[0], KeyError)
    assert not bench.done


async def test_a_gap_in_what_an_agent_says_is_a_bug() -> None:
    async def agent(texts: AsyncIterator[Text]) -> AsyncGenerator[tuple[SequenceRecord, ...]]:
        async for record in texts:
            yield (Passage(session=record.session, seq=7, text=record.text),)

    bench = await bench_with(agent)
    await bench.offer(0, text("a"), "a")
    await until(lambda: bool(bench.crashes))
    assert isinstance(bench.crashes[0], GapError)
    assert not bench.done


async def test_a_lane_whose_partition_was_claimed_by_a_newer_generation_writes_nothing() -> None:
    log = MemoryLog()
    groups = MemoryGroups(log)
    bench = await bench_with(numbered(), log)
    await groups.claim("g", 2, list(range(PARTITIONS)))
    await bench.offer(0, text("a"), "a", fence=Fence("g", 1))
    await until(lambda: bench.counts.troubles == ["fenced"])
    assert not bench.done
    assert not await bench.passages("a")
    assert not bench.crashes


async def test_dropped_lanes_leave_their_records_undone_and_a_new_delivery_starts_afresh() -> None:
    gate = asyncio.Event()

    async def agent(texts: AsyncIterator[Text]) -> AsyncGenerator[tuple[SequenceRecord, ...]]:
        async for record in texts:
            await gate.wait()
            yield (Passage(session=record.session, seq=0, text=record.text),)

    bench = await bench_with(agent)
    await bench.offer(0, text("a"), "a")
    await until(lambda: bench.lanes.open_lanes == 1)
    await bench.lanes.drop()
    assert bench.lanes.open_lanes == 0
    assert not bench.done
    gate.set()
    await bench.offer(0, text("a"), "a")
    await until(lambda: bench.done == [0])
    await bench.lanes.drop()


def test_parts_of_one_place_become_one_placement() -> None:
    first, second = (
        Passage(session="a", seq=0, text="x"),
        Passage(session="a", seq=0, text="y"),
    )
    third = Passage(session="a", seq=1, text="z", last=True)
    made = batches((first, second, third))
    assert [(p.start, p.end, len(p.values), p.last) for p in made] == [
        (0, 1, 2, False),
        (1, 2, 1, True),
    ]


@pytest.mark.parametrize("copies", [2, 5])
async def test_a_record_delivered_again_takes_no_second_place(copies: int) -> None:
    async def agent(texts: AsyncIterator[Text]) -> AsyncGenerator[tuple[SequenceRecord, ...]]:
        async for record in texts:
            yield (Passage(session=record.session, seq=0, text=record.text),)

    bench = await bench_with(agent)
    for _ in range(copies):
        await bench.offer(0, text("a"), "a")
    await until(lambda: bench.done == [0] * copies)
    assert len(await bench.passages("a")) == 1
    await bench.lanes.drop()


async def test_what_came_in_a_newer_generation_is_done_although_an_older_record_is_fenced() -> None:
    log = MemoryLog()
    groups = MemoryGroups(log)
    bench = await bench_with(numbered(), log)
    await groups.claim("g", 2, list(range(PARTITIONS)))
    await bench.offer(0, text("a", "old"), "a", fence=Fence("g", 1))
    await bench.offer(0, text("a", "new"), "a", fence=Fence("g", 2))
    await until(lambda: bench.done == [0])
    assert [passage.text for passage in await bench.passages("a")] == ["new"]
    await bench.lanes.drop()


async def test_a_dead_letter_that_cannot_be_written_yet_is_written_later() -> None:
    class Flaky(MemoryLog):
        refusals = 2

        async def append(self, topic: str, partition: int, entries: Any, **kwargs: Any) -> int:
            if topic == DeadLetter.TOPIC and self.refusals:
                self.refusals -= 1
                raise UnreachableError("the log is away")
            return await super().append(topic, partition, entries, **kwargs)

    bench = await bench_with(numbered(), Flaky())
    await bench.offer(0, b"no record", "a")
    await bench.offer(1, text("a", "word"), "a")
    await until(lambda: bench.done == [0, 1])
    partition = partition_of(b"a", PARTITIONS)
    found = await bench.log.read({("dead-letter", partition): 0})
    assert len(found["dead-letter", partition]) == 1
    assert [passage.text for passage in await bench.passages("a")] == ["word"]
    await bench.lanes.drop()


async def test_a_stage_that_holds_too_much_takes_no_more_until_some_is_done() -> None:
    gate = asyncio.Event()

    async def agent(texts: AsyncIterator[Text]) -> AsyncGenerator[tuple[SequenceRecord, ...]]:
        async for record in texts:
            await gate.wait()
            yield (Passage(session=record.session, seq=0, text="x"),)

    bench = await bench_with(agent)
    large = text("a", "x" * 60_000)
    offered = 0

    async def offer_all() -> None:
        nonlocal offered
        for number in range(700):
            await bench.offer(number, large, "a")
            offered += 1

    offering = asyncio.create_task(offer_all())
    await until(lambda: offered >= MAX_HELD_BYTES // len(large))
    await asyncio.sleep(0)
    assert offered <= MAX_HELD_BYTES // len(large) + 1
    gate.set()
    await offering
    await until(lambda: len(bench.done) == 700)
    await bench.lanes.drop()
