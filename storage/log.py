"""The log: partitioned, append-only, replayable; the contract of the Redis and the memory log.

A *topic* has a fixed number of *partitions*; a partition holds entries with contiguous *offsets*
from 0, less those that `Compaction` removed. Within one partition of one topic a producer may keep
*sequences*, each named by it (after a session, say): batches of entries that take half-open ranges
of *positions* from 0. An append at a position is idempotent: what is already stored is not written
again, and a gap is refused. The name of a sequence up to its first slash is its *scope*: what is
known of a scope's sequences in one partition number is kept, archived and forgotten together.

A writer that owns a partition for a consumer group may pass a *fence*: the generation in which it
claimed the partition. A call whose generation is older than the newest claim changes nothing, nor
does one whose epoch is past.

A server may lose its last writes when it ends, or when a replica takes over: the offsets of what
was lost are given again. `Log.epoch` grows where that is noticed, so whoever follows a partition
notes it *before* it takes its first position, and passes it with each read and commit; it is told
where what it has read was lost.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

from .entries import Compaction, Entry, Fence, IngressEntry, NewEntry, Span, TopicPartition
from .errors import (
    ClosedError,
    FencedError,
    ForgottenError,
    GapError,
    LogError,
    OverlapError,
    PartitionsMismatchError,
    TrimmedError,
    TruncatedError,
    UnreachableError,
    UnusableServerError,
)
from .groups import Beat, Groups, GroupTimings, Heartbeat, Members
from .names import partition_of
from .sequences import MOST_POSITION, ScopeState, SequenceBatch, SequenceState, scope_of

__all__ = [
    "MOST_POSITION",
    "Beat",
    "ClosedError",
    "Compaction",
    "Entry",
    "Fence",
    "FencedError",
    "ForgottenError",
    "GapError",
    "GroupTimings",
    "Groups",
    "Heartbeat",
    "IngressEntry",
    "Log",
    "LogError",
    "Members",
    "NewEntry",
    "OverlapError",
    "PartitionsMismatchError",
    "ScopeState",
    "SequenceBatch",
    "SequenceState",
    "Span",
    "TopicPartition",
    "TrimmedError",
    "TruncatedError",
    "UnreachableError",
    "UnusableServerError",
    "partition_of",
    "scope_of",
]


class Log(Protocol):
    """Partitioned, append-only, replayable. All methods may raise `UnreachableError`."""

    @property
    def epoch(self) -> int:
        """Grows each time entries that passed through this object turn out to be lost."""
        ...

    @property
    def ends_apart(self) -> bool:
        """Whether one partition may lose its end without what is committed of another."""
        ...

    async def replicate(self, partitions: Collection[int], timeout_s: float) -> bool:
        """Return, after so long at most, whether replicas, if any, have what was written there."""
        ...

    def lost_since(self, epoch: int) -> dict[TopicPartition, int]:
        """Return the first offset that each partition has lost since an epoch."""
        ...

    async def declare(self, topic: str, partitions: int) -> int:
        """Create the topic unless it exists; return its number of partitions.

        Raises:
            PartitionsMismatchError: it exists with another number of partitions.
            UnusableServerError: the server cannot hold a log; the message says what to do.
            ValueError: the name is not 1 to 249 letters, digits, ``.``, ``_`` or ``-`` (as in
                Kafka), or the number is not 1 to 100,000.
        """
        ...

    async def identity(self) -> str:
        """Return what tells this log from every other; it changes where the log was emptied."""
        ...

    async def topics(self) -> dict[str, int]:
        """Return every declared topic with its number of partitions."""
        ...

    async def mend(self, topic: str, partition: int) -> int:
        """Put aside what somebody else wrote to a partition; return how many entries that was."""
        ...

    async def append(
        self,
        topic: str,
        partition: int,
        entries: Sequence[NewEntry],
        *,
        fence: Fence | None = None,
        compaction: Compaction | None = None,
        epoch: int | None = None,
    ) -> int:
        """Append all or none; return the first entry's offset.

        With ``compaction`` each entry that has a key removes the one of that key which was appended
        so before it. The newest entry of a partition always stays.

        Raises:
            FencedError: the fence is older than the partition's newest claim, or its epoch is past.
            TruncatedError: something was lost since ``epoch``; None for whoever does not mind.
        """
        ...

    async def append_at(
        self,
        partition: int,
        batches: Sequence[SequenceBatch],
        *,
        fence: Fence | None = None,
        together: bool = False,
    ) -> list[bool]:
        """Append batches at their positions, all or none, in one partition number of any topics.

        Returns True for each batch that was written, and False for each that was already stored:
        it ends at or before the end of its sequence, or starts before it where it is judged by
        its start (`SequenceBatch.by_start`). A bare end mark is already stored where the sequence
        goes beyond it or was closed at it. Batches are judged in order, so several may follow one
        another in one sequence.

        ``together`` is for batches that are one thing, such as audio and the report of it: where
        some are stored already and others are not, somebody else has written something else.

        Raises:
            FencedError: the fence is older than the partition's newest claim, or its epoch is past.
            GapError: a batch starts beyond the end of its sequence.
            OverlapError: it starts before the end of its sequence and ends after it; or batches
                that belong together are partly stored.
            ClosedError: it is not stored yet and its sequence is closed.
            ForgottenError: its scope was forgotten; or it continues a scope that was never begun.
        """
        ...

    async def read(
        self,
        positions: Mapping[TopicPartition, int],
        *,
        limit: int = 500,
        timeout_s: float = 0.0,
        epoch: int | None = None,
    ) -> dict[TopicPartition, list[Entry]]:
        """Return entries at or after each offset, at most ``limit`` for each partition.

        Waits up to ``timeout_s`` for the first entry; partitions that have none are left out.
        Where an offset was trimmed, the first entry still stored comes first. ``epoch`` is the one
        in which the offsets were taken; None for who follows nothing.

        Raises:
            TruncatedError: entries before one of the offsets were lost since that epoch.
        """
        ...

    async def span(self, topic: str, partition: int) -> Span:
        """Return the offsets still stored; in an empty partition first equals next."""
        ...

    async def offset_at(self, topic: str, partition: int, timestamp_ms: int) -> int:
        """Return the first offset whose entry is not older, or the partition's next offset."""
        ...

    async def sequence_state(self, topic: str, partition: int, sequence: str) -> SequenceState:
        """Return where a sequence ends; an unknown one ends at 0."""
        ...

    async def read_sequence(
        self,
        topic: str,
        partition: int,
        sequence: str,
        start: int,
        end: int | None = None,
        *,
        limit: int | None = None,
    ) -> list[Entry]:
        """Return, in order, the entries of the batches that touch ``[start, end)``.

        Batches come whole. ``end`` None reads to the sequence's end. A bare end mark takes no
        position: it is included where ``start <= mark < end``, or where ``end`` is None and
        ``start <= mark``.

        ``limit`` bounds what one call reads: batches are added while they have at most ``limit``
        entries together, and the first comes whole even where it alone has more. So an empty list
        means, with a limit as without, that nothing more is stored in the range.

        Raises:
            TrimmedError: the first batch of the range was trimmed or archived, or the scope was
                forgotten, for as long as that is known.
        """
        ...

    async def scope_state(self, partition: int, scope: str) -> ScopeState:
        """Return what is known of a scope; nothing of an unknown one."""
        ...

    async def archived(self, partition: int, scope: str) -> str:
        """Return what was noted last by `note_archived`, nothing where nothing was."""
        ...

    async def note_archived(
        self, partition: int, scope: str, expected: str, name: str, below: Mapping[str, int]
    ) -> bool:
        """Note that a scope's batches below an offset of each topic are archived, and where.

        They are not found any more, whether or not they are trimmed. Nothing changes, and False is
        returned, where what was noted last is not what the caller expects, or the scope is unknown.
        """
        ...

    async def forget(self, partition: int, scope: str, *, refuse_s: float = 0.0) -> None:
        """Drop what is known of a scope, but not its entries; refuse appends to it for so long."""
        ...

    async def stored_bytes(self, *places: TopicPartition) -> int:
        """Return about how many bytes of memory entries take; no places: all there is, at most."""
        ...

    async def trim(self, topic: str, partition: int, before: int) -> int:
        """Remove entries below the offset ``before``; return the first one still stored."""
        ...

    async def commit(
        self,
        group: str,
        partition: int,
        offsets: Mapping[str, int],
        *,
        fence: Fence | None = None,
        epoch: int | None = None,
    ) -> None:
        """Store, by topic, the next offset the group would read.

        Raises:
            FencedError: the fence is older than the partition's newest claim, its epoch is past,
                or nobody has claimed the partition: the log was emptied.
            TruncatedError: entries before one of the offsets were lost since the epoch.
        """
        ...

    async def committed(self, group: str, topic: str, partition: int) -> int | None:
        """Return the next offset the group would read; None if it never committed one."""
        ...

    async def lag(self, group: str, topic: str) -> dict[int, int]:
        """Return, by partition, how many stored entries the group has yet to commit.

        A partition whose stream somebody else wrote to is left out.
        """
        ...

    async def read_ingress(
        self, topic: str, *, limit: int = 100, timeout_s: float = 0.0
    ) -> list[IngressEntry]:
        """Return the oldest entries of the topic's ingress key, without removing them.

        Waits up to ``timeout_s`` for the first one.
        """
        ...

    async def drop_ingress(self, topic: str, ids: Sequence[str]) -> None:
        """Remove entries from the topic's ingress key, once they are appended to the topic."""
        ...

    async def close(self) -> None:
        """Close every connection; the log itself stays."""
        ...
