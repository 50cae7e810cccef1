"""What a log stores, and what foreign programs leave for it."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Entry:
    """What is stored at one offset."""

    offset: int
    timestamp_ms: int
    """Unix milliseconds: the writer's if it gave any, otherwise the server's."""
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...] = ()


@dataclass(frozen=True, slots=True)
class NewEntry:
    """An entry to append at the end of a partition."""

    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...] = ()
    timestamp_ms: int | None = None
    """Unix milliseconds; None takes the server's clock."""


@dataclass(frozen=True, slots=True)
class Compaction:
    """Of the entries of a key only the newest is kept, as in a compacted topic of Kafka.

    An entry without a value says that its key is gone: a *tombstone*, kept for a while so that
    whoever reads on from an older offset learns of it.
    """

    tombstones_kept_s: float = 24 * 3600.0
    """As Kafka's ``delete.retention.ms``."""


@dataclass(frozen=True, slots=True)
class Span:
    """The offsets a partition still holds: ``[first, next)``."""

    first: int
    next: int


@dataclass(frozen=True, slots=True)
class IngressEntry:
    """What a foreign program wrote to an ingress key."""

    id: str
    """The server's entry id, such as ``1526919030474-55``: unique and never reused."""
    timestamp_ms: int
    """Unix milliseconds of the server."""
    fields: Mapping[bytes, bytes]


TopicPartition = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Fence:
    """The right to write to a partition, obtained by `Groups.claim`."""

    group: str
    generation: int
    epoch: int | None = None
    """`Log.epoch` when the owner took its positions; None for who follows nothing.

    Once something has been lost since, what the owner wrote may be gone, or made of what is gone:
    it is fenced off, and begins anew from what is committed.
    """
