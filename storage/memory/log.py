"""The log in memory, under the same contract: for flows and tests."""

from collections.abc import Callable, Collection, Mapping, Sequence

from ..log import (
    Compaction,
    Entry,
    Fence,
    FencedError,
    NewEntry,
    PartitionsMismatchError,
    ScopeState,
    SequenceBatch,
    SequenceState,
    Span,
    TopicPartition,
    TrimmedError,
    scope_of,
)
from ..names import check_partitions, check_topic
from ..truncations import Truncations
from .ingress import MemoryIngress, wall_clock_ms
from .scopes import Scopes
from .stream import Stream

ENTRY_BYTES = 100
"""About what an entry takes beside its value."""


class MemoryLog(MemoryIngress):
    """`storage.log.Log` in one process.

    Args:
        clock_ms: Tells Unix milliseconds.
        ends_apart: Whether each partition can lose its end alone, as on a Cluster.
    """

    def __init__(
        self, clock_ms: Callable[[], int] = wall_clock_ms, *, ends_apart: bool = False
    ) -> None:
        super().__init__(clock_ms)
        self._ends_apart = ends_apart
        self._topics: dict[str, int] = {}
        self._streams: dict[TopicPartition, Stream] = {}
        self._scopes = Scopes(clock_ms)
        self._offsets: dict[tuple[str, str, int], int] = {}
        self._fences: dict[tuple[str, int], int] = {}
        self._truncations = Truncations()

    # -- fences, shared with MemoryGroups

    def claim(self, group: str, generation: int, partition: int) -> None:
        """Fence the partition off from older generations of the group.

        Raises:
            FencedError: a newer generation has claimed it already.
        """
        owner = self._fences.get((group, partition), generation)
        if owner > generation:
            raise FencedError(f"generation {owner} owns the partition")
        self._fences[group, partition] = generation

    def _check(self, fence: Fence | None, partition: int, *, commits: bool = False) -> None:
        if fence is None:
            return
        if fence.epoch not in {None, self.epoch}:
            raise FencedError("the log has lost its last entries since")
        owner = self._fences.get((fence.group, partition))
        if owner is None and commits:
            raise FencedError("nobody has claimed the partition")
        if owner is not None and owner > fence.generation:
            raise FencedError(f"generation {owner} owns the partition")

    # -- what is lost

    @property
    def epoch(self) -> int:
        return self._truncations.epoch

    @property
    def ends_apart(self) -> bool:
        return self._ends_apart

    async def replicate(self, partitions: Collection[int], timeout_s: float) -> bool:
        return True

    def lost_since(self, epoch: int) -> dict[TopicPartition, int]:
        return self._truncations.since(epoch)

    def lose(self, topic: str, partition: int, start: int) -> None:
        """Lose what follows an offset, and commits beyond it, as a killed server may."""
        stream = self._stream(topic, partition)
        stream.lose(start)
        for place, offset in self._offsets.items():
            if place[1:] == (topic, partition):
                self._offsets[place] = min(offset, start)
        self._truncations.note({(topic, partition): start})
        self._wake()

    # -- topics

    async def declare(self, topic: str, partitions: int) -> int:
        stored = self._topics.setdefault(check_topic(topic), check_partitions(partitions))
        if stored != partitions:
            raise PartitionsMismatchError(
                f"topic {topic} has {stored} partitions, not {partitions}"
            )
        return stored

    async def identity(self) -> str:
        return f"memory-{id(self)}"

    async def topics(self) -> dict[str, int]:
        return dict(self._topics)

    async def mend(self, topic: str, partition: int) -> int:
        return 0  # nobody else can write here

    # -- writing

    def _stream(self, topic: str, partition: int) -> Stream:
        return self._streams.setdefault((check_topic(topic), partition), Stream())

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
        self._check(fence, partition)
        self._truncations.check_nothing_lost(epoch)
        stream, now_ms = self._stream(topic, partition), self._clock_ms()
        first = stream.next
        for entry in entries:
            stamp = now_ms if entry.timestamp_ms is None else entry.timestamp_ms
            stream.append(Entry(stream.next, stamp, entry.key, entry.value, entry.headers))
            if compaction:
                stream.compact(now_ms)
        if compaction and entries:
            stream.drop_tombstones(now_ms - 1000 * compaction.tombstones_kept_s)
        self._wake()
        return first

    async def append_at(
        self,
        partition: int,
        batches: Sequence[SequenceBatch],
        *,
        fence: Fence | None = None,
        together: bool = False,
    ) -> list[bool]:
        self._check(fence, partition)
        written = self._scopes.judge(partition, batches, together=together)
        for batch, is_new in zip(batches, written, strict=True):
            if is_new:
                self._write(partition, batch)
        self._wake()
        return written

    def _write(self, partition: int, batch: SequenceBatch) -> None:
        stream = self._stream(batch.topic, partition)
        first, now = stream.next, self._clock_ms()
        for value in batch.values:
            stream.append(Entry(stream.next, now, batch.key, value))
        self._scopes.add(partition, batch, first, stream.next - 1)

    # -- reading

    async def read(
        self,
        positions: Mapping[TopicPartition, int],
        *,
        limit: int = 500,
        timeout_s: float = 0.0,
        epoch: int | None = None,
    ) -> dict[TopicPartition, list[Entry]]:
        def found() -> dict[TopicPartition, list[Entry]]:
            return {
                where: entries
                for where, position in positions.items()
                if (entries := self._from(where, position, limit))
            }

        self._truncations.check(positions, epoch)
        read = await self._waited_for(found, timeout_s)
        self._truncations.check(positions, epoch)
        return read

    def _from(self, where: TopicPartition, position: int, limit: int) -> list[Entry]:
        stream = self._streams.get((check_topic(where[0]), where[1]))
        if stream is None:
            return []
        start = stream.index(position)
        return stream.entries[start : start + limit]

    async def span(self, topic: str, partition: int) -> Span:
        stream = self._stream(topic, partition)
        return Span(stream.first, stream.next)

    async def offset_at(self, topic: str, partition: int, timestamp_ms: int) -> int:
        stream = self._stream(topic, partition)
        for entry in stream.entries:
            if entry.timestamp_ms >= timestamp_ms:
                return entry.offset
        return stream.next

    # -- sequences

    async def sequence_state(self, topic: str, partition: int, sequence: str) -> SequenceState:
        known = self._scopes.sequence(partition, check_topic(topic), sequence)
        if known is not None:
            return SequenceState(known.next, known.closed)
        return SequenceState(forgotten=self._scopes.is_forgotten(partition, scope_of(sequence)))

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
        known = self._scopes.sequence(partition, check_topic(topic), sequence)
        if end is not None and end <= start:
            return []
        if known is None:
            if self._scopes.is_forgotten(partition, scope_of(sequence)):
                raise TrimmedError(f"{topic} of {sequence}", start, 0)
            return []
        stream = self._stream(topic, partition)
        name = f"{topic} of {sequence}"
        return [
            entry
            for batch in known.find(name, start, end, stream.first, limit)
            for entry in stream.entries[stream.index(batch.first) : stream.index(batch.last + 1)]
        ]

    async def scope_state(self, partition: int, scope: str) -> ScopeState:
        return self._scopes.state(partition, scope)

    async def archived(self, partition: int, scope: str) -> str:
        return self._scopes.state(partition, scope).archive

    async def note_archived(
        self, partition: int, scope: str, expected: str, name: str, below: Mapping[str, int]
    ) -> bool:
        return self._scopes.note_archived(partition, scope, expected, name, below)

    async def forget(self, partition: int, scope: str, *, refuse_s: float = 0.0) -> None:
        self._scopes.forget(partition, scope, refuse_s)

    async def stored_bytes(self, *places: TopicPartition) -> int:
        streams = [self._stream(*place) for place in places] or self._streams.values()
        return sum(
            ENTRY_BYTES + len(entry.value or b"") for stream in streams for entry in stream.entries
        )

    async def trim(self, topic: str, partition: int, before: int) -> int:
        stream = self._stream(topic, partition)
        stream.trim(before)
        return stream.first

    # -- offsets

    async def commit(
        self,
        group: str,
        partition: int,
        offsets: Mapping[str, int],
        *,
        fence: Fence | None = None,
        epoch: int | None = None,
    ) -> None:
        self._check(fence, partition, commits=True)
        positions = {(topic, partition): at for topic, at in offsets.items()}
        self._truncations.check(positions, epoch)
        stored = {(group, check_topic(topic), partition): at for topic, at in offsets.items()}
        self._offsets |= stored

    async def committed(self, group: str, topic: str, partition: int) -> int | None:
        return self._offsets.get((group, topic, partition))

    async def lag(self, group: str, topic: str) -> dict[int, int]:
        lags: dict[int, int] = {}
        for partition in range(self._topics.get(topic, 0)):
            stream = self._stream(topic, partition)
            done = self._offsets.get((group, topic, partition), 0)
            lags[partition] = max(0, stream.next - max(stream.first, done))
        return lags

    async def close(self) -> None:
        """Do nothing: no connection is held."""
