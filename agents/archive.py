"""The archive: where a session's records are once the log has let go of them.

An object ``archive/<session>/<partition>-<number>-<random>.piece`` is written before the log notes
its name, and never changes: whoever finds a name finds the piece. Of two who write the same piece
the log takes one; the other's is removed. Once the log forgets a session, an object
``archive/<session>/head`` has the names that the log had.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from secrets import token_hex

import msgspec

from ..codecs.archive import (
    ArchivedEntry,
    Contents,
    DamagedPieceError,
    Header,
    Listed,
    Section,
    decode_header,
    decode_section,
)
from ..codecs.records import check_session
from ..storage.log import Entry, SequenceState
from ..storage.objects.store import Objects
from .piece_encoder import Encode, in_thread

FOLDER = "archive"
CONTENT_TYPE = "application/octet-stream"
CACHE_BYTES = 4_000_000
"""Of pieces as they are stored; a minute of a session takes about 3 MB."""
HEADERS_BYTES = 2_000_000
"""Of headers; one that follows hundreds of pieces takes 100 KB."""
HEADER_ROW_BYTES = 250
"""Of one thing that a header names."""
DECODED_BYTES = 10_000_000
"""Of sections with their samples; a minute of audio takes about 6 MB."""


class KeptEntry(msgspec.Struct, frozen=True, array_like=True):
    """An entry that a head has, so that nobody need read a piece for it."""

    topic: str
    sequence: str
    position: int
    offset: int
    timestamp_ms: int
    key: bytes
    value: bytes


class Head(msgspec.Struct, frozen=True, kw_only=True):
    """What the log knew of a session that it has forgotten."""

    session: str
    created_ms: int
    ended_ms: int
    pieces: dict[int, str]
    """By partition number: the name of the newest piece."""
    states: dict[str, tuple[int, bool]]
    """By topic and sequence, with a space between: where it ends, and whether it is closed."""
    kept: tuple[KeptEntry, ...] = ()
    """What tells what the session is and what became of it."""

    def entry(self, topic: str, sequence: str, position: int) -> Entry | None:
        """Return what is at a position that takes one record, if the head has it."""
        for one in self.kept:
            if (one.topic, one.sequence, one.position) == (topic, sequence, position):
                return Entry(one.offset, one.timestamp_ms, one.key, one.value)
        return None

    def state(self, topic: str, sequence: str) -> SequenceState:
        """Return where a sequence ended."""
        return SequenceState(*self.states.get(f"{topic} {sequence}", (0, False)))


@dataclass(slots=True)
class _Piece:
    data: bytes
    header: Header
    begin: int


@dataclass(slots=True)
class _Sized:
    """Values by key, those used last, as many as fit into so many bytes."""

    most_bytes: int
    _kept: OrderedDict[object, tuple[object, int]] = field(
        default_factory=OrderedDict[object, tuple[object, int]]
    )
    _bytes: int = 0

    def get(self, key: object) -> object | None:
        found = self._kept.get(key)
        if found is None:
            return None
        self._kept.move_to_end(key)
        return found[0]

    def put(self, key: object, value: object, size_bytes: int) -> None:
        if key in self._kept:
            return
        self._kept[key] = (value, size_bytes)
        self._bytes += size_bytes
        while self._bytes > self.most_bytes and len(self._kept) > 1:
            _, (_, dropped_bytes) = self._kept.popitem(last=False)
            self._bytes -= dropped_bytes


class Archive:
    """Pieces and heads of sessions in an object store.

    All methods may raise what the store does, and `DamagedPieceError` for an object that is not
    what was written.
    """

    def __init__(self, objects: Objects, encode: Encode = in_thread) -> None:
        self._objects = objects
        self._encode = encode
        self._headers = _Sized(HEADERS_BYTES)
        self._pieces = _Sized(CACHE_BYTES)
        self._decoded = _Sized(DECODED_BYTES)

    async def header(self, name: str) -> Header:
        """Return what a piece holds, and what those before it do."""
        known = self._headers.get(name)
        if isinstance(known, Header):
            return known
        header = (await self._piece(name)).header
        self._note(name, header)
        return header

    async def add(
        self,
        session: str,
        partition: int,
        newest: str,
        below: Mapping[str, int],
        entries: Sequence[ArchivedEntry],
    ) -> tuple[str, int]:
        """Store a piece that follows the newest one; return its name, and its size in bytes."""
        number, earlier, lies_below = 0, (), dict[str, int]()
        if newest:
            header = await self.header(newest)
            number, lies_below = header.number + 1, header.below
            earlier = (*header.earlier, *_listed(newest, header.sections))
        contents = Contents(
            session=session,
            partition=partition,
            number=number,
            earlier=earlier,
            below={**lies_below, **below},
            entries=tuple(entries),
        )
        data = await self._encode(contents)
        # of its own, for the loser of two who archive the same removes what it stored
        name = f"{FOLDER}/{session}/{partition}-{number:06}-{token_hex(8)}.piece"
        await self._objects.put(name, data, CONTENT_TYPE)
        self._note(name, decode_header(data)[0])  # the next piece follows it
        return name, len(data)

    def _note(self, name: str, header: Header) -> None:
        rows = len(header.earlier) + len(header.sections) + len(header.below)
        self._headers.put(name, header, rows * HEADER_ROW_BYTES)

    async def withdraw(self, name: str) -> None:
        """Remove a piece that the log does not name."""
        await self._objects.delete(name)

    async def read(
        self,
        newest: str,
        topic: str,
        sequence: str,
        start: int,
        end: int | None,
        limit: int | None,
    ) -> list[Entry]:
        """Return archived entries as `Log.read_sequence` does; fewer where a piece ends.

        ``newest`` is the name of the newest piece of the sequence's partition.
        """
        header = await self.header(newest)
        found: list[ArchivedEntry] = []
        for listed in _touching(
            (*header.earlier, *_listed(newest, header.sections)), topic, sequence, start, end
        ):
            entries = await self._section(listed)
            found += [entry for entry in entries if _touches(entry, start, end)]
            if limit is not None and found:
                break
        return [
            Entry(entry.offset, entry.timestamp_ms, entry.key, entry.value)
            for entry in _whole_batches(found, limit)
        ]

    async def put_head(self, head: Head) -> None:
        """Store what the log knew of a session, before the log forgets it."""
        await self._objects.put(
            _head_name(head.session), msgspec.msgpack.encode(head), CONTENT_TYPE
        )

    async def head(self, session: str) -> Head | None:
        """Return what the log knew of a session that it forgot; None if there is no such."""
        stored = await self._objects.get(_head_name(check_session(session)))
        if stored is None:
            return None
        try:
            return msgspec.msgpack.decode(stored.data, type=Head)
        except msgspec.DecodeError as error:
            raise DamagedPieceError(f"the head of session {session}: {error}") from None

    async def sessions(self) -> list[str]:
        """Return the sessions that have something in the archive."""
        names = await self._objects.names(f"{FOLDER}/")
        return sorted({name.split("/")[1] for name in names})

    async def remove(self, session: str) -> int:
        """Remove all of a session, its head last; return how many objects that were."""
        names = await self._objects.names(f"{FOLDER}/{check_session(session)}/")
        head = _head_name(session)
        for name in sorted(names, key=lambda name: name == head):
            await self._objects.delete(name)
        return len(names)

    async def _piece(self, name: str) -> _Piece:
        known = self._pieces.get(name)
        if isinstance(known, _Piece):
            return known
        stored = await self._objects.get(name)
        if stored is None:
            raise DamagedPieceError(f"{name} is not in the archive any more")
        try:
            header, begin = decode_header(stored.data)
        except DamagedPieceError as error:
            raise DamagedPieceError(f"{name}: {error}") from None
        piece = _Piece(stored.data, header, begin)
        self._pieces.put(name, piece, len(stored.data))
        return piece

    async def _section(self, listed: Listed) -> list[ArchivedEntry]:
        key = (listed.piece, listed.topic, listed.sequence)
        known = self._decoded.get(key)
        if isinstance(known, list):
            return known  # pyright: ignore[reportUnknownVariableType]  # what is put in below
        piece = await self._piece(listed.piece)
        sections = [one for one in piece.header.sections if (one.topic, one.sequence) == key[1:]]
        try:
            entries = await asyncio.to_thread(decode_section, piece.data, piece.begin, sections[0])
        except DamagedPieceError as error:
            raise DamagedPieceError(f"{listed.piece}: {error}") from None
        self._decoded.put(key, entries, sum(len(entry.value) for entry in entries))
        return entries


def _head_name(session: str) -> str:
    return f"{FOLDER}/{session}/head"


def _listed(name: str, sections: Iterable[Section]) -> tuple[Listed, ...]:
    return tuple(
        Listed(section.topic, section.sequence, section.start, section.end, name)
        for section in sections
    )


def _touching(
    listed: Iterable[Listed], topic: str, sequence: str, start: int, end: int | None
) -> list[Listed]:
    ours = [one for one in listed if (one.topic, one.sequence) == (topic, sequence)]
    found = [one for one in ours if one.end > start and (end is None or one.start < end)]
    # a bare end mark lies at the end of what is before it
    return found or [one for one in ours[-1:] if one.end == start]


def _touches(entry: ArchivedEntry, start: int, end: int | None) -> bool:
    if end is not None and entry.start >= end:
        return False
    return entry.end > start or entry.start == entry.end == start


def _whole_batches(entries: list[ArchivedEntry], limit: int | None) -> list[ArchivedEntry]:
    """Return the batches that have no more entries together than the limit, and at least one."""
    if limit is None or len(entries) <= limit:
        return entries
    ends = [
        at
        for at in range(1, len(entries) + 1)
        if at == len(entries)
        or (entries[at].start, entries[at].end) != (entries[at - 1].start, entries[at - 1].end)
    ]
    fitting = [at for at in ends if at <= limit]
    return entries[: fitting[-1] if fitting else ends[0]]
