"""The log on Redis or Valkey: one stream a partition, contiguous ids, server-side scripts."""

import sys
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from functools import partial
from typing import TypeVar

from ..errors import ForeignStreamError
from ..log import (
    Compaction,
    Entry,
    Fence,
    NewEntry,
    SequenceBatch,
    Span,
    TopicPartition,
    UnusableServerError,
)
from .calls import info_field
from .connection import RedisConnection
from .entries import RawEntry
from .epochs import MOST_RUNS, Epochs
from .ingress import RedisIngress
from .passed_over import PassedOver
from .scripts import RestartedError
from .sequences import RedisSequences
from .stream_reads import StreamReads
from .topics import RedisTopics

T = TypeVar("T")


class RedisLog(RedisTopics, RedisSequences, RedisIngress):
    """`storage.log.Log` on a server, or on those of a Cluster."""

    def __init__(self, connection: RedisConnection) -> None:
        super().__init__(connection)
        self._epochs = Epochs(connection)
        self._streams = StreamReads(connection)
        self._passed_over = PassedOver()

    @property
    def epoch(self) -> int:
        return self._epochs.number

    @property
    def ends_apart(self) -> bool:
        return self._connection.is_cluster

    async def replicate(self, partitions: Collection[int], timeout_s: float) -> bool:
        return await self._connection.replicate(map(self._keys.waits, partitions), timeout_s)

    def lost_since(self, epoch: int) -> dict[TopicPartition, int]:
        return self._epochs.lost_since(epoch)

    # -- writing

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
        first = await self._written(
            partition,
            fence,
            lambda run: self._scripts.append(topic, partition, entries, fence, compaction, run),
            lambda first: {} if first is None else {(topic, partition): first + len(entries)},
            epoch,
        )
        return (await self.span(topic, partition)).next if first is None else first

    async def append_at(
        self,
        partition: int,
        batches: Sequence[SequenceBatch],
        *,
        fence: Fence | None = None,
        together: bool = False,
    ) -> list[bool]:
        append_at = partial(self._scripts.append_at, partition, batches, fence, together=together)
        places = [(batch.topic, partition) for batch in batches]
        # of several batches of a topic the last one has the highest offset
        ends = await self._written(
            partition, fence, append_at, lambda ends: dict(sorted(zip(places, ends, strict=True)))
        )
        return [bool(end) for end in ends]

    async def _written(
        self,
        partition: int,
        fence: Fence | None,
        write: Callable[[str], Awaitable[T]],
        ends: Callable[[T], Mapping[TopicPartition, int]],
        epoch: int | None = None,
    ) -> T:
        """Write, in one run of the server, as long as the epoch lasts; return the reply.

        ``ends`` tells by it the offset after the last entry written of each topic, which has to be
        there when this returns.
        """
        for _ in range(MOST_RUNS):
            await self._epochs.enter()
            self._epochs.allow(fence, epoch)
            met = self._epochs.met_first(partition)
            try:
                reply = await write(met.run)
            except RestartedError:
                continue
            if await self._epochs.stands(ends(reply), met):
                return reply
        raise self._epochs.restless()

    async def trim(self, topic: str, partition: int, before: int) -> int:
        first, more = await self._scripts.trim(topic, partition, before)
        while more:
            first, more = await self._scripts.trim(topic, partition, before)
        return first

    # -- reading

    async def read(
        self,
        positions: Mapping[TopicPartition, int],
        *,
        limit: int = 500,
        timeout_s: float = 0.0,
        epoch: int | None = None,
    ) -> dict[TopicPartition, list[Entry]]:
        if not positions:
            return {}
        positions = self._passed_over.without(positions)
        if epoch is not None:
            await self._epochs.follow(positions)
            self._epochs.check(positions, epoch)
        runs = {number: self._epochs.run_of(number) for _, number in positions}
        looks = self._epochs.looks
        streams = {self._keys.stream(*where): where for where in positions}
        after = dict(zip(streams, positions.values(), strict=True))
        alone = len(positions) == 1
        try:
            found = await self._streams.read(after, limit, timeout_s, run=str(looks))
        except ForeignStreamError as error:
            if alone:
                raise
            await self._pass_over_what_is_no_stream(streams, error)
            return {}
        read = self._told_apart({streams[key]: rows for key, rows in found}, alone=alone)
        if epoch is not None:
            await self._epochs.enter()
            if looks != self._epochs.looks:
                self._epochs.check(positions, epoch)
                return {}  # what was read may be lost already
            for place, entries in read.items():
                self._epochs.saw(place, entries[-1].offset + 1, runs[place[1]])
        return read

    async def _pass_over_what_is_no_stream(
        self, streams: Mapping[str, TopicPartition], error: ForeignStreamError
    ) -> None:
        types = await self._connection.pipeline([("TYPE", key) for key in streams])
        for (key, place), kind in zip(streams.items(), types, strict=True):
            if kind not in {b"stream", b"none"}:
                self._passed_over.note(place, type(error)(f"{key} is a {kind.decode()}: {error}"))

    def _told_apart(
        self, found: Mapping[TopicPartition, Sequence[RawEntry]], *, alone: bool
    ) -> dict[TopicPartition, list[Entry]]:
        """Return the entries of those streams that hold none of somebody else."""
        read: dict[TopicPartition, list[Entry]] = {}
        for place, rows in found.items():
            try:
                read[place] = self._entries(self._keys.stream(*place), rows)
            except UnusableServerError as error:
                if alone:
                    raise
                self._passed_over.note(place, error)
        return read

    async def span(self, topic: str, partition: int) -> Span:
        return await self._surely(
            (topic, partition),
            lambda: self._scripts.span(topic, partition),
            lambda span: span.next,
        )

    async def _surely(
        self,
        place: TopicPartition,
        ask: Callable[[], Awaitable[T]],
        offset_of: Callable[[T], int],
    ) -> T:
        """Return an answer that is of the server's present run; whoever asked may go on from it."""
        for _ in range(MOST_RUNS):
            run = self._epochs.run_of(place[1])
            answer = await ask()
            await self._epochs.follow({place: offset_of(answer)})
            if run == self._epochs.run_of(place[1]):
                return answer
        raise self._epochs.restless()

    async def offset_at(self, topic: str, partition: int, timestamp_ms: int) -> int:
        async def seek() -> int:
            found, start = await self._scripts.seek(topic, partition, timestamp_ms, None)
            while found is None and start is not None:
                found, start = await self._scripts.seek(topic, partition, timestamp_ms, start)
            return (await self._scripts.span(topic, partition)).next if found is None else found

        return await self._surely((topic, partition), seek, lambda offset: offset)

    # -- memory

    async def stored_bytes(self, *places: TopicPartition) -> int:
        if not places:
            try:
                told = await self._connection.each("INFO", "memory")
            except UnusableServerError:  # the user may not ask
                return sys.maxsize
            return sum(int(info_field(info, "used_memory") or 0) for info in told)
        streams = [self._keys.stream(*place) for place in places]
        sizes = await self._connection.pipeline([("MEMORY USAGE", stream) for stream in streams])
        return sum(int(size or 0) for size in sizes)

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
        positions = {(topic, partition): offset for topic, offset in offsets.items()}

        async def store(run: str) -> None:
            self._epochs.check(positions, epoch)
            await self._scripts.commit(group, partition, offsets, fence, run)

        # a commit that is lost again is done again
        await self._written(partition, fence, store, lambda _: {})

    async def committed(self, group: str, topic: str, partition: int) -> int | None:
        async def stored() -> int | None:
            offsets = self._keys.offsets(group, partition)
            found = await self._connection.command("HGET", offsets, topic)
            return None if found is None else int(found)

        return await self._surely((topic, partition), stored, lambda offset: offset or 0)

    async def lag(self, group: str, topic: str) -> dict[int, int]:
        stored = await self._connection.command("HGET", self._keys.topics(), topic)
        partitions = range(int(stored or 0))
        spans = await self._scripts.spans(topic, partitions)
        commits = await self._connection.pipeline(
            [("HGET", self._keys.offsets(group, partition), topic) for partition in partitions]
        )
        return {
            partition: max(0, span.next - max(span.first, int(committed or 0)))
            for partition, span, committed in zip(partitions, spans, commits, strict=True)
            if span
        }

    async def close(self) -> None:
        await self._streams.close()
        await self._connection.close()
