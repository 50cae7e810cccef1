"""A whole system in memory, for testing a stage of one's own: no server, no voice to install.

system = InMemorySystem()
async with system.running():
await system.narrate("Hello there.", session="s")
await system.finished("s")
frames = await system.records(AudioFrame, "s")
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from ..agents.archive import Archive
from ..agents.batching import batches
from ..agents.catalogue import CatalogueReader
from ..agents.choose import Chooser
from ..agents.decoders.in_process import in_process_decoders
from ..agents.decoders.isolated import Decoders
from ..agents.journal import Journal, R
from ..agents.live_streams import LiveStreams
from ..agents.models.model import Model
from ..agents.models.reciter import Reciter
from ..agents.recognisers.ears import Ears
from ..agents.recognisers.recogniser import Recogniser
from ..agents.retention import Retention
from ..agents.turns import Turns
from ..agents.voices.tone import ToneVoice
from ..agents.voices.voice import Voice
from ..codecs.records import (
    DeviceFrames,
    DeviceRequest,
    Event,
    SequenceRecord,
    Session,
    text_items,
)
from ..codecs.session import Form
from ..storage.admissions import Admissions
from ..storage.log import Log, partition_of
from ..storage.memory.admissions import MemoryAdmissions
from ..storage.memory.log import MemoryLog
from ..storage.memory.session_index import MemorySessionIndex
from ..storage.objects.memory import MemoryLiveSource, MemoryObjects, MemorySource
from ..storage.objects.source import ObjectSource
from ..storage.session_index import SessionIndex
from .in_memory import declare_topics, running
from .registry import STAGES
from .stage import Agent, Stage

PARTITIONS = 2
DEADLINE_S = 30.0


@dataclass
class Counts:
    """An observer that remembers what it was told."""

    records: int = 0
    written: int = 0
    troubles: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    """(stage, kind) of each retry, dead letter, reload, fenced write and crash."""

    def handled(self, stage: str, records: int, seconds: float) -> None:
        self.records += records

    def wrote(self, stage: str, topic: str, records: int) -> None:
        self.written += records

    def troubled(self, stage: str, kind: str) -> None:
        self.troubles.append((stage, kind))


def _live(streams: dict[str, bytes]) -> LiveStreams:
    return LiveStreams(MemoryLiveSource(streams), in_process_decoders())


@dataclass
class InMemorySystem:
    """Everything that stages need, in memory; `topologies.stage.Resources` for them."""

    voice: Voice = field(default_factory=ToneVoice)
    model: Model = field(default_factory=lambda: Reciter(""))
    log: Log = field(default_factory=MemoryLog)
    store: MemoryObjects = field(default_factory=MemoryObjects)
    objects: ObjectSource = field(default_factory=MemorySource)
    catalogue: CatalogueReader = field(init=False)
    chooser: Chooser | None = None
    recogniser: Recogniser | None = None
    ears: Ears = field(default_factory=Ears)
    decoders: Decoders = field(default_factory=in_process_decoders)
    live: LiveStreams = field(default_factory=lambda: _live({}))
    form: Form = field(default_factory=lambda: Form(segment_s=1.0))
    """Of the sessions that `narrate` begins."""
    for_devices: bool = True
    """Whether a device asks for each of them."""
    voice_slots: int = 2
    admissions: Admissions = field(default_factory=lambda: MemoryAdmissions(free=1_000))
    most_sessions: int = 64
    codec_turns: Turns = field(default_factory=lambda: Turns(2))
    archive: Archive = field(default_factory=lambda: Archive(MemoryObjects()))
    session_index: SessionIndex = field(default_factory=MemorySessionIndex)
    retention: Retention = field(default_factory=Retention)
    readers: dict[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    counts: Counts = field(default_factory=Counts)

    def __post_init__(self) -> None:
        self.journal = Journal(self.log, PARTITIONS, archive=self.archive)
        self.catalogue = CatalogueReader(self.objects, refresh_s=0.0)

    async def declare(self) -> None:
        """Create the topics."""
        await declare_topics(self.log, PARTITIONS)

    @asynccontextmanager
    async def running(self, stages: Sequence[Stage] = STAGES) -> AsyncGenerator[None]:
        """Run the stages until the block is left; a bug in one of them is raised then."""
        try:
            async with running(stages, self, self.counts) as failed:
                yield
                if failed.done():
                    failed.result()
        finally:
            await self.decoders.close()
            await self.live.close()
            await self.ears.close()

    async def describe(self, session: str = "s", **fields: Any) -> Session:
        """Accept a session without items."""
        record = self._described(session, fields)
        await self.journal.append(record, *self._requests(record))
        return record

    def _described(self, session: str, fields: dict[str, Any]) -> Session:
        values: dict[str, Any] = {"form": self.form} | fields
        return Session(session=session, last=True, **values)

    def _requests(self, record: Session) -> tuple[DeviceRequest, ...]:
        asked = self.for_devices and record.form.device is not None
        return (DeviceRequest(session=record.session, last=True),) if asked else ()

    async def narrate(self, text: str, session: str = "s", **fields: Any) -> None:
        """Accept a session of one text, as the gateway does."""
        record = self._described(session, fields)
        items = text_items(session, 0, text, item_end=True, last=True)
        await self.journal.append(record, *items, *self._requests(record))

    async def append(self, records: Iterable[SequenceRecord]) -> None:
        """Append records of any keys, as earlier stages would have."""
        for batch in batches(tuple(records)):
            await self.log.append_at(partition_of(batch.key, PARTITIONS), [batch])

    async def records(self, kind: type[R], sequence: str) -> list[R]:
        """Return all that is stored on a sequence."""
        return await self.journal.of(kind).records(sequence, 0)

    async def finished(self, *sessions: str) -> None:
        """Wait until the sessions' playlists have ended and their devices have all frames."""
        async with asyncio.timeout(DEADLINE_S):
            for session in sessions:
                await self._closed(Event, f"{session}/publish")
                if (await self.journal.of(DeviceRequest).state(session)).closed:
                    await self._closed(DeviceFrames, session)

    async def closed(self, kind: type[SequenceRecord], sequence: str) -> None:
        """Wait until the sequence's last record is there."""
        async with asyncio.timeout(DEADLINE_S):
            await self._closed(kind, sequence)

    async def _closed(self, kind: type[SequenceRecord], sequence: str) -> None:
        partition = self.journal.of(kind).partition(sequence)
        while not (await self.journal.of(kind).state(sequence)).closed:
            end = (await self.log.span(kind.TOPIC, partition)).next
            await self.log.read({(kind.TOPIC, partition): end}, timeout_s=0.05)

    async def hand(
        self, agent: Agent, session: str, records: Iterable[Any], *, stop_after: int = -1
    ) -> list[tuple[SequenceRecord, ...]]:
        """Hand records to an agent as plain generators; return what it yields.

        What it yields is stored before it is resumed. After ``stop_after`` outputs the agent is
        let go of, as if its worker had died.
        """
        yielded: list[tuple[SequenceRecord, ...]] = []

        async def source() -> AsyncIterator[Any]:
            for record in records:
                yield record

        outputs = agent(await self.journal.describe(session), source())
        async for output in outputs:
            by_key: dict[str, list[SequenceRecord]] = {}
            for record in output:
                by_key.setdefault(record.key, []).append(record)
            for group in by_key.values():
                await self.journal.append(*group)
            yielded.append(output)
            if len(yielded) == stop_after:
                break
        await outputs.aclose()
        return yielded
