"""A system in memory whose sessions can be looked at whole, and held to what players rely on."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rhapsode.agents.admission import Gate
from rhapsode.agents.backlog import Backlog
from rhapsode.agents.journal import Journal
from rhapsode.codecs.encoding import decode
from rhapsode.codecs.hls import check as hls_check
from rhapsode.codecs.records import (
    TOPICS,
    Admission,
    AudioFrame,
    DeadLetter,
    Event,
    Item,
    Segment,
    SequenceRecord,
    Session,
    text_items,
)
from rhapsode.ops.tools.replay import derive
from rhapsode.storage.log import Log
from rhapsode.storage.memory.log import MemoryLog
from rhapsode.storage.objects.memory import MemoryObjects
from rhapsode.topologies.stage import Stage
from rhapsode.topologies.testing import PARTITIONS, InMemorySystem

from .recorded_objects import RecordedObjects

Contents = dict[tuple[str, str], list[bytes]]
"""Records by topic and sequence, in the order in which they were appended."""


def having_lost_its_end(system: InMemorySystem) -> None:
    """Have it be known of the log that its server lost its last writes."""
    assert isinstance(system.log, MemoryLog)
    system.log.lose("any", 0, 0)


def fixed_clock_ms() -> int:
    """Return the one time at which everything is written, for runs that are compared."""
    return 1_700_000_000_000


@dataclass
class System(InMemorySystem):
    """A system that runs on recorded objects."""

    store: MemoryObjects = field(default_factory=RecordedObjects)

    @property
    def recorded(self) -> RecordedObjects:
        """The store, with its history."""
        assert isinstance(self.store, RecordedObjects)
        return self.store

    @property
    def gate(self) -> Gate:
        """What the first stage of a session asks."""
        return Gate(self.admissions, self.journal.of(Admission))

    @property
    def no_backlog(self) -> Backlog:
        """What never has a stage wait, where nothing is mastered behind it."""
        journal = self.journal
        return Backlog(journal.of(Event), journal.of(AudioFrame), 10**9, 10**9)

    def limited_to(self, stage: Stage) -> Journal:
        """Return the journal that a stage is given."""
        return self.journal.limited_to(stage.topics)

    async def add(self, *items: Item) -> None:
        """Append items to a session, as the gateway does."""
        await self.append(items)

    async def text(self, seq: int, text: str, session: str = "s", **fields: Any) -> None:
        """Append a text to a session's items."""
        await self.append(text_items(session, seq, text, **fields))

    async def narrated(self, text: str, session: str = "s", **fields: Any) -> None:
        """Run a text through all stages."""
        async with self.running():
            await self.narrate(text, session, **fields)
            await self.finished(session)

    async def chapters(self, kind: type[Any], session: str) -> list[Any]:
        """Return a session's chunks or their speech, chapter after chapter."""
        found: list[Any] = []
        for chapter in range(1000):
            records = await self.records(kind, f"{session}/{chapter}")
            found += records
            if not records or records[-1].boundary != "chapter":
                return found
        raise AssertionError("a thousand chapters")

    async def whole(self, session: str) -> tuple[list[AudioFrame], NDArray[np.int16]]:
        """Return a finished session's frames, which follow each other gapless, and its samples."""
        frames = await self.records(AudioFrame, session)
        for before, after in pairwise(frames):
            assert after.first_sample == before.end
        assert frames[0].first_sample == 0
        assert [frame.last for frame in frames] == [False] * (len(frames) - 1) + [True]
        return frames, samples_of(frames)

    async def check(self, session: str) -> None:
        """Hold a finished session's objects, and the playlist's past, to what players rely on.

        What comes after the audio frames must also be what derives from them.
        """
        segments = await self.records(Segment, session)
        digests = {segment.name: segment.sha256 for segment in segments if segment.frames}
        assert hls_check.check(self.recorded.of(session), sha256=digests) == []
        versions = self.recorded.versions(f"{session}/audio.m3u8")
        assert hls_check.check_history(versions) == []
        replayed = await derive(self.journal, session, store=self.store)
        assert replayed.differences == []

    async def dead_letters(self) -> list[DeadLetter]:
        """Return every dead letter."""
        found: list[DeadLetter] = []
        for number in range(PARTITIONS):
            where = (DeadLetter.TOPIC, number)
            for entry in (await self.log.read({where: 0}, limit=10_000)).get(where, []):
                found.append(decode(entry.value or b"", DeadLetter))
        return found


def samples_of(frames: Sequence[AudioFrame]) -> NDArray[np.int16]:
    """Return the samples of frames that follow each other."""
    pcm = b"".join(frame.pcm for frame in frames)
    return np.frombuffer(pcm, "<i2").astype(np.int16)


async def contents(log: Log, *topics: str) -> Contents:
    """Return what is stored in topics, sequence by sequence."""
    found: Contents = {}
    for topic in topics:
        for number in range(PARTITIONS):
            span = await log.span(topic, number)
            read = await log.read({(topic, number): 0}, limit=max(1, span.next))
            for entry in read.get((topic, number), []):
                record = decode(entry.value or b"", TOPICS[topic])
                assert isinstance(record, SequenceRecord)
                found.setdefault((topic, record.sequence), []).append(entry.value or b"")
    return found


def last_event(events: list[Event]) -> Event:
    """Return the event that ends a sequence; there must be one, and one only."""
    assert [event.last for event in events] == [False] * (len(events) - 1) + [True]
    return events[-1]


def open_session(session: str = "s", **fields: Any) -> Session:
    """Return the description of a session whose items come one by one."""
    return Session(session=session, open=True, last=True, **fields)


async def accepted(session: str = "s", *, system: System | None = None, **fields: Any) -> System:
    """Return a system that has accepted and admitted a session, without items."""
    system = system or System()
    await system.declare()
    await system.describe(session, **fields)
    await system.append([Admission(session=session, last=True)])
    return system
