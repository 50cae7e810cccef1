"""Who wrote first is right: agents read their cursor again, and a bug is not mistaken for that."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from rhapsode.agents.idle import Idle
from rhapsode.agents.journal import Description, Journal
from rhapsode.codecs.records import AudioFrame, Item, Passage
from rhapsode.storage.log import ClosedError, Fence, GapError, partition_of
from rhapsode.storage.memory.groups import MemoryGroups
from rhapsode.storage.memory.log import MemoryLog
from rhapsode.topologies.keyed_runner import BUG_TRIES, MOST_RELOADS
from rhapsode.topologies.stage import Agent, IdleTicks, Outputs

from .runner_bench import PARTITIONS, bench_with, echo, passage, text, until


def racing(journal: Journal, others: list[Passage], runs: list[int]) -> Agent:
    """Build an agent that is overtaken: others are written between its look and its write."""
    passages = journal.of(Passage)

    async def agent(session: Description, items: AsyncIterator[Item]) -> Outputs:
        state = await passages.state(session.session)
        runs.append(state.next)
        following, closed = state.next, state.closed
        while others:
            await journal.append(others.pop(0))
        async for item in items:
            if closed or item.seq < following:
                continue
            yield passage(item, item.seq, f"ours {item.seq}")
            following = item.seq + 1

    return agent


@pytest.mark.parametrize(
    ("others", "expected", "runs"),
    [
        pytest.param(
            [Passage(session="a", seq=0, item=0, text="theirs")],
            ["theirs", "ours 1", "ours 2"],
            [0, 1],
            id="a duplicate",
        ),
        pytest.param(
            [
                Passage(session="a", seq=0, item=0, text="theirs"),
                Passage(session="a", seq=1, item=0, text="theirs too"),
            ],
            ["theirs", "theirs too", "ours 2"],
            [0, 2],
            id="several duplicates",
        ),
        pytest.param(
            [Passage(session="a", seq=0, item=0, text="the end", last=True)],
            ["the end"],
            [0, 1],
            id="a closed sequence",
        ),
    ],
)
async def test_what_somebody_else_wrote_first_stays_and_the_agent_goes_on_behind_it(
    others: list[Passage], expected: list[str], runs: list[int]
) -> None:
    seen: list[int] = []
    async with bench_with(lambda journal: racing(journal, list(others), seen)) as bench:
        for offset in range(3):
            await bench.offer(offset, text(seq=offset))
        await until(lambda: bench.done == [0, 1, 2])
        assert [found.text for found in await bench.passages()] == expected
    assert seen == runs
    assert bench.troubles == ["reload"]
    assert not bench.bugs


async def test_an_overlap_restarts_the_agent_too() -> None:
    def audio(start: int, end: int) -> AudioFrame:
        size = end - start
        return AudioFrame(session="a", first_sample=start, samples=size, pcm=bytes(2 * size))

    def build(journal: Journal) -> Agent:
        frames = journal.of(AudioFrame)

        async def agent(session: Description, items: AsyncIterator[Item]) -> Outputs:
            start = (await frames.state(session.session)).next
            if not start:
                await journal.append(audio(0, 300))
            async for _ in items:
                yield (audio(start, 1000),)

        return agent

    async with bench_with(build) as bench:
        await bench.offer(0, text())
        await until(lambda: bench.done == [0])
        found = await bench.journal.of(AudioFrame).records("a", 0)
    assert [(frame.start, frame.end) for frame in found] == [(0, 300), (300, 1000)]
    assert bench.troubles == ["reload"]
    assert not bench.bugs


@pytest.mark.parametrize("seq", [0, 7])
async def test_an_agent_that_never_reads_its_cursor_is_a_bug_after_a_bounded_number_of_reloads(
    seq: int,
) -> None:
    runs = 0

    def build(_: Journal) -> Agent:
        async def agent(session: Description, items: AsyncIterator[Item]) -> Outputs:
            nonlocal runs
            runs += 1
            async for item in items:
                yield passage(item, seq, "ours")

        return agent

    async with bench_with(build) as bench:
        await bench.journal.append(Passage(session="a", seq=0, item=0, text="theirs"))
        await bench.offer(0, text())
        await until(lambda: bench.done)
        assert [found.text for found in await bench.passages()] == ["theirs"]
    assert runs == BUG_TRIES * (MOST_RELOADS + 1)
    once = ["reload"] * (MOST_RELOADS + 1) + ["bug"]
    assert bench.troubles == once * BUG_TRIES + ["dead-letter"]
    if seq:
        assert isinstance(bench.bugs[0], GapError)


async def test_writing_behind_the_end_of_a_closed_sequence_for_ever_is_a_bug() -> None:
    def build(_: Journal) -> Agent:
        async def agent(session: Description, items: AsyncIterator[Item]) -> Outputs:
            async for item in items:
                yield passage(item, 1, "ours")

        return agent

    async with bench_with(build) as bench:
        await bench.journal.append(Passage(session="a", seq=0, item=0, last=True))
        await bench.offer(0, text())
        await until(lambda: bench.bugs)
    assert isinstance(bench.bugs[0], ClosedError)


async def test_reloads_are_counted_anew_once_something_was_written() -> None:
    overtaken = 3 * MOST_RELOADS

    def build(journal: Journal) -> Agent:
        passages = journal.of(Passage)

        async def agent(session: Description, items: AsyncIterator[Item]) -> Outputs:
            following = (await passages.state(session.session)).next
            async for item in items:
                if item.seq < following:
                    continue
                if item.seq % 2:
                    await journal.append(Passage(session="a", seq=item.seq, item=0, text="theirs"))
                yield passage(item, item.seq, "ours")
                following = item.seq + 1

        return agent

    async with bench_with(build) as bench:
        for offset in range(2 * overtaken):
            await bench.offer(offset, text(seq=offset))
        await until(lambda: len(bench.done) == 2 * overtaken)
        found = [found.text for found in await bench.passages()]
    assert found == ["ours", "theirs"] * overtaken
    assert bench.troubles == ["reload"] * overtaken


@pytest.mark.parametrize("copies", [2, 5])
async def test_a_record_that_is_delivered_again_is_written_once(copies: int) -> None:
    async with bench_with(echo) as bench:
        for _ in range(copies):
            await bench.offer(0, text())
        await until(lambda: bool(bench.done))
        assert bench.done == [0]  # the newest delivery is; to the engine the others are of the past
        await bench.offer(0, text())
        assert bench.done == [0, 0]
        assert len(await bench.passages()) == 1
        assert not bench.runner.held_bytes
    assert not bench.bugs


# -- fences


async def test_a_record_of_an_older_generation_writes_nothing_and_is_not_done() -> None:
    log = MemoryLog()
    groups = MemoryGroups(log)
    async with bench_with(echo, log=log) as bench:
        await groups.claim("g", 2, list(range(PARTITIONS)))
        await bench.offer(0, text(), fence=Fence("g", 1))
        await until(lambda: bench.troubles == ["fenced"])
        await until(lambda: not bench.runner.held_bytes)
        assert not await bench.passages()
    assert not bench.done
    assert not bench.bugs


async def test_what_came_in_a_newer_generation_is_done_although_an_older_record_is_fenced() -> None:
    log = MemoryLog()
    groups = MemoryGroups(log)
    async with bench_with(echo, log=log) as bench:
        await groups.claim("g", 2, list(range(PARTITIONS)))
        await bench.offer(0, text(words="old"), fence=Fence("g", 1))
        await bench.offer(1, text(words="new"), fence=Fence("g", 2))
        await until(lambda: bench.done == [1])
        assert [found.text for found in await bench.passages()] == ["new"]


async def test_a_record_that_comes_again_in_a_newer_generation_is_written_under_its_fence() -> None:
    log = MemoryLog()
    groups = MemoryGroups(log)
    async with bench_with(echo, log=log) as bench:
        await bench.runner.suspend()
        await bench.offer(0, text(), fence=Fence("g", 1))
        await groups.claim("g", 2, list(range(PARTITIONS)))
        await bench.offer(0, text(), fence=Fence("g", 2))
        assert not await bench.passages()
        await bench.runner.resume({("text", n): Fence("g", 2) for n in range(PARTITIONS)})
        await until(lambda: bench.done == [0])
        assert len(await bench.passages()) == 1
    assert not bench.troubles


async def test_while_partitions_may_move_nothing_is_written_and_what_moved_is_let_go_of() -> None:
    async with bench_with(echo) as bench:
        own = partition_of(b"a", PARTITIONS)
        other = next(key for key in "bcdefgh" if partition_of(key.encode(), PARTITIONS) != own)
        await bench.described(other)
        await bench.runner.suspend()
        for key in ("a", other):
            await bench.offer(0, text(session=key), key)
        await until(lambda: bench.runner.open_keys == 2)
        kept = {("text", own): Fence("g", 2)}
        await bench.runner.resume(kept)
        await until(lambda: bool(bench.done))
        assert len(await bench.passages("a")) == 1
        assert not await bench.passages(other)
        assert not bench.runner.held_bytes


# -- silence

TICKS = IdleTicks(every_s=0.01, settled_s=0.05)


def silent(journal: Journal, gate: asyncio.Event, idles: list[tuple[str, float]]) -> Agent:
    """Build an agent that writes a passage once nothing has come for a while."""
    passages = journal.of(Passage)

    async def agent(session: Description, records: AsyncIterator[Item | Idle]) -> Outputs:
        following = (await passages.state(session.session)).next
        pending: Item | None = None
        async for record in records:
            if isinstance(record, Item):
                pending = record
                continue
            idles.append((session.session, record.seconds))
            if pending is not None and pending.seq >= following:
                await gate.wait()
                yield passage(pending, following, f"after {pending.text}")
                following += 1

    return agent


async def test_idle_ticks_come_for_open_sessions_only_and_count_on() -> None:
    idles: list[tuple[str, float]] = []
    gate = asyncio.Event()
    gate.set()
    async with bench_with(lambda own: silent(own, gate, idles), idle=TICKS) as bench:
        await bench.described("open", open=True)
        await bench.offer(0, text("a"))
        await bench.offer(1, text("open"), "open")
        await until(lambda: len(idles) >= 5 and sorted(bench.done) == [0, 1])
        assert [found.text for found in await bench.passages("open")] == ["after words"]
        assert not await bench.passages("a")
    assert {session for session, _ in idles} == {"open"}
    seconds = [value for _, value in idles]
    assert seconds == sorted(seconds)
    assert seconds[0] >= TICKS.every_s


async def test_a_record_is_not_done_before_what_follows_from_silence_is_written() -> None:
    idles: list[tuple[str, float]] = []
    gate = asyncio.Event()
    async with bench_with(lambda own: silent(own, gate, idles), idle=TICKS) as bench:
        await bench.described("open", open=True)
        await bench.offer(0, text("open"), "open")
        await until(lambda: idles)
        # the worker dies between the record and what follows from silence: it is delivered again
        await bench.runner.drop()
        assert not bench.done
        assert not await bench.passages("open")
        gate.set()
        await bench.offer(0, text("open"), "open")
        await until(lambda: bench.done == [0])
        assert [found.text for found in await bench.passages("open")] == ["after words"]


async def test_the_next_record_finishes_the_one_before_without_silence() -> None:
    never = IdleTicks(every_s=3600.0, settled_s=3600.0)
    async with bench_with(echo, idle=never) as bench:
        await bench.described("open", open=True)
        await bench.offer(0, text("open"), "open")
        await bench.offer(1, text("open", seq=1), "open")
        await until(lambda: bench.done == [0])
        await until(lambda: bench.counts.written == 2)
        assert bench.done == [0]
