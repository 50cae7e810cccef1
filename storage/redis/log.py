"""The log on Redis or Valkey: one stream a partition, contiguous ids, server-side functions."""

from collections.abc import Mapping, Sequence
from typing import Any

from ..log import (
    ClosedError,
    Entry,
    Fence,
    FencedError,
    GapError,
    IngressEntry,
    LogError,
    NewEntry,
    OverlapError,
    PartitionsMismatchError,
    SequenceBatch,
    SequenceState,
    Span,
    TopicPartition,
    UnusableServerError,
)
from ..names import check_partitions, check_topic
from .connection import RedisConnection
from .entries import ForeignEntryError, entry_from, entry_id, words_of
from .errors import foreign_entry

_REFUSALS: dict[bytes, type[LogError]] = {
    b"GAP": GapError,
    b"OVERLAP": OverlapError,
    b"CLOSED": ClosedError,
}
SEEK_STEP = 100
"""Entries that a search by time looks at in one call, each of up to 64 KB."""
TRIM_STEP = 10_000
"""Entries removed in one call, so that no other waits long."""


class RedisLog:
    """`storage.log.Log` on a server."""

    def __init__(self, connection: RedisConnection) -> None:
        self._connection = connection
        self._keys = connection.keys

    def _answered(self, answer: Any, batches: Sequence[SequenceBatch] = ()) -> list[Any]:
        """Return what a function answered after ``OK``, or raise what it refused."""
        word = answer[0]
        if word == b"OK":
            return list(answer[1:])
        if word == b"FENCED":
            raise FencedError(f"generation {int(answer[1])} owns the partition")
        if word == b"FOREIGN":
            raise self._foreign(answer[1].decode())
        batch, following = batches[int(answer[1])], int(answer[2])
        raise _REFUSALS[word](
            f"{batch.topic} of {batch.sequence} ends at {following}, "
            f"the batch takes [{batch.start}, {batch.end})"
        )

    def _foreign(self, stream: str) -> UnusableServerError:
        return foreign_entry(self._connection.settings.safe_url, stream)

    # -- topics

    async def declare(self, topic: str, partitions: int) -> int:
        check_topic(topic)
        check_partitions(partitions)
        await self._connection.probe()
        registry = self._keys.topics()
        _, stored = await self._connection.pipeline(
            [("HSETNX", registry, topic, partitions), ("HGET", registry, topic)], atomic=True
        )
        standing = int(stored)
        if standing != partitions:
            raise PartitionsMismatchError(
                f"topic {topic} has {standing} partitions, not {partitions}: set "
                f"RHAPSODE_PARTITIONS={standing}, or use another namespace"
            )
        return standing

    async def topics(self) -> dict[str, int]:
        words = await self._connection.command("HGETALL", self._keys.topics())
        return {
            name.decode(): int(count) for name, count in zip(words[::2], words[1::2], strict=True)
        }

    # -- writing

    async def append(
        self,
        topic: str,
        partition: int,
        entries: Sequence[NewEntry],
        *,
        fence: Fence | None = None,
    ) -> int:
        keys = [self._keys.stream(topic, partition), self._keys.times(topic, partition)]
        arguments: list[Any] = [fence.generation if fence else ""]
        if fence:
            keys.append(self._keys.fence(fence.group, partition))
        for entry in entries:
            words = words_of(entry)
            stamp = "" if entry.timestamp_ms is None else entry.timestamp_ms
            arguments += (stamp, len(words), *words)
        (first,) = self._answered(await self._connection.run("append", keys, arguments))
        return int(first) if entries else (await self.span(topic, partition)).next

    async def append_at(
        self, partition: int, batches: Sequence[SequenceBatch], *, fence: Fence | None = None
    ) -> list[bool]:
        keys = [self._keys.fence(fence.group if fence else "", partition)]
        arguments: list[Any] = [fence.generation if fence else ""]
        for batch in batches:
            topic, sequence = batch.topic, batch.sequence
            keys += (
                self._keys.stream(topic, partition),
                self._keys.sequence(topic, partition, sequence),
                self._keys.index(topic, partition, sequence),
                self._keys.times(topic, partition),
            )
            arguments += (
                batch.start,
                batch.end,
                int(batch.last),
                int(batch.by_start),
                batch.key,
                len(batch.values),
                *batch.values,
            )
        answer = await self._connection.run("append_at", keys, arguments)
        return [bool(new) for new in self._answered(answer, batches)]

    # -- reading

    async def read(
        self,
        positions: Mapping[TopicPartition, int],
        *,
        limit: int = 500,
        timeout_s: float = 0.0,
    ) -> dict[TopicPartition, list[Entry]]:
        if not positions:
            return {}
        streams = {self._keys.stream(*place).encode(): place for place in positions}
        after = [f"0-{max(0, position)}" for position in positions.values()]
        if timeout_s > 0:
            block_ms = max(1, int(timeout_s * 1000))
            words = ("XREAD", "COUNT", limit, "BLOCK", block_ms, "STREAMS", *streams, *after)
            found = await self._connection.block(*words, timeout_s=timeout_s)
        else:
            words = ("XREAD", "COUNT", limit, "STREAMS", *streams, *after)
            found = await self._connection.command(*words)
        return {streams[stream]: self._entries(stream, rows) for stream, rows in found or ()}

    def _entries(self, stream: bytes | str, rows: Sequence[Any]) -> list[Entry]:
        try:
            return [entry_from(row) for row in rows]
        except ForeignEntryError as error:
            key = stream if isinstance(stream, str) else stream.decode()
            raise self._foreign(f"{key} ({error})") from None

    async def span(self, topic: str, partition: int) -> Span:
        stream = self._keys.stream(topic, partition)
        first, following = self._answered(await self._connection.run("span", [stream], []))
        return Span(first, following)

    async def offset_at(self, topic: str, partition: int, timestamp_ms: int) -> int:
        keys = [self._keys.stream(topic, partition), self._keys.times(topic, partition)]
        start: int | str = ""
        while True:
            answer = await self._connection.run("seek", keys, [timestamp_ms, start, SEEK_STEP])
            if answer[0] == b"FOUND":
                return int(answer[1])
            if answer[0] == b"NONE":
                return (await self.span(topic, partition)).next
            start = int(answer[1])

    # -- sequences

    async def sequence_state(self, topic: str, partition: int, sequence: str) -> SequenceState:
        key = self._keys.sequence(topic, partition, sequence)
        following, closed = await self._connection.command("HMGET", key, "next", "closed")
        return SequenceState(int(following or 0), closed == b"1")

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
        if end is not None and end <= start:
            return []
        stream = self._keys.stream(topic, partition)
        keys = [
            stream,
            self._keys.sequence(topic, partition, sequence),
            self._keys.index(topic, partition, sequence),
        ]
        arguments = [start, "" if end is None else end, "" if limit is None else limit]
        while True:
            found = await self._connection.run("find_batches", keys, arguments)
            entries = await self._fetch(stream, found)
            if entries or not found:  # else they were trimmed meanwhile: look for what follows
                return entries

    async def _fetch(self, stream: str, members: Sequence[bytes]) -> list[Entry]:
        ranges: list[list[int]] = []
        for member in members:
            first, last = (int(offset) for offset in member.split(b"-"))
            if ranges and ranges[-1][1] + 1 == first and last - ranges[-1][0] < SEEK_STEP:
                ranges[-1][1] = last  # nobody else wrote in between
            else:
                ranges.append([first, last])
        replies = await self._connection.pipeline(
            [("XRANGE", stream, entry_id(first), entry_id(last)) for first, last in ranges]
        )
        return [entry for rows in replies for entry in self._entries(stream, rows)]

    async def forget_sequence(self, topic: str, partition: int, sequence: str) -> None:
        await self._connection.command(
            "UNLINK",
            self._keys.sequence(topic, partition, sequence),
            self._keys.index(topic, partition, sequence),
        )

    async def trim(self, topic: str, partition: int, before: int) -> int:
        keys = [self._keys.stream(topic, partition), self._keys.times(topic, partition)]
        while True:
            answer = await self._connection.run("trim", keys, [before, TRIM_STEP])
            first, more = self._answered(answer)
            if not more:
                return int(first)

    # -- offsets

    async def commit(
        self,
        group: str,
        partition: int,
        offsets: Mapping[str, int],
        *,
        fence: Fence | None = None,
    ) -> None:
        owner = fence.group if fence else group
        keys = [self._keys.offsets(group, partition), self._keys.fence(owner, partition)]
        arguments: list[Any] = [fence.generation if fence else ""]
        for topic, offset in offsets.items():
            arguments += (check_topic(topic), offset)
        self._answered(await self._connection.run("commit", keys, arguments))

    async def committed(self, group: str, topic: str, partition: int) -> int | None:
        stored = await self._connection.command("HGET", self._keys.offsets(group, partition), topic)
        return None if stored is None else int(stored)

    async def lag(self, group: str, topic: str) -> dict[int, int]:
        stored = await self._connection.command("HGET", self._keys.topics(), topic)
        partitions = range(int(stored or 0))
        streams = [self._keys.stream(topic, partition) for partition in partitions]
        spans = await self._connection.run_each("span", [([stream], []) for stream in streams])
        commits = await self._connection.pipeline(
            [("HGET", self._keys.offsets(group, partition), topic) for partition in partitions]
        )
        lags: dict[int, int] = {}
        for partition, answer, committed in zip(partitions, spans, commits, strict=True):
            first, following = self._answered(answer)
            lags[partition] = max(0, following - max(first, int(committed or 0)))
        return lags

    # -- ingress

    async def read_ingress(self, topic: str, *, limit: int = 100) -> list[IngressEntry]:
        key = self._keys.ingress(topic)
        rows = await self._connection.command("XRANGE", key, "-", "+", "COUNT", limit)
        return [
            IngressEntry(
                identity.decode(),
                int(identity.partition(b"-")[0]),
                dict(zip(words[::2], words[1::2], strict=True)),
            )
            for identity, words in rows
        ]

    async def drop_ingress(self, topic: str, ids: Sequence[str]) -> None:
        if ids:
            await self._connection.command("XDEL", self._keys.ingress(topic), *ids)

    async def close(self) -> None:
        await self._connection.close()
