"""What flows and agents are tried in: a log and a store in memory, and a way to run things."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rhapsode.agents.journal import History
from rhapsode.agents.models.model import Model
from rhapsode.agents.models.reciter import Reciter
from rhapsode.agents.turns import Turns
from rhapsode.agents.voices.tone import ToneVoice
from rhapsode.agents.voices.voice import Voice
from rhapsode.codecs.encoding import unpack
from rhapsode.codecs.hls import check as hls_check
from rhapsode.codecs.hls.grid import Grid
from rhapsode.codecs.records import TOPICS, AudioFrame, Event, Segment, SequenceRecord
from rhapsode.ops.sessions import Sessions
from rhapsode.storage.log import Log, partition_of
from rhapsode.storage.memory.log import MemoryLog
from rhapsode.topologies.in_memory import declare_topics, running
from rhapsode.topologies.keyed_runner import batches
from rhapsode.topologies.speech import SPEECH
from rhapsode.topologies.stage import Agent, Parts, Topology

from .kept_objects import KeptObjects

PARTITIONS = 2
DEADLINE_S = 30.0

Contents = dict[tuple[str, str], list[bytes]]
"""Records by topic and line, in the order in which they stand."""


@dataclass
class Counts:
    """An observer that remembers."""

    records: int = 0
    written: int = 0
    troubles: list[tuple[str, str]] = field(default_factory=list)

    def handled(self, stage: str, records: int, seconds: float) -> None:
        assert stage
        assert seconds >= 0
        self.records += records

    def wrote(self, stage: str, topic: str, records: int) -> None:
        assert stage
        assert topic in TOPICS
        self.written += records

    def troubled(self, stage: str, kind: str) -> None:
        self.troubles.append((stage, kind))


@dataclass
class Room:
    """Everything a topology needs, in memory."""

    voice: Voice = field(default_factory=ToneVoice)
    model: Model = field(default_factory=lambda: Reciter(""))
    log: Log = field(default_factory=MemoryLog)
    store: KeptObjects = field(default_factory=KeptObjects)
    grid: Grid = field(default_factory=lambda: Grid(segment_s=1.0))
    counts: Counts = field(default_factory=Counts)

    @property
    def parts(self) -> Parts:
        return Parts(
            log=self.log,
            partitions=PARTITIONS,
            store=self.store,
            voice=self.voice,
            model=self.model,
            turns=Turns(2),
            grid=self.grid,
            bit_rate=96_000,
        )

    @property
    def sessions(self) -> Sessions:
        return Sessions(self.log, PARTITIONS)

    async def declare(self) -> None:
        """Create the topics."""
        await declare_topics(self.log, PARTITIONS)

    async def records(self, kind: type[Any], line: str) -> list[Any]:
        """Return what stands on a line."""
        return await History(self.log, kind, PARTITIONS).records(line, 0)

    async def chunks(self, kind: type[Any], session: str) -> list[Any]:
        """Return a session's chunks or their speech, chapter after chapter."""
        found: list[Any] = []
        for chapter in range(1000):
            records = await self.records(kind, f"{session}/{chapter}")
            found += records
            if not records or records[-1].boundary != "chapter":
                return found
        raise AssertionError("a thousand chapters")

    async def append_at(self, records: Iterable[SequenceRecord]) -> None:
        """Write records in one go, as a stage before would have."""
        batch = tuple(records)
        for batch in batches(batch):
            await self.log.append_at(partition_of(batch.key, PARTITIONS), [batch])

    async def digests(self, session: str) -> dict[str, str]:
        """Return what the log says of each segment's bytes."""
        segments: list[Segment] = await self.records(Segment, session)
        return {segment.name: segment.sha256 for segment in segments if segment.frames}

    @asynccontextmanager
    async def flowing(self, topology: Topology = SPEECH) -> AsyncGenerator[None]:
        """Run the stages; a bug in one of them fails the test."""
        async with running(topology, self.parts, self.counts) as failed:
            yield
            if failed.done():
                failed.result()

    async def finished(self, *sessions: str) -> None:
        """Wait until the sessions' playlists have ended and their devices have all frames."""
        async with asyncio.timeout(DEADLINE_S):
            for topic, line_of in (("event", "{}/publish"), ("device", "{}")):
                for session in sessions:
                    partition = partition_of(session.encode(), PARTITIONS)
                    line = line_of.format(session)
                    while not (await self.log.sequence_state(topic, partition, line)).closed:
                        await asyncio.sleep(0.005)

    async def whole(self, session: str) -> tuple[list[AudioFrame], NDArray[np.int16]]:
        """Return a finished session's frames, which follow each other gapless, and its samples."""
        frames: list[AudioFrame] = await self.records(AudioFrame, session)
        for before, after in pairwise(frames):
            assert after.first_sample == before.end
        assert frames[0].first_sample == 0
        assert [frame.last for frame in frames] == [False] * (len(frames) - 1) + [True]
        pcm = b"".join(frame.pcm for frame in frames)
        assert len(pcm) == 2 * frames[-1].end
        return frames, np.frombuffer(pcm, "<i2").astype(np.int16)

    async def clean(self, session: str) -> None:
        """Hold a finished session's objects, and the playlist's past, to what players rely on."""
        digests = await self.digests(session)
        assert hls_check.check(self.store.of(session), sha256=digests) == []
        versions = self.store.versions(f"{session}/audio.m3u8")
        assert hls_check.check_history(versions) == []

    async def narrated(self, text: str, session: str = "s") -> None:
        """Run a text through all stages."""
        async with self.flowing():
            await self.sessions.start(text, session=session)
            await self.finished(session)


async def until(condition: Callable[[], bool], deadline_s: float = 10.0) -> None:
    """Wait for a condition."""
    async with asyncio.timeout(deadline_s):
        while not condition():
            await asyncio.sleep(0.002)


async def contents(log: Log, *topics: str) -> Contents:
    """Return what stands in topics, line by line."""
    found: Contents = {}
    for topic in topics:
        kind = TOPICS[topic]
        for number in range(PARTITIONS):
            span = await log.span(topic, number)
            read = await log.read({(topic, number): 0}, limit=max(1, span.next))
            for entry in read.get((topic, number), []):
                record = unpack(entry.value or b"", kind)
                assert isinstance(record, SequenceRecord)
                found.setdefault((topic, record.sequence), []).append(entry.value or b"")
    return found


async def driven(
    agent: Agent, records: Iterable[SequenceRecord], room: Room, *, stop_after: int = -1
) -> list[tuple[SequenceRecord, ...]]:
    """Hand records to an agent as plain generators, as its contract has it; return its batches.

    Each batch stands in the log before the agent is resumed. After ``stop_after`` batches the
    agent is let go of, as if its worker had died.
    """
    said: list[tuple[SequenceRecord, ...]] = []

    async def source() -> AsyncIterator[SequenceRecord]:
        for record in records:
            yield record

    outputs = agent(source())
    async for batch in outputs:
        await room.append_at(batch)
        said.append(batch)
        if len(said) == stop_after:
            break
    await outputs.aclose()
    return said


def last_event(events: list[Event]) -> Event:
    """Return the event that ends a line; there must be one, and one only."""
    assert [event.last for event in events] == [False] * (len(events) - 1) + [True]
    return events[-1]
