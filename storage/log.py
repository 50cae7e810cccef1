"""The log: partitioned, append-only, replayable; what Redis and memory both promise.

A *topic* has a fixed number of *partitions*; a partition is a sequence of entries with contiguous
offsets from 0. On top stand *sequences*: an ordered sequence inside one partition of one topic, named
by its producer (a session, say), whose entries each take a half-open range of positions. Appending
*by place* is idempotent: what already stands is dropped, a gap is refused.

Writers that own a partition for a consumer group may carry a *fence*: the generation in which
they claimed it. A call with an older generation than the partition's newest claim changes nothing.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, cast

from aiokafka.partitioner import (
    murmur2,  # pyright: ignore[reportUnknownVariableType]  # its author left it untyped
)

from .errors import (
    ClosedError,
    FencedError,
    GapError,
    LogError,
    OverlapError,
    PartitionsMismatchError,
    UnreachableError,
    UnusableServerError,
)
from .groups import Beat, Groups, GroupTimings, Heartbeat, Members

__all__ = [
    "MOST_POSITION",
    "Beat",
    "ClosedError",
    "Entry",
    "Fence",
    "FencedError",
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
    "SequenceBatch",
    "SequenceState",
    "Span",
    "TopicPartition",
    "UnreachableError",
    "UnusableServerError",
    "partition_of",
]

_murmur2 = cast("Callable[[bytes], int]", murmur2)

MOST_POSITION = 1 << 53
"""Positions on a sequence are exact up to here, on the server too (Lua counts in doubles)."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What stands at one offset."""

    offset: int
    timestamp_ms: int
    """Unix milliseconds: the writer's where it gave one, the server's otherwise."""
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...] = ()


@dataclass(frozen=True, slots=True)
class NewEntry:
    """What is to be appended at the end of a partition."""

    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...] = ()
    timestamp_ms: int | None = None


@dataclass(frozen=True, slots=True)
class SequenceBatch:
    """Entries that take ``[start, end)`` on a sequence, visible all or none."""

    topic: str
    sequence: str
    start: int
    end: int
    """May equal ``start`` for a bare end mark only."""
    key: bytes
    values: tuple[bytes, ...]
    """One entry each, at least one."""
    last: bool = False
    """True for the sequence's end mark: nothing may follow."""

    def __post_init__(self) -> None:
        if not 0 <= self.start <= self.end <= MOST_POSITION:
            raise ValueError(
                f"[{self.start}, {self.end}) on {self.sequence!r} is no range of positions"
            )
        if not self.values:
            raise ValueError(f"[{self.start}, {self.end}) on {self.sequence!r} holds no entry")
        if self.start == self.end and not self.last:
            # it would leave no trace on its sequence, so saying it twice would write it twice
            raise ValueError(
                f"an empty range at {self.start} on {self.sequence!r} must close its sequence"
            )


@dataclass(frozen=True, slots=True)
class Fence:
    """The right to write to a partition, won by `Groups.claim`."""

    group: str
    generation: int


@dataclass(frozen=True, slots=True)
class SequenceState:
    """How far a sequence goes."""

    next: int = 0
    """Position after the last one taken; 0 for a sequence that does not exist."""
    closed: bool = False


@dataclass(frozen=True, slots=True)
class Span:
    """The offsets a partition still holds: ``[first, next)``."""

    first: int
    next: int


@dataclass(frozen=True, slots=True)
class IngressEntry:
    """What a foreign producer left on an ingress key."""

    id: str
    """The server's entry id, such as ``1526919030474-55``: unique, and never reused."""
    timestamp_ms: int
    fields: Mapping[bytes, bytes]


TopicPartition = tuple[str, int]


def partition_of(key: bytes, partitions: int) -> int:
    """Return the partition of a key, the same as Kafka's default partitioner gives."""
    return (_murmur2(key) & 0x7FFFFFFF) % partitions


class Log(Protocol):
    """Partitioned, append-only, replayable. All methods may raise `UnreachableError`."""

    async def declare(self, topic: str, partitions: int) -> int:
        """Create the topic unless it stands; return its number of partitions.

        Raises:
            PartitionsMismatchError: it stands with another number.
            UnusableServerError: the server cannot hold a log; the message says what to do.
            ValueError: the name is not 1 to 249 letters, digits, ``.``, ``_`` or ``-`` (as on
                Kafka), or the number is not positive.
        """
        ...

    async def topics(self) -> dict[str, int]:
        """Return every declared topic with its number of partitions."""
        ...

    async def append(
        self,
        topic: str,
        partition: int,
        entries: Sequence[NewEntry],
        *,
        fence: Fence | None = None,
    ) -> int:
        """Append all or none; return the first entry's offset.

        Raises:
            FencedError: the fence is older than the partition's newest claim.
        """
        ...

    async def append_at(
        self, partition: int, batches: Sequence[SequenceBatch], *, fence: Fence | None = None
    ) -> list[bool]:
        """Append by place, all or none, into the same partition number of one or more topics.

        Returns, for each batch, True where it was written and False where its whole range
        stood there already (or its sequence is closed at or beyond it); then nothing of it is written.
        SequenceBatch are judged in order, so several may follow each other on one sequence.

        Raises:
            FencedError: the fence is older than the partition's newest claim.
            GapError: a batch starts beyond the end of its sequence.
            OverlapError: it starts before the end of its sequence and ends after it.
            ClosedError: it lies beyond its sequence's end mark.
        """
        ...

    async def read(
        self,
        positions: Mapping[TopicPartition, int],
        *,
        limit: int = 500,
        timeout_s: float = 0.0,
    ) -> dict[TopicPartition, list[Entry]]:
        """Return entries at or after each position, at most ``limit`` a partition.

        Waits up to ``timeout_s`` for the first one; partitions with nothing are left out. A
        position that was trimmed away yields the first entry that still stands.
        """
        ...

    async def span(self, topic: str, partition: int) -> Span:
        """Return the offsets that stand; of an empty partition, first equals next."""
        ...

    async def offset_at(self, topic: str, partition: int, timestamp_ms: int) -> int:
        """Return the first offset whose entry is not older, or the partition's next offset."""
        ...

    async def sequence_state(self, topic: str, partition: int, sequence: str) -> SequenceState:
        """Return how far a sequence goes; an unknown sequence goes nowhere."""
        ...

    async def read_sequence(
        self, topic: str, partition: int, sequence: str, start: int, end: int | None = None
    ) -> list[Entry]:
        """Return, in order, the entries of the batches that touch ``[start, end)``.

        A batch is returned whole. ``end`` None means to the sequence's end. A bare end mark takes
        no position but is found at its own: it is included where ``start <= mark < end``, or with
        ``end`` None. Entries that were trimmed are left out.
        """
        ...

    async def forget_sequence(self, topic: str, partition: int, sequence: str) -> None:
        """Drop a sequence's state and index; its entries stay until they are trimmed."""
        ...

    async def trim(self, topic: str, partition: int, before: int) -> int:
        """Remove entries below the offset ``before``; return the first offset that stands."""
        ...

    async def commit(
        self,
        group: str,
        partition: int,
        offsets: Mapping[str, int],
        *,
        fence: Fence | None = None,
    ) -> None:
        """Store, by topic, the next offset the group would read.

        Raises:
            FencedError: the fence is older than the partition's newest claim.
        """
        ...

    async def committed(self, group: str, topic: str, partition: int) -> int | None:
        """Return the next offset the group would read; None if it never committed one."""
        ...

    async def lag(self, group: str, topic: str) -> dict[int, int]:
        """Return, by partition, how many entries the group has yet to commit."""
        ...

    async def read_ingress(self, topic: str, *, limit: int = 100) -> list[IngressEntry]:
        """Return the oldest entries on the topic's ingress key, without removing them."""
        ...

    async def drop_ingress(self, topic: str, ids: Sequence[str]) -> None:
        """Remove entries from the topic's ingress key once they stand in the topic."""
        ...

    async def close(self) -> None:
        """Let go of every connection; the log itself stays."""
        ...
