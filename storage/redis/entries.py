"""Entries as fields of a stream: ``t`` (ms), ``k``, ``v``, ``h``; what is None has no field."""

from typing import Any

import msgspec

from ..log import Entry, NewEntry

RawEntry = list[Any]
"""A raw reply: id, and a flat list of fields and values."""

_headers = msgspec.msgpack.Decoder(tuple[tuple[str, bytes], ...])
_USUAL_FIELDS = [b"t", b"k", b"v"]


class ForeignEntryError(ValueError):
    """A stream's entry that this log did not write."""


def entry_id(offset: int) -> str:
    """Return the stream id of an offset: ids start at ``0-1``."""
    return f"0-{offset + 1}"


def words_of(entry: NewEntry) -> list[Any]:
    """Return the fields and values of an entry, without its time."""
    words: list[Any] = []
    if entry.key is not None:
        words += ("k", entry.key)
    if entry.value is not None:
        words += ("v", entry.value)
    if entry.headers:
        words += ("h", msgspec.msgpack.encode(entry.headers))
    return words


def entry_from(raw: RawEntry) -> Entry:
    """Return the entry of a raw reply.

    Whoever wrote fields that are not the log's gets an entry without key and value, which no reader
    takes for a record: it is that entry's trouble, and not the partition's.

    Raises:
        ForeignEntryError: the id is not of the kind that the log writes: none of its could follow.
    """
    identity, words = raw
    if identity[:2] != b"0-":
        raise ForeignEntryError(f"entry {identity.decode(errors='replace')}")
    try:
        if words[::2] == _USUAL_FIELDS:  # nearly every entry: no need to look fields up
            return Entry(int(identity[2:]) - 1, int(words[1]), words[3], words[5])
        fields = dict(zip(words[::2], words[1::2], strict=True))
        headers = fields.get(b"h")
        return Entry(
            offset=int(identity[2:]) - 1,
            timestamp_ms=int(fields[b"t"]),
            key=fields.get(b"k"),
            value=fields.get(b"v"),
            headers=_headers.decode(headers) if headers else (),
        )
    except (KeyError, ValueError, OverflowError):  # msgspec's errors are ValueErrors
        return Entry(int(identity[2:]) - 1, 0, None, None)
