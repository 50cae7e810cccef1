"""A stage that is behind holds little, and keeps no session waiting for another one."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from rhapsode.agents.journal import Description, Journal
from rhapsode.codecs.records import Item
from rhapsode.storage.log import NewEntry
from rhapsode.storage.memory.log import MemoryLog
from rhapsode.topologies import holding
from rhapsode.topologies.dead_letters import MOST_VALUE_BYTES
from rhapsode.topologies.holding import MAX_HELD_BYTES_OF_KEY
from rhapsode.topologies.in_memory import declare_topics
from rhapsode.topologies.keyed_runner import BUG_TRIES
from rhapsode.topologies.stage import Agent, Outputs

from .runner_bench import PARTITIONS, Bench, bench_with, passage, text, until

WORDS = "\u00e9" * 15_000
LARGE = len(text(words=WORDS))
COUNT = 3 * MAX_HELD_BYTES_OF_KEY // LARGE


class Gate:
    """An agent that echoes what it is handed, and waits before each item of session ``a``."""

    def __init__(self) -> None:
        self.open = asyncio.Event()
        self.seen: list[tuple[int, int]] = []

    def build(self, _: Journal) -> Agent:
        async def agent(session: Description, items: AsyncIterator[Item]) -> Outputs:
            async for item in items:
                if session.session == "a":
                    await self.open.wait()
                    self.seen.append((item.seq, len(item.text)))
                yield passage(item, item.seq)

        return agent


async def log_of(count: int) -> MemoryLog:
    """Return a log with large items of session ``a`` at the offsets they are offered by.

    Behind them is an item of session ``b``.
    """
    log = MemoryLog()
    await declare_topics(log, PARTITIONS)
    for partition in range(PARTITIONS):
        entries = [NewEntry(key=b"a", value=text(words=WORDS, seq=seq)) for seq in range(count)]
        await log.append("text", partition, [*entries, NewEntry(key=b"b", value=text("b"))])
    return log


async def offer_all(bench: Bench, count: int = COUNT) -> None:
    for seq in range(count):
        await bench.offer(seq, text(words=WORDS, seq=seq))


async def test_a_session_that_is_far_behind_holds_its_next_records_only() -> None:
    gate = Gate()
    async with bench_with(gate.build, log=await log_of(COUNT)) as bench:
        await offer_all(bench)
        assert MAX_HELD_BYTES_OF_KEY <= bench.runner.held_bytes < MAX_HELD_BYTES_OF_KEY + LARGE
        gate.open.set()
        await until(lambda: bench.done == list(range(COUNT)))
        assert bench.runner.held_bytes == 0
    assert gate.seen == [(seq, 15_000) for seq in range(COUNT)]
    assert not bench.troubles


async def test_what_many_sessions_hold_together_is_bounded_and_a_new_one_does_not_wait(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(holding, "MAX_HELD_BYTES", LARGE)
    gate = Gate()
    async with bench_with(gate.build, log=await log_of(COUNT), sessions=("a", "b")) as bench:
        await offer_all(bench)
        assert bench.runner.held_bytes == LARGE
        await bench.offer(COUNT, text("b"), "b")
        await until(lambda: bench.done == [COUNT])


async def test_a_record_that_was_trimmed_before_its_turn_is_a_dead_letter() -> None:
    gate = Gate()
    log = await log_of(COUNT)
    async with bench_with(gate.build, log=log) as bench:
        await offer_all(bench)
        for partition in range(PARTITIONS):
            await log.trim("text", partition, COUNT)
        gate.open.set()
        await until(lambda: bench.done == list(range(COUNT)))
        letters = await bench.letters()
    assert [letter.offset for letter in letters] == list(range(COUNT - len(letters), COUNT))
    assert "is not in the log any more" in letters[0].reason


async def test_a_large_record_in_hand_is_held_by_its_agent_alone_and_kept_whole_if_it_fails() -> (
    None
):
    gate, seen = asyncio.Event(), list[int]()

    def build(_: Journal) -> Agent:
        async def agent(session: Description, items: AsyncIterator[Item]) -> Outputs:
            async for item in items:
                seen.append(len(item.text))
                await gate.wait()
                raise RuntimeError(session.session)
                yield ()

        return agent

    async with bench_with(build, log=await log_of(1)) as bench:
        await offer_all(bench, 1)
        await until(lambda: seen)
        assert bench.runner.held_bytes == 0
        gate.set()
        await until(lambda: bench.done == [0])
        (letter,) = await bench.letters()
    assert seen == [15_000] * BUG_TRIES
    assert letter.value == text(words=WORDS)[:MOST_VALUE_BYTES]


async def test_beyond_a_number_of_records_a_stage_reads_no_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(holding, "MAX_HELD_RECORDS", 3)
    gate = Gate()
    async with bench_with(gate.build, log=await log_of(8)) as bench:
        offering = asyncio.create_task(offer_all(bench, 8))
        for _ in range(50):
            await asyncio.sleep(0)
        assert not offering.done()
        gate.open.set()
        await offering
        await until(lambda: bench.done == list(range(8)))
