"""Sequences on the server: where they end, what is stored of them, what is archived."""

from collections.abc import Mapping, Sequence

from ..log import Entry, ScopeState, SequenceState, scope_of
from .connection import RedisConnection
from .entries import ForeignEntryError, RawEntry, entry_from, entry_id
from .scripts import LogScripts

RANGE_ENTRIES = 100
"""Entries that one XRANGE may return where neighbouring batches are read together."""


def _state_from(value: bytes | None) -> SequenceState:
    """Return a sequence's state as the scripts write it: ``12``, or ``12.`` once it is closed."""
    if value is None:
        return SequenceState()
    return SequenceState(int(value.rstrip(b".")), value.endswith(b"."))


class RedisSequences:
    """The part of `RedisLog` that is about sequences and scopes."""

    def __init__(self, connection: RedisConnection) -> None:
        self._connection = connection
        self._keys = connection.keys
        self._scripts = LogScripts(connection)

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

    def _entries(self, stream: str, rows: Sequence[RawEntry]) -> list[Entry]:
        try:
            return [entry_from(row) for row in rows]
        except ForeignEntryError as error:
            raise self._scripts.foreign_entry(f"{stream} ({error})") from None
