"""A keyed runner on a log in memory, for one agent of a test's own."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from rhapsode.agents.journal import Description, Journal
from rhapsode.codecs.encoding import decode, encode
from rhapsode.codecs.records import DeadLetter, Item, Passage, SequenceRecord, Session
from rhapsode.storage.log import Entry, Fence, Log, partition_of
from rhapsode.storage.memory.log import MemoryLog
from rhapsode.topologies.in_memory import declare_topics
from rhapsode.topologies.keyed_runner import Delivery, KeyedRunner
from rhapsode.topologies.stage import Agent, IdleTicks, Outputs, Stage
from rhapsode.topologies.testing import Counts

PARTITIONS = 4
Build = Callable[[Journal], Agent]


@dataclass
class Bench:
    """One stage, its runner, and what became of the records it was offered."""

    log: Log
    journal: Journal
    runner: KeyedRunner
    counts: Counts
    bugs: list[BaseException]
    done: list[int] = field(default_factory=list)
    """Offsets of records done, in order."""

    @property
    def troubles(self) -> list[str]:
        return [kind for _, kind in self.counts.troubles]

    async def offer(
        self,
        offset: int,
        value: bytes,
        key: str = "a",
        *,
        topic: str = "text",
        fence: Fence | None = None,
    ) -> None:
        """Hand a record to the runner as the engine does."""
        await self.runner.offer(
            Delivery(
                key=key.encode(),
                value=value,
                topic=topic,
                partition=partition_of(key.encode(), PARTITIONS),
                offset=offset,
                fence=fence,
                done=lambda: self.done.append(offset),
            )
        )

    async def described(self, *sessions: str, **fields: Any) -> None:
        """Accept sessions, without which no record is handed to an agent."""
        for session in sessions:
            await self.journal.append(Session(session=session, last=True, **fields))

    async def passages(self, session: str = "a") -> list[Passage]:
        return await self.journal.of(Passage).records(session, 0)

    async def letters(self) -> list[DeadLetter]:
        positions = {(DeadLetter.TOPIC, number): 0 for number in range(PARTITIONS)}
        found: dict[Any, list[Entry]] = await self.log.read(positions)
        return [
            decode(entry.value or b"", DeadLetter)
            for entries in found.values()
            for entry in entries
        ]


@asynccontextmanager
async def bench_with(
    build: Build,
    *,
    log: Log | None = None,
    sources: tuple[str, ...] = ("text",),
    sessions: tuple[str, ...] = ("a",),
    idle: IdleTicks | None = None,
) -> AsyncGenerator[Bench]:
    """Run a stage from ``sources`` to ``passage`` and ``audio-frame`` until the block is left."""
    log = log or MemoryLog()
    await declare_topics(log, PARTITIONS)
    journal = Journal(log, PARTITIONS)
    stage = Stage(
        "test",
        sources=sources,
        sinks=("passage", "audio-frame"),
        build=lambda _, own: build(own),
        idle=idle,
    )
    counts = Counts()
    bugs: list[BaseException] = []
    agent = stage.build(None, journal.limited_to(stage.topics))  # pyright: ignore[reportArgumentType]  # it needs none
    runner = KeyedRunner(stage, agent, journal, observer=counts, on_bug=bugs.append)
    bench = Bench(log, journal, runner, counts, bugs)
    await bench.described(*sessions)
    try:
        yield bench
    finally:
        await runner.drop()


def text(session: str = "a", words: str = "words", seq: int = 0) -> bytes:
    """Return a text item as bytes."""
    return encode(Item(session=session, seq=seq, text=words))


def passage(record: SequenceRecord, seq: int, words: str = "") -> tuple[Passage]:
    """Return an output of one passage."""
    return (Passage(session=record.session, seq=seq, item=0, text=words),)


def echo(journal: Journal) -> Agent:
    """Build an agent that says each item again and finds its cursor in what it wrote."""
    passages = journal.of(Passage)

    async def agent(session: Description, items: AsyncIterator[Item]) -> Outputs:
        following = -1
        async for item in items:
            if following < 0:
                following = (await passages.state(session.session)).next
            if item.seq >= following:
                yield passage(item, item.seq, item.text)
                following = item.seq + 1

    return agent


async def until(condition: Callable[[], object], deadline_s: float = 10.0) -> None:
    """Wait for a condition."""
    async with asyncio.timeout(deadline_s):
        while not condition():
            await asyncio.sleep(0.002)
