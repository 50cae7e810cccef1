"""Pieces of the archive: a session's records, their sound as FLAC.

A piece has the entries of one session in one partition that lay between two offsets of each topic.
It is ``MAGIC``, the length of its header (4 bytes, big-endian), the header (MessagePack, deflated),
and a body for each of its sections. A section has the entries of one sequence: their rows
(MessagePack, deflated), and the samples of all of them, in order, as one FLAC file (RFC 9639).

Every piece lists those before it, so the newest one is enough to find any position. An entry comes
back byte for byte: it is tried when the piece is made, and what would not is kept as it is.
"""

import hashlib
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, cast

import msgspec
from av.error import FFmpegError

from .audio.flac import from_flac, to_flac

MAGIC = b"rhaparc1"
LENGTH_BYTES = 4
SAMPLE_BYTES = 2
DEFLATE_LEVEL = 3


class DamagedPieceError(ValueError):
    """The bytes are no piece of the archive, or not what was written."""


@dataclass(frozen=True, slots=True)
class ArchivedEntry:
    """An entry of the log, and where it was."""

    topic: str
    sequence: str
    start: int
    end: int
    """Positions ``[start, end)`` of its record."""
    offset: int
    timestamp_ms: int
    key: bytes
    value: bytes


class Listed(msgspec.Struct, frozen=True, array_like=True):
    """What of a sequence an earlier piece has."""

    topic: str
    sequence: str
    start: int
    end: int
    piece: str
    """The piece's name."""


class Section(msgspec.Struct, frozen=True, array_like=True):
    """Where in its piece the entries of a sequence are."""

    topic: str
    sequence: str
    start: int
    end: int
    at: int
    """Bytes from the end of the header."""
    rows_bytes: int
    flac_bytes: int
    sha256: str
    """Of all values of its entries together, in hexadecimal."""


class Header(msgspec.Struct, frozen=True, kw_only=True):
    """What a piece holds, and where the rest is."""

    session: str
    partition: int
    number: int
    """How many pieces come before it."""
    below: dict[str, int]
    """By topic: the session's entries below this offset are in this piece or an earlier one."""
    sections: tuple[Section, ...]
    earlier: tuple[Listed, ...] = ()


class _Row(msgspec.Struct, frozen=True, array_like=True):
    start: int
    end: int
    offset: int
    timestamp_ms: int
    key: bytes
    body: bytes
    """The value without its samples."""
    pcm_at: int
    """Where in the value they belong."""
    pcm_bytes: int


_pack = msgspec.msgpack.Encoder()
_header_from = msgspec.msgpack.Decoder(Header)
_rows_from = msgspec.msgpack.Decoder(tuple[_Row, ...])


class Contents(msgspec.Struct, frozen=True, kw_only=True):
    """What a piece is made of."""

    session: str
    partition: int
    number: int
    earlier: tuple[Listed, ...]
    """What those before it have."""
    below: dict[str, int]
    """By topic: from which offset on the log has the session's records."""
    entries: tuple[ArchivedEntry, ...]


def encode_piece(contents: Contents) -> bytes:
    """Return a piece of the entries, which keep their order within their sequences."""
    grouped: dict[tuple[str, str], list[ArchivedEntry]] = {}
    for entry in contents.entries:
        grouped.setdefault((entry.topic, entry.sequence), []).append(entry)
    sections: list[Section] = []
    bodies: list[bytes] = []
    at = 0
    for (topic, sequence), group in grouped.items():
        rows, flac = _encode_section(group)
        sections.append(
            Section(
                topic,
                sequence,
                group[0].start,
                group[-1].end,
                at,
                len(rows),
                len(flac),
                _digest(entry.value for entry in group),
            )
        )
        bodies += (rows, flac)
        at += len(rows) + len(flac)
    header = zlib.compress(
        _pack.encode(
            Header(
                session=contents.session,
                partition=contents.partition,
                number=contents.number,
                below=contents.below,
                sections=tuple(sections),
                earlier=contents.earlier,
            )
        ),
        DEFLATE_LEVEL,
    )
    return b"".join((MAGIC, len(header).to_bytes(LENGTH_BYTES, "big"), header, *bodies))


def decode_header(data: bytes) -> tuple[Header, int]:
    """Return a piece's header, and where its sections begin.

    Raises:
        DamagedPieceError: the bytes do not begin as a piece does.
    """
    start = len(MAGIC) + LENGTH_BYTES
    if not data.startswith(MAGIC):
        raise DamagedPieceError("the bytes are no piece of an archive")
    length = int.from_bytes(data[len(MAGIC) : start], "big")
    try:
        header = _header_from.decode(zlib.decompress(data[start : start + length]))
    except (zlib.error, msgspec.DecodeError) as error:
        raise DamagedPieceError(f"the piece's header cannot be read: {error}") from None
    return header, start + length


def decode_section(data: bytes, begin: int, section: Section) -> list[ArchivedEntry]:
    """Return the entries of a section of a piece whose sections begin at ``begin``.

    Raises:
        DamagedPieceError: they are not what was written.
    """
    at = begin + section.at
    rows_end = at + section.rows_bytes
    try:
        rows = _rows_from.decode(zlib.decompress(data[at:rows_end]))
        pcm = from_flac(data[rows_end : rows_end + section.flac_bytes])
        values = list(_values(rows, pcm))
    except (zlib.error, msgspec.DecodeError, FFmpegError, ValueError) as error:
        raise DamagedPieceError(f"{section.topic} cannot be read: {error}") from None
    if _digest(values) != section.sha256:
        raise DamagedPieceError(f"{section.topic} is not what was written")
    return [
        ArchivedEntry(
            section.topic,
            section.sequence,
            row.start,
            row.end,
            row.offset,
            row.timestamp_ms,
            row.key,
            value,
        )
        for row, value in zip(rows, values, strict=True)
    ]


def _encode_section(entries: Sequence[ArchivedEntry]) -> tuple[bytes, bytes]:
    rows: list[_Row] = []
    samples: list[bytes] = []
    channels = 1
    for entry in entries:
        pcm, found = _samples_of(entry.value)
        pcm_at = entry.value.find(pcm) if pcm else 0
        channels = found if pcm else channels
        body = entry.value[:pcm_at] + entry.value[pcm_at + len(pcm) :]
        samples.append(pcm)
        rows.append(
            _Row(
                entry.start,
                entry.end,
                entry.offset,
                entry.timestamp_ms,
                entry.key,
                body,
                pcm_at,
                len(pcm),
            )
        )
    flac = to_flac(b"".join(samples), channels)
    return zlib.compress(_pack.encode(rows), DEFLATE_LEVEL), flac


def _samples_of(value: bytes) -> tuple[bytes, int]:
    """Return the samples in a value, and of how many channels they are; none where it has none."""
    try:
        fields: Any = msgspec.msgpack.decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return b"", 1
    if not isinstance(fields, dict):
        return b"", 1
    record = cast("dict[str, Any]", fields)
    pcm, channels = record.get("pcm"), record.get("channels", 1)
    if not isinstance(pcm, bytes) or channels not in (1, 2) or len(pcm) % (SAMPLE_BYTES * channels):
        return b"", 1
    return pcm, channels


def _values(rows: Iterable[_Row], pcm: bytes) -> Iterable[bytes]:
    at = 0
    for row in rows:
        yield row.body[: row.pcm_at] + pcm[at : at + row.pcm_bytes] + row.body[row.pcm_at :]
        at += row.pcm_bytes


def _digest(values: Iterable[bytes]) -> str:
    digest = hashlib.sha256()
    for value in values:
        digest.update(value)
    return digest.hexdigest()
