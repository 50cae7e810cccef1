"""Between engine and agents: order, retries, dead letters, and no record forgotten."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from rhapsode.agents.batching import batches
from rhapsode.agents.journal import Description, Journal, UndeclaredTopicError
from rhapsode.codecs.encoding import encode
from rhapsode.codecs.records import Chunk, DeadLetter, Item, Passage, Speech
from rhapsode.storage.log import UnreachableError
from rhapsode.storage.memory.log import MemoryLog
from rhapsode.topologies import keyed_runner
from rhapsode.topologies.stage import Agent, Outputs

from .runner_bench import bench_with, echo, passage, text, until


class Gated(MemoryLog):
    """A log that takes nothing on sequences while its gate is closed."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = asyncio.Event()
        self.gate.set()
        self.waiting = 0

    async def append_at(self, *args: Any, **kwargs: Any) -> list[bool]:
        self.waiting += 1
        await self.gate.wait()
        self.waiting -= 1
        return await super().append_at(*args, **kwargs)


async def test_a_record_is_done_only_when_its_outputs_are_in_the_log() -> None:
    log = Gated()
    async with bench_with(echo, log=log) as bench:
        log.gate.clear()
        for offset in range(5):
            await bench.offer(offset, text(words=f"word {offset}", seq=offset))
        await until(lambda: log.waiting)
        assert not bench.done
        log.gate.set()
        await until(lambda: len(bench.done) == 5)
        assert [found.text for found in await bench.passages()] == [
            f"word {offset}" for offset in range(5)
        ]
    assert bench.done == [0, 1, 2, 3, 4]
    assert (bench.counts.records, bench.counts.written) == (5, 5)


async def test_a_session_that_waits_does_not_hold_up_another_of_its_partition() -> None:
    gate = asyncio.Event()

    def build(_: Journal) -> Agent:
        async def agent(session: Description, items: AsyncIterator[Item]) -> Outputs:
            async for item in items:
                if session.session == "slow":
                    await gate.wait()
                yield passage(item, 0, item.text)

        return agent

    async with bench_with(build, sessions=("slow", "quick")) as bench:
        await bench.offer(0, text("slow"), "slow")
        await bench.offer(1, text("quick"), "quick")
        await until(lambda: bench.done == [1])
        gate.set()
        await until(lambda: bench.done == [1, 0])


async def test_an_agent_is_handed_the_description_of_its_keys_session() -> None:
    seen: list[tuple[str, str]] = []

    def build(_: Journal) -> Agent:
        async def agent(session: Description, records: AsyncIterator[Chunk]) -> Outputs:
            async for record in records:
                seen.append((session.session, record.sequence))
                if not seen:
                    yield ()

        return agent

    async with bench_with(build, sources=("chunk",), sessions=("a", "b")) as bench:
        for offset, (session, chapter) in enumerate([("a", 0), ("b", 0), ("a", 1)]):
            chunk = Chunk(session=session, seq=0, chapter=chapter, index=0, text="x")
            await bench.offer(offset, encode(chunk), chunk.key, topic="chunk")
        await until(lambda: len(bench.done) == 3)
    assert sorted(seen) == [("a", "a/0"), ("a", "a/1"), ("b", "b/0")]


async def test_two_sources_with_one_key_arrive_at_one_agent_in_the_order_of_delivery() -> None:
    started = 0
    seen: list[type] = []

    def build(_: Journal) -> Agent:
        async def agent(session: Description, records: AsyncIterator[Any]) -> Outputs:
            nonlocal started
            started += 1
            async for record in records:
                seen.append(type(record))
                if not seen:
                    yield ()

        return agent

    async with bench_with(build, sources=("text", "speech")) as bench:
        speech = encode(Speech(session="a", seq=0, index=0))
        await bench.offer(0, text())
        await bench.offer(0, speech, topic="speech")
        await bench.offer(1, text(seq=1))
        await until(lambda: len(bench.done) == 3)
    assert started == 1
    assert seen == [Item, Speech, Item]


async def test_what_is_unreachable_is_tried_again_from_the_record_in_hand() -> None:
    tries = 0

    def build(_: Journal) -> Agent:
        async def agent(session: Description, items: AsyncIterator[Item]) -> Outputs:
            nonlocal tries
            async for item in items:
                tries += 1
                if tries in (2, 3):
                    raise ConnectionError("no voice today")
                yield passage(item, item.seq)

        return agent

    async with bench_with(build) as bench:
        for offset in range(3):
            await bench.offer(offset, text(seq=offset))
        await until(lambda: bench.done == [0, 1, 2])
        assert [found.seq for found in await bench.passages()] == [0, 1, 2]
        assert bench.troubles == ["retry", "retry"]
        assert not bench.bugs


async def test_what_stays_unreachable_is_dead_lettered_in_the_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(keyed_runner, "RETRY_PATIENCE_S", 0.0)

    def build(_: Journal) -> Agent:
        async def agent(session: Description, items: AsyncIterator[Item]) -> Outputs:
            async for item in items:
                if item.seq == 0:
                    raise ConnectionError("no voice today")
                yield passage(item, 0, item.text)

        return agent

    async with bench_with(build) as bench:
        await bench.offer(0, text(seq=0))
        await bench.offer(1, text(seq=1, words="after"))
        await until(lambda: bench.done == [0, 1])
        (letter,) = await bench.letters()
        assert "no voice today" in letter.reason
        assert [found.text for found in await bench.passages()] == ["after"]
    assert not bench.bugs


async def test_a_malformed_record_is_dead_lettered_and_the_session_goes_on() -> None:
    async with bench_with(echo) as bench:
        await bench.offer(0, text(words="one"))
        await bench.offer(1, b"\x00 no record")
        await bench.offer(2, text(words="two", seq=1))
        await until(lambda: bench.done == [0, 1, 2])
        (letter,) = await bench.letters()
        assert [found.text for found in await bench.passages()] == ["one", "two"]
    assert (letter.topic, letter.offset, letter.stage) == ("text", 1, "test")
    assert letter.value == b"\x00 no record"
    assert "not a record" in letter.reason


async def test_a_record_of_another_topic_is_dead_lettered() -> None:
    async with bench_with(echo, sources=("text", "speech")) as bench:
        await bench.offer(0, text(), topic="speech")
        await until(lambda: bench.done == [0])
        (letter,) = await bench.letters()
    assert "expected a Speech record, got a Item" in letter.reason
    assert letter.topic == "speech"


@pytest.mark.parametrize("key", ["nobody", "nobody/3", "../etc", ""])
async def test_records_of_an_unknown_session_are_dead_lettered_and_nobody_else_is_hurt(
    key: str,
) -> None:
    async with bench_with(echo) as bench:
        await bench.offer(0, text("nobody"), key)
        await bench.offer(1, text("nobody", seq=1), key)
        await bench.offer(2, text("a"))
        await until(lambda: sorted(bench.done) == [0, 1, 2])
        letters = await bench.letters()
        assert len(await bench.passages()) == 1
        await until(lambda: not bench.runner.held_bytes)
    assert sorted(letter.offset for letter in letters) == [0, 1]
    assert all("there is no session" in letter.reason for letter in letters)
    assert not bench.bugs


async def test_a_write_to_a_topic_that_is_not_among_the_sinks_is_a_bug_and_writes_nothing() -> None:
    def build(_: Journal) -> Agent:
        async def agent(session: Description, items: AsyncIterator[Item]) -> Outputs:
            async for item in items:
                yield (*passage(item, 0), Speech(session=item.session, seq=0, index=0))

        return agent

    async with bench_with(build) as bench:
        await bench.offer(0, text())
        await until(lambda: bench.bugs)
        assert isinstance(bench.bugs[0], UndeclaredTopicError)
        assert "speech" in str(bench.bugs[0])
        assert not await bench.passages()
        assert not await bench.journal.of(Speech).records("a/0", 0)


async def test_reading_a_topic_that_is_not_declared_is_refused_when_the_agent_is_built() -> None:
    def build(journal: Journal) -> Agent:
        journal.of(Speech)
        return echo(journal)

    with pytest.raises(
        UndeclaredTopicError, match="speech is not among audio-frame, passage, session, text"
    ):
        async with bench_with(build):
            pass


async def test_dropped_keys_leave_their_records_undone_and_a_new_delivery_starts_afresh() -> None:
    gate = asyncio.Event()

    def build(_: Journal) -> Agent:
        async def agent(session: Description, items: AsyncIterator[Item]) -> Outputs:
            async for item in items:
                await gate.wait()
                yield passage(item, 0, item.text)

        return agent

    async with bench_with(build) as bench:
        await bench.offer(0, text())
        await until(lambda: bench.runner.open_keys == 1)
        await bench.runner.drop()
        assert (bench.runner.open_keys, bench.runner.held_bytes) == (0, 0)
        assert not bench.done
        gate.set()
        await bench.offer(0, text())
        await until(lambda: bench.done == [0])


def test_parts_of_one_position_become_one_batch() -> None:
    first, second = (Passage(session="a", seq=0, item=0, text=words) for words in "xy")
    third = Passage(session="a", seq=1, item=0, text="z", last=True)
    made = batches((first, second, third))
    assert [(batch.start, batch.end, len(batch.values), batch.last) for batch in made] == [
        (0, 1, 2, False),
        (1, 2, 1, True),
    ]


async def test_a_dead_letter_that_cannot_be_written_yet_is_written_later() -> None:
    class Flaky(MemoryLog):
        refusals = 2

        async def append(self, topic: str, partition: int, entries: Any, **kwargs: Any) -> int:
            if topic == DeadLetter.TOPIC and self.refusals:
                self.refusals -= 1
                raise UnreachableError("the log is away")
            return await super().append(topic, partition, entries, **kwargs)

    async with bench_with(echo, log=Flaky()) as bench:
        await bench.offer(0, b"no record")
        await bench.offer(1, text(words="word"))
        await until(lambda: bench.done == [0, 1])
        assert len(await bench.letters()) == 1
        assert [found.text for found in await bench.passages()] == ["word"]
