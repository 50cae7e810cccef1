"""The log on Redis or Valkey: one stream a partition, contiguous ids, server-side scripts."""

from collections.abc import Mapping, Sequence

from ..log import (
    Entry,
    Fence,
    IngressEntry,
    NewEntry,
    PartitionsMismatchError,
    ScopeState,
    SequenceBatch,
    SequenceState,
    Span,
    TopicPartition,
    UnusableServerError,
    scope_of,
)
from ..names import check_partitions, check_topic
from .calls import info_field
from .connection import RedisConnection
from .entries import ForeignEntryError, RawEntry, entry_from, entry_id
from .scripts import LogScripts

RANGE_ENTRIES = 100
"""Entries that one XRANGE may return where neighbouring batches are read together."""
LAYOUT = b"2"
"""Version of the keys and of what is in them; in the first one each sequence had its own."""


def _state_from(value: bytes | None) -> SequenceState:
    """Return a sequence's state as the scripts write it: ``12``, or ``12.`` once it is closed."""
    if value is None:
        return SequenceState()
    return SequenceState(int(value.rstrip(b".")), value.endswith(b"."))


class RedisLog:
    """`storage.log.Log` on a server."""

    def __init__(self, connection: RedisConnection) -> None:
        self._connection = connection
        self._keys = connection.keys
        self._scripts = LogScripts(connection)
        self._probed = False

    # -- topics

    async def declare(self, topic: str, partitions: int) -> int:
        check_topic(topic)
        check_partitions(partitions)
        if not self._probed:
            await self._scripts.probe()
            await self._check_layout()
            self._probed = True
        registry = self._keys.topics()
        _, reply = await self._connection.pipeline(
            [("HSETNX", registry, topic, partitions), ("HGET", registry, topic)], atomic=True
        )
        stored = int(reply)
        if stored != partitions:
            raise PartitionsMismatchError(
                f"topic {topic} has {stored} partitions, not {partitions}: set "
                f"RHAPSODE_PARTITIONS={stored}, or use another namespace"
            )
        return stored

    async def _check_layout(self) -> None:
        layout = self._keys.layout()
        written, version = await self._connection.pipeline(
            [("EXISTS", self._keys.topics()), ("GET", layout)], atomic=True
        )
        if version is None and not written:
            await self._connection.command("SET", layout, LAYOUT, "NX")
        elif version != LAYOUT:
            raise UnusableServerError(
                f"another version of this program wrote the log of namespace "
                f"{self._keys.namespace}: choose another with RHAPSODE_NAMESPACE, or, where the "
                "log is embedded, another folder with RHAPSODE_STATE"
            )

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
        first = await self._scripts.append(topic, partition, entries, fence)
        return (await self.span(topic, partition)).next if first is None else first

    async def append_at(
        self,
        partition: int,
        batches: Sequence[SequenceBatch],
        *,
        fence: Fence | None = None,
        together: bool = False,
    ) -> list[bool]:
        return await self._scripts.append_at(partition, batches, fence, together=together)

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
    ) -> dict[TopicPartition, list[Entry]]:
        if not positions:
            return {}
        streams = {self._keys.stream(*where).encode(): where for where in positions}
        after = [f"0-{max(0, position)}" for position in positions.values()]
        if timeout_s > 0:
            block_ms = max(1, int(timeout_s * 1000))
            words = ("XREAD", "COUNT", limit, "BLOCK", block_ms, "STREAMS", *streams, *after)
            found = await self._connection.block(*words, timeout_s=timeout_s)
        else:
            words = ("XREAD", "COUNT", limit, "STREAMS", *streams, *after)
            found = await self._connection.command(*words)
        return {streams[key]: self._entries(key.decode(), rows) for key, rows in found or ()}

    def _entries(self, stream: str, rows: Sequence[RawEntry]) -> list[Entry]:
        try:
            return [entry_from(row) for row in rows]
        except ForeignEntryError as error:
            raise self._scripts.foreign_entry(f"{stream} ({error})") from None

    async def span(self, topic: str, partition: int) -> Span:
        return await self._scripts.span(topic, partition)

    async def offset_at(self, topic: str, partition: int, timestamp_ms: int) -> int:
        found, start = await self._scripts.seek(topic, partition, timestamp_ms, None)
        while found is None and start is not None:
            found, start = await self._scripts.seek(topic, partition, timestamp_ms, start)
        return (await self.span(topic, partition)).next if found is None else found

    # -- sequences

    async def sequence_state(self, topic: str, partition: int, sequence: str) -> SequenceState:
        key = self._keys.scope(partition, scope_of(sequence))
        name = self._keys.name_in_scope(topic, sequence)
        state, forgotten = await self._connection.command("HMGET", key, name, "forgotten")
        return _state_from(state) if forgotten is None else SequenceState(forgotten=True)

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
        while True:
            batches, sent = await self._scripts.find_batches(
                topic, partition, sequence, (start, end), limit
            )
            if sent:
                return self._entries(stream, sent)
            entries = await self._fetch(stream, batches)
            if not batches or (entries and entries[0].offset == batches[0][0]):
                return entries  # else they were trimmed meanwhile, as the next look tells

    async def _fetch(self, stream: str, batches: Sequence[tuple[int, int]]) -> list[Entry]:
        ranges: list[tuple[int, int]] = []
        for first, last in batches:
            if ranges and ranges[-1][1] + 1 == first and last - ranges[-1][0] < RANGE_ENTRIES:
                ranges[-1] = (ranges[-1][0], last)  # no other sequence wrote in between
            else:
                ranges.append((first, last))
        replies = await self._connection.pipeline(
            [("XRANGE", stream, entry_id(first), entry_id(last)) for first, last in ranges]
        )
        return [entry for rows in replies for entry in self._entries(stream, rows)]

    async def scope_state(self, partition: int, scope: str) -> ScopeState:
        words, batches = await self._connection.pipeline(
            [
                ("HGETALL", self._keys.scope(partition, scope)),
                ("ZCARD", self._keys.index(partition, scope)),
            ],
            atomic=True,
        )
        fields = {name.decode(): value for name, value in zip(words[::2], words[1::2], strict=True)}
        sequences: dict[tuple[str, str], SequenceState] = {}
        for name, value in fields.items():
            topic, colon, rest = name.partition(":")
            if colon:
                sequences[topic, scope + rest] = _state_from(value)
        return ScopeState(sequences, fields.get("archive", b"").decode(), int(batches))

    async def archived(self, partition: int, scope: str) -> str:
        key = self._keys.scope(partition, scope)
        return (await self._connection.command("HGET", key, "archive") or b"").decode()

    async def note_archived(
        self, partition: int, scope: str, expected: str, name: str, below: Mapping[str, int]
    ) -> bool:
        return await self._scripts.note_archived(partition, scope, expected, name, below)

    async def forget(self, partition: int, scope: str, *, refuse_s: float = 0.0) -> None:
        key, index = self._keys.scope(partition, scope), self._keys.index(partition, scope)
        commands: list[tuple[object, ...]] = [("UNLINK", key, index)]
        if refuse_s > 0:
            commands += [
                ("HSET", key, "forgotten", 1),
                ("PEXPIRE", key, max(1, int(refuse_s * 1000))),
            ]
        await self._connection.pipeline(commands, atomic=True)

    async def stored_bytes(self, *places: TopicPartition) -> int:
        if not places:
            info = await self._connection.command("INFO", "memory")
            return int(info_field(info, "used_memory") or 0)
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
    ) -> None:
        await self._scripts.commit(group, partition, offsets, fence)

    async def committed(self, group: str, topic: str, partition: int) -> int | None:
        stored = await self._connection.command("HGET", self._keys.offsets(group, partition), topic)
        return None if stored is None else int(stored)

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
        }

    # -- ingress

    async def read_ingress(
        self, topic: str, *, limit: int = 100, timeout_s: float = 0.0
    ) -> list[IngressEntry]:
        key = self._keys.ingress(topic)
        # zero would wait for ever
        words = ("XREAD", "COUNT", limit, "BLOCK", max(1, int(timeout_s * 1000)))
        found = await self._connection.block(*words, "STREAMS", key, "0-0", timeout_s=timeout_s)
        rows = found[0][1] if found else ()
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
