"""Letting go of a partition's oldest records: archived first, then trimmed.

Records go by the time at which they were written, of all topics together, whatever sessions they
belong to: one that has been open for five hours keeps nothing. Those of one write share a time, so
no batch is ever cut.
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import structlog

from ..codecs.archive import ArchivedEntry
from ..codecs.encoding import MalformedError, decode
from ..codecs.records import TOPICS, AudioFrame, DeadLetter, Segment, SequenceRecord
from ..storage.foreign_streams import usable_span
from ..storage.log import Entry
from ..storage.session_index import SessionIndex
from .archive import Archive
from .journal import Journal, UnknownSessionError

STEP_ENTRIES = 32
"""Entries of a topic that one step reads: of audio at most 2 MB."""
MOST_STEP_ENTRIES = 4_096
"""Of one write, which goes as a whole."""
PIECE_S = 60.0
"""Audio in one piece of the archive."""
AT_ONCE = 2
"""Pieces made at the same time."""
KEPT_DEAD_LETTERS = 1_000
"""Of each partition."""
ENTRY_BYTES = 100
"""What an entry takes in the log beside its value."""
DEFAULT_RATE_HZ = 48_000
SEQUENCED = tuple(topic for topic, kind in TOPICS.items() if issubclass(kind, SequenceRecord))
log = structlog.get_logger()


class SupersededError(Exception):
    """Another process archives at the same time: it leads now."""


@dataclass(frozen=True, slots=True)
class Cut:
    """What one step let go of."""

    size_bytes: int
    entries: int
    sessions: frozenset[str]
    newest_ms: int


@dataclass(frozen=True, slots=True)
class _Row:
    """An entry that is to be archived, and what its record tells."""

    session: str
    entry: ArchivedEntry
    samples: int
    """Of mastered audio."""
    media_bytes: int
    """Of the segment that it names."""


@dataclass(frozen=True, slots=True)
class Trimmer:
    """Archives and trims, a step at a time."""

    journal: Journal
    archive: Archive
    index: SessionIndex
    readers: Mapping[str, Sequence[str]] = field(default_factory=dict[str, Sequence[str]])
    """By topic: the groups that read it; what they have not committed stays."""
    _at_work: set[str] = field(default_factory=set[str])
    """Groups that have committed something."""

    async def sizes(self) -> dict[int, int]:
        """Return about how many bytes each partition takes."""
        stored_bytes, numbers = self.journal.log.stored_bytes, range(self.journal.partitions)
        sizes = (stored_bytes(*((topic, number) for topic in TOPICS)) for number in numbers)
        return dict(zip(numbers, await asyncio.gather(*sizes), strict=True))

    async def oldest_ms(self, partition: int) -> int | None:
        """Return the time of the oldest record, None where there is none."""
        found = await self._read(partition, 1)
        times = [entries[0].timestamp_ms for entries in found.values() if entries]
        return min(times, default=None)

    async def cut(self, partition: int, before_ms: float) -> Cut | None:
        """Let go of the oldest records, if they are older than that; None where there are none.

        Args:
            partition: Its number.
            before_ms: Unix milliseconds by the log's clock; younger ones stay.

        Raises:
            SupersededError: another process does the same.
            OSError: log or archive are out of reach; nothing is trimmed that is not archived.
        """
        oldest_ms = await self.oldest_ms(partition)
        if oldest_ms is None or oldest_ms >= before_ms:
            return None
        limits = {topic: await self._limit(topic, partition) for topic in SEQUENCED}
        step = STEP_ENTRIES
        while True:
            read = await self._read(partition, step)
            until_ms = _until_ms(read, limits, before_ms, step)
            chosen = _older(read, limits, until_ms)
            if any(chosen.values()) or step >= MOST_STEP_ENTRIES or until_ms >= before_ms:
                break
            step *= 2  # all that was read of a topic was written at once
        if not any(chosen.values()):
            return None
        sessions = await self._archive_all(partition, chosen)
        for topic, entries in chosen.items():
            if entries:
                await self.journal.log.trim(topic, partition, entries[-1].offset + 1)
        every = [entry for entries in chosen.values() for entry in entries]
        return Cut(
            sum(len(entry.value or b"") + ENTRY_BYTES for entry in every),
            len(every),
            frozenset(sessions),
            max(entry.timestamp_ms for entry in every),
        )

    async def drop_old_dead_letters(self, partition: int) -> None:
        """Trim dead letters to as many as are kept."""
        span = await usable_span(self.journal.log, DeadLetter.TOPIC, partition)
        if span and span.next - span.first > KEPT_DEAD_LETTERS:
            before = span.next - KEPT_DEAD_LETTERS
            await self.journal.log.trim(DeadLetter.TOPIC, partition, before)

    async def _read(self, partition: int, limit: int) -> dict[str, list[Entry]]:
        places = {(topic, partition): 0 for topic in SEQUENCED}
        found = await self.journal.log.read(places, limit=limit)
        return {topic: found.get((topic, partition), []) for topic in SEQUENCED}

    async def _limit(self, topic: str, partition: int) -> float:
        """Return the offset from which on entries are not to go yet."""
        limits = [float("inf")]
        for group in self.readers.get(topic, ()):
            committed = await self.journal.log.committed(group, topic, partition)
            if committed is not None:
                self._at_work.add(group)
                limits.append(committed)
            elif await self._is_at_work(group):
                limits.append(0)  # it has not come to this partition yet
        return min(limits)

    async def _is_at_work(self, group: str) -> bool:
        """Return whether a group has committed anything: a stage that never ran holds nothing."""
        if group in self._at_work:
            return True
        for topic in (one for one, groups in self.readers.items() if group in groups):
            for number in range(self.journal.partitions):
                if await self.journal.log.committed(group, topic, number) is not None:
                    self._at_work.add(group)
                    return True
        return False

    async def _archive_all(
        self, partition: int, chosen: Mapping[str, Sequence[Entry]]
    ) -> list[str]:
        by_session: dict[str, list[_Row]] = {}
        for topic, entries in chosen.items():
            for entry in entries:
                row = _archived(topic, entry)
                if row is not None:
                    by_session.setdefault(row.session, []).append(row)
        turns = asyncio.Semaphore(AT_ONCE)

        async def archive(session: str) -> None:
            async with turns:
                await self._archive(partition, session, by_session[session])

        done = await asyncio.gather(*map(archive, by_session), return_exceptions=True)
        for failed in filter(None, done):
            raise failed
        return list(by_session)

    async def _archive(self, partition: int, session: str, rows: list[_Row]) -> None:
        if not (await self.journal.log.scope_state(partition, session)).sequences:
            return  # it was removed
        newest = await self.journal.log.archived(partition, session)
        below = (await self.archive.header(newest)).below if newest else {}
        # what is archived and could not be trimmed then is not archived again
        fresh = [row for row in rows if row.entry.offset >= below.get(row.entry.topic, 0)]
        for piece in _pieces(fresh, await self._rate_hz(session)):
            entries = [row.entry for row in piece]
            newest = await self._add(partition, session, newest, entries)
            media = sum(row.media_bytes for row in piece)
            if media:
                await self.index.count(session, "media_bytes", media)

    async def _add(
        self, partition: int, session: str, newest: str, entries: list[ArchivedEntry]
    ) -> str:
        below: dict[str, int] = {}
        for entry in entries:
            below[entry.topic] = max(below.get(entry.topic, 0), entry.offset + 1)
        name, size_bytes = await self.archive.add(session, partition, newest, below, entries)
        note = self.journal.log.note_archived
        if not await note(partition, session, newest, name, below):
            await self.archive.withdraw(name)
            raise SupersededError(f"another process has archived session {session}")
        await self.index.count(session, "archive_bytes", size_bytes)
        return name

    async def _rate_hz(self, session: str) -> int:
        try:
            return (await self.journal.describe(session)).form.sample_rate_hz
        except UnknownSessionError:
            return DEFAULT_RATE_HZ


def _until_ms(
    read: Mapping[str, Sequence[Entry]],
    limits: Mapping[str, float],
    before_ms: float,
    step: int,
) -> float:
    """Return the time before which every entry that may go was read."""
    # a topic of which not all was read may have more of the newest time that was
    full = [
        entries[-1].timestamp_ms
        for topic, entries in read.items()
        if len(entries) >= step and entries[-1].offset < limits[topic]
    ]
    return min([before_ms, *full])


def _older(
    read: Mapping[str, Sequence[Entry]], limits: Mapping[str, float], until_ms: float
) -> dict[str, list[Entry]]:
    """Return the entries of each topic that are older than that, and that nobody holds."""
    chosen: dict[str, list[Entry]] = {}
    for topic, entries in read.items():
        held = [entry.timestamp_ms for entry in entries if entry.offset >= limits[topic]]
        end_ms = min(until_ms, held[0]) if held else until_ms
        free = [entry for entry in entries if entry.offset < limits[topic]]
        # up to the last one that is old enough: a clock that ran ahead once holds nothing up
        while free and free[-1].timestamp_ms >= end_ms:
            free.pop()
        chosen[topic] = free
    return chosen


def _archived(topic: str, entry: Entry) -> _Row | None:
    try:
        record = decode(entry.value or b"", SequenceRecord)
    except MalformedError as error:
        log.warning("not a record, not archived", topic=topic, offset=entry.offset, why=str(error))
        return None
    archived = ArchivedEntry(
        topic,
        record.sequence,
        record.start,
        record.end,
        entry.offset,
        entry.timestamp_ms,
        entry.key or b"",
        entry.value or b"",
    )
    # not the record, which has the sound once more
    return _Row(
        record.session,
        archived,
        record.samples if isinstance(record, AudioFrame) else 0,
        record.size_bytes if isinstance(record, Segment) else 0,
    )


def _pieces(rows: Iterable[_Row], rate_hz: int) -> list[list[_Row]]:
    """Return rows by pieces of at most a minute of audio; those of one time stay together."""
    pieces: list[list[_Row]] = []
    audio_s, written_ms = 0.0, -1
    for row in sorted(rows, key=_by_time):
        if not pieces or (audio_s >= PIECE_S and row.entry.timestamp_ms != written_ms):
            pieces.append([])
            audio_s = 0.0
        audio_s += row.samples / rate_hz
        written_ms = row.entry.timestamp_ms
        pieces[-1].append(row)
    return pieces


def _by_time(row: _Row) -> tuple[int, str, int]:
    return (row.entry.timestamp_ms, row.entry.topic, row.entry.offset)
