"""The journal: how stages, gateway, devices and replay meet the log: read, append, follow.

A stage that (re)starts in the middle of a session finds its cursor here, not in a state of its
own: the end of what it wrote tells what it has done.
"""

from collections import OrderedDict
from collections.abc import AsyncGenerator, Collection
from dataclasses import dataclass
from typing import Generic, TypeVar

from ..codecs.encoding import decode
from ..codecs.records import SequenceRecord, Session, check_session, key_of_sequence
from ..codecs.session import Form, Mastering, Mode, PausePolicy, VoiceSettings
from ..storage.log import (
    Entry,
    Log,
    OverlapError,
    SequenceState,
    TrimmedError,
    partition_of,
    scope_of,
)
from .archive import Archive
from .batching import batches
from .past import Past

R = TypeVar("R", bound=SequenceRecord)

STEP_ENTRIES = 64
"""Entries in one read: records of audio are up to 64 KB, so a step is at most 4 MB."""
KEPT_DESCRIPTIONS = 4_096


class UndeclaredTopicError(Exception):
    """A stage reads or writes a topic that its topology does not name: a bug in the topology."""


class UnknownSessionError(ValueError):
    """There is no such session, or no longer."""


@dataclass(frozen=True, slots=True)
class Description:
    """A session as every agent is handed it: its record, and when the log accepted it."""

    record: Session
    created_ms: int
    """Unix milliseconds by the log's clock; the session's programme date-time starts here."""

    @property
    def session(self) -> str:
        """The session's id."""
        return self.record.session

    @property
    def accepted_s(self) -> float:
        """When the log accepted it, in Unix time."""
        return self.created_ms / 1000

    @property
    def form(self) -> Form:
        """The shape of what comes out."""
        return self.record.form

    @property
    def voice(self) -> VoiceSettings:
        """How texts are to be spoken."""
        return self.record.voice

    @property
    def mastering(self) -> Mastering:
        """How audio is mastered."""
        return self.record.mastering

    @property
    def pauses(self) -> PausePolicy:
        """The pauses between chunks."""
        return self.record.pauses

    @property
    def mode(self) -> Mode:
        """Whether texts are spoken as they are."""
        return self.record.mode


@dataclass(frozen=True, slots=True)
class Sequences(Generic[R]):
    """The sequences of one topic, as typed records."""

    log: Log
    kind: type[R]
    partitions: int
    past: Past | None = None
    """What the log has let go of; None where it is not kept."""

    def partition(self, sequence: str) -> int:
        """Return the partition that holds the sequence."""
        return partition_of(key_of_sequence(self.kind, sequence).encode(), self.partitions)

    async def state(self, sequence: str) -> SequenceState:
        """Return how far the sequence goes."""
        topic, partition = self.kind.TOPIC, self.partition(sequence)
        state = await self.log.sequence_state(topic, partition, sequence)
        if self.past is None or state.next or state.closed:
            return state
        head = await self.past.head(scope_of(sequence), surely=state.forgotten)
        return head.state(topic, sequence) if head else state

    async def entries(
        self, sequence: str, start: int, end: int | None = None, *, limit: int | None = None
    ) -> list[Entry]:
        """Return the entries that touch ``[start, end)``, at most about ``limit``.

        What is neither in the log nor in the archive any more is left out.
        """
        topic, partition = self.kind.TOPIC, self.partition(sequence)
        found: list[Entry] = []
        while end is None or start < end:
            try:
                read = self.log.read_sequence
                newer = await read(topic, partition, sequence, start, end, limit=limit)
            except TrimmedError as trimmed:
                first = trimmed.first
            else:
                if newer or found or self.past is None:
                    return found + newer
                if not await self.past.head(scope_of(sequence)):
                    return []
                return await self.past.entries(self.kind, sequence, start, end, limit)
            if self.past is not None:
                in_log = first > start and (end is None or first < end)
                until = first if in_log else end
                found += await self.past.entries(self.kind, sequence, start, until, limit)
            if first <= start or (limit is not None and found):
                break
            start = first
        return found

    async def records(
        self, sequence: str, start: int, end: int | None = None, *, limit: int | None = None
    ) -> list[R]:
        """Return the records that touch ``[start, end)``, in order, at most about ``limit``.

        Callers that do not bound the range give a limit, or use `stream`.

        Raises:
            MalformedError: something else is stored on the sequence.
        """
        found = await self.entries(sequence, start, end, limit=limit)
        return [decode(entry.value or b"", self.kind) for entry in found]

    async def last(self, sequence: str) -> R | None:
        """Return the sequence's last record, None if there is none yet."""
        state = await self.state(sequence)
        if not state.next and not state.closed:
            return None
        records = await self.records(sequence, max(0, state.next - 1))
        return records[-1] if records else None

    async def append(self, record: R) -> bool:
        """Append a record at its position; False where another is there."""
        try:
            (new,) = await self.log.append_at(self.partition(record.sequence), batches([record]))
        except OverlapError:
            return False
        return new

    async def stream(
        self, sequence: str, start: int = 0, end: int | None = None, *, step: int = STEP_ENTRIES
    ) -> AsyncGenerator[R]:
        """Yield the records that touch ``[start, end)`` and are stored now, so many a read."""
        while end is None or start < end:
            records = await self.records(sequence, start, end, limit=step)
            for record in records:
                yield record
            if not records or records[-1].last or records[-1].end <= start:
                return
            start = records[-1].end


class Journal:
    """Typed access to a log, for one stage or one process.

    Args:
        topics: The topics that may be read and written; None allows all.
        archive: Where records are that the log has let go of; None where they are not kept.
    """

    def __init__(
        self,
        log: Log,
        partitions: int,
        *,
        topics: Collection[str] | None = None,
        archive: Archive | None = None,
    ) -> None:
        self.log = log
        self.partitions = partitions
        self._past = Past(log, partitions, archive) if archive is not None else None
        self._topics = None if topics is None else frozenset(topics) | {Session.TOPIC}
        self._descriptions: OrderedDict[str, Description] = OrderedDict()
        self._epoch = log.epoch
        """Of the log, in which they were read."""

    def limited_to(self, topics: Collection[str]) -> "Journal":
        """Return a journal on the same log that refuses all other topics."""
        limited = Journal(self.log, self.partitions, topics=topics)
        # what one stage of a process has read of a session, the next one need not
        limited._descriptions, limited._past = self._descriptions, self._past
        return limited

    def of(self, kind: type[R]) -> Sequences[R]:
        """Return the sequences of a kind's topic.

        Raises:
            UndeclaredTopicError: this journal is not allowed that topic.
        """
        if self._topics is not None and kind.TOPIC not in self._topics:
            raise UndeclaredTopicError(
                f"topic {kind.TOPIC} is not among {', '.join(sorted(self._topics))}: name it in "
                "the stage's sources, reads or sinks"
            )
        return Sequences(self.log, kind, self.partitions, self._past)

    async def describe(self, session: str) -> Description:
        """Return what the session is; it never changes, so it is read once, and after each loss.

        Raises:
            UnknownSessionError: there is no such session.
        """
        if self._epoch != self.log.epoch:
            self._epoch = self.log.epoch
            self._descriptions.clear()
        known = self._descriptions.get(session)
        if known is None:
            try:
                check_session(session)
            except ValueError as error:
                raise UnknownSessionError(f"there is no session of that name: {error}") from None
            sequences = Sequences(self.log, Session, self.partitions, self._past)
            found = await sequences.entries(session, 0, 1)
            if not found:
                raise UnknownSessionError(f"there is no session {session}")
            if self._past is not None:
                self._past.saw(session)
            known = Description(decode(found[0].value or b"", Session), found[0].timestamp_ms)
            self._descriptions[session] = known
            if len(self._descriptions) > KEPT_DESCRIPTIONS:
                self._descriptions.popitem(last=False)
        return known

    async def still_has(self, session: str) -> bool:
        """Return whether a session that was described once is in the log or the archive."""
        sequences = Sequences(self.log, Session, self.partitions)
        if (await sequences.state(session)).closed:
            return True
        if self._past is not None and await self._past.archive.head(session) is not None:
            return True
        self._descriptions.pop(session, None)
        return False

    async def append(self, *records: SequenceRecord) -> list[bool]:
        """Append records of one key at their positions, all or none; tell which were new.

        Raises:
            GapError, OverlapError, ClosedError: they do not continue their sequences.
            MalformedError: a record is larger than the log takes.
        """
        partition = partition_of(records[0].key.encode(), self.partitions)
        return await self.log.append_at(partition, batches(records))
