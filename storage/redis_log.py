"""The log on Redis or Valkey: one stream a partition, contiguous ids, server-side functions."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from .log import (
    ClosedError,
    Entry,
    Fence,
    FencedError,
    GapError,
    IngressEntry,
    LineState,
    LogError,
    NewEntry,
    OverlapError,
    PartitionsMismatchError,
    Placement,
    Span,
    TopicPartition,
)
from .redis_connection import RedisConnection

_REFUSALS: dict[bytes, type[LogError]] = {
    b"GAP": GapError,
    b"OVERLAP": OverlapError,
    b"CLOSED": ClosedError,
}
_headers_decoder = msgspec.msgpack.Decoder(tuple[tuple[str, bytes], ...])
SCAN_STEP = 500


def _id(offset: int) -> str:
    return f"0-{offset + 1}"


def _offset(entry_id: bytes) -> int:
    return int(entry_id.rpartition(b"-")[2]) - 1


def _entry(entry_id: bytes, fields: Mapping[bytes, bytes]) -> Entry:
    headers = fields.get(b"h")
    return Entry(
        offset=_offset(entry_id),
        timestamp_ms=int(fields.get(b"t", b"0")),
        key=fields.get(b"k"),
        value=fields.get(b"v"),
        headers=_headers_decoder.decode(headers) if headers else (),
    )


def _checked(answer: Any) -> list[Any]:
    """Return a function's answer, or raise what it refused.

    Raises:
        FencedError: by a newer generation.
        GapError: as the log promises; likewise OverlapError and ClosedError.
    """
    word = answer[0]
    if word == b"OK":
        return list(answer[1:])
    if word == b"FENCED":
        raise FencedError(f"generation {int(answer[1])} owns the partition")
    line, following, start = answer[1].decode(errors="replace"), int(answer[2]), int(answer[3])
    raise _REFUSALS[word](f"{line} goes to {following}, the placement starts at {start}")


class RedisLog:
    """`storage.log.Log` on a server."""

    def __init__(self, connection: RedisConnection) -> None:
        self._connection = connection
        self._keys = connection.keys

    # -- topics

    async def declare(self, topic: str, partitions: int) -> int:
        client = self._connection.client
        async with self._connection.explained():
            await client.hsetnx(self._keys.topics(), topic, partitions)
            standing = int(await client.hget(self._keys.topics(), topic))
        if standing != partitions:
            raise PartitionsMismatchError(
                f"topic {topic} has {standing} partitions, not {partitions}: set "
                f"RHAPSODE_PARTITIONS={standing}, or use another namespace"
            )
        return standing

    async def topics(self) -> dict[str, int]:
        async with self._connection.explained():
            stored = await self._connection.client.hgetall(self._keys.topics())
        return {name.decode(): int(count) for name, count in stored.items()}

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
            fields: list[Any] = []
            if entry.key is not None:
                fields += ["k", entry.key]
            if entry.value is not None:
                fields += ["v", entry.value]
            if entry.headers:
                fields += ["h", msgspec.msgpack.encode(entry.headers)]
            stamp = "" if entry.timestamp_ms is None else entry.timestamp_ms
            arguments += [stamp, len(fields), *fields]
        (first,) = _checked(await self._connection.run("append", keys, arguments))
        return int(first)

    async def place(
        self, partition: int, placements: Sequence[Placement], *, fence: Fence | None = None
    ) -> list[bool]:
        if not placements:
            return []
        keys = [self._keys.fence(fence.group if fence else "", partition)]
        arguments: list[Any] = [fence.generation if fence else ""]
        for placement in placements:
            topic, line = placement.topic, placement.line
            keys += [
                self._keys.stream(topic, partition),
                self._keys.line(topic, partition, line),
                self._keys.index(topic, partition, line),
                self._keys.times(topic, partition),
            ]
            arguments += [
                placement.start,
                placement.end,
                int(placement.closes),
                placement.key,
                len(placement.values),
                *placement.values,
            ]
        written = _checked(await self._connection.run("place", keys, arguments))
        return [bool(new) for new in written]

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
        streams = {
            self._keys.stream(topic, partition): (topic, partition)
            for topic, partition in positions
        }
        after = {
            stream: f"0-{positions[place]}" if positions[place] else "0"
            for stream, place in streams.items()
        }
        block_ms = max(1, int(timeout_s * 1000)) if timeout_s > 0 else None
        client = self._connection.client if block_ms is None else self._connection.blocking
        async with self._connection.explained():
            found = await client.xread(after, count=limit, block=block_ms)
        pairs = found.items() if isinstance(found, Mapping) else found
        read: dict[TopicPartition, list[Entry]] = {}
        for stream, rows in pairs:
            entries = rows[0] if isinstance(found, Mapping) else rows
            read[streams[stream.decode()]] = [_entry(row[0], row[1]) for row in entries]
        return read

    async def span(self, topic: str, partition: int) -> Span:
        stream = self._keys.stream(topic, partition)
        async with self._connection.explained():
            pipe = self._connection.client.pipeline(transaction=True)
            pipe.xrange(stream, count=1)
            pipe.execute_command("XINFO", "STREAM", stream)
            first, info = await pipe.execute(raise_on_error=False)
        if isinstance(first, Exception):
            raise first
        if isinstance(info, Exception):  # no such key: nothing was ever appended
            return Span(0, 0)
        following = _offset(_last_generated(info)) + 1
        return Span(_offset(first[0][0]) if first else following, following)

    async def offset_at(self, topic: str, partition: int, timestamp_ms: int) -> int:
        times = self._keys.times(topic, partition)
        span = await self.span(topic, partition)
        async with self._connection.explained():
            before = await self._connection.client.zrevrangebyscore(
                times, f"({timestamp_ms}", "-inf", start=0, num=1
            )
        position = max(span.first, int(before[0]) if before else 0)
        while position < span.next:
            found = await self.read({(topic, partition): position}, limit=SCAN_STEP)
            entries = found.get((topic, partition), [])
            for entry in entries:
                if entry.timestamp_ms >= timestamp_ms:
                    return entry.offset
            if not entries:
                break
            position = entries[-1].offset + 1
        return span.next

    # -- lines

    async def line(self, topic: str, partition: int, line: str) -> LineState:
        async with self._connection.explained():
            following, closed = await self._connection.client.hmget(
                self._keys.line(topic, partition, line), "next", "closed"
            )
        return LineState(int(following or 0), closed == b"1")

    async def read_line(
        self, topic: str, partition: int, line: str, start: int, end: int | None = None
    ) -> list[Entry]:
        index = self._keys.index(topic, partition, line)
        top = "+inf" if end is None else f"({end}"
        async with self._connection.explained():
            pipe = self._connection.client.pipeline(transaction=True)
            # the placement that covers start may begin before it
            pipe.zrevrangebyscore(index, start, "-inf", start=0, num=1)
            pipe.zrangebyscore(index, f"({start}", top)
            pipe.zrangebyscore(index, start, start)
            pipe.hget(self._keys.line(topic, partition, line), "next")
            covering, following, exact, line_end = await pipe.execute()
        if end is not None and end <= start:
            return []
        members = [*(exact or covering), *following]
        if start >= int(line_end or 0) and not exact:
            members = []
        return await self._fetch(topic, partition, members)

    async def _fetch(self, topic: str, partition: int, members: list[bytes]) -> list[Entry]:
        if not members:
            return []
        stream = self._keys.stream(topic, partition)
        async with self._connection.explained():
            pipe = self._connection.client.pipeline(transaction=False)
            for member in members:
                first, _, last = member.partition(b"-")
                pipe.xrange(stream, _id(int(first)), _id(int(last)))
            ranges = await pipe.execute()
        return [_entry(entry_id, fields) for rows in ranges for entry_id, fields in rows]

    async def forget_line(self, topic: str, partition: int, line: str) -> None:
        async with self._connection.explained():
            await self._connection.client.unlink(
                self._keys.line(topic, partition, line), self._keys.index(topic, partition, line)
            )

    async def trim(self, topic: str, partition: int, before: int) -> int:
        async with self._connection.explained():
            pipe = self._connection.client.pipeline(transaction=True)
            pipe.xtrim(self._keys.stream(topic, partition), minid=_id(before), approximate=False)
            await pipe.execute()
        return (await self.span(topic, partition)).first

    # -- offsets

    async def commit(
        self,
        group: str,
        partition: int,
        offsets: Mapping[str, int],
        *,
        fence: Fence | None = None,
    ) -> None:
        keys = [self._keys.offsets(group, partition), self._keys.fence(group, partition)]
        arguments: list[Any] = [fence.generation if fence else ""]
        for topic, offset in offsets.items():
            arguments += [topic, offset]
        _checked(await self._connection.run("commit", keys, arguments))

    async def committed(self, group: str, topic: str, partition: int) -> int | None:
        async with self._connection.explained():
            stored = await self._connection.client.hget(self._keys.offsets(group, partition), topic)
        return None if stored is None else int(stored)

    async def lag(self, group: str, topic: str) -> dict[int, int]:
        partitions = (await self.topics()).get(topic, 0)
        lags: dict[int, int] = {}
        for partition in range(partitions):
            span = await self.span(topic, partition)
            committed = await self.committed(group, topic, partition)
            lags[partition] = span.next - max(span.first, committed or 0)
        return lags

    # -- ingress

    async def read_ingress(self, topic: str, *, limit: int = 100) -> list[IngressEntry]:
        async with self._connection.explained():
            rows = await self._connection.client.xrange(self._keys.ingress(topic), count=limit)
        return [
            IngressEntry(entry_id.decode(), int(entry_id.partition(b"-")[0]), fields)
            for entry_id, fields in rows
        ]

    async def drop_ingress(self, topic: str, ids: Sequence[str]) -> None:
        if not ids:
            return
        async with self._connection.explained():
            await self._connection.client.xdel(self._keys.ingress(topic), *ids)

    async def close(self) -> None:
        await self._connection.close()


def _last_generated(info: Any) -> bytes:
    if isinstance(info, Mapping):
        value = info.get(b"last-generated-id") or info.get("last-generated-id")
    else:
        pairs = dict(zip(info[::2], info[1::2], strict=True))
        value = pairs[b"last-generated-id"]
    return value if isinstance(value, bytes) else str(value).encode()
