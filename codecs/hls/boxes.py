"""ISO base media boxes as bytes, and back (ISO/IEC 14496-12, 4.2)."""

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

CONTAINERS = frozenset(
    (b"moov", b"trak", b"edts", b"mdia", b"minf", b"dinf", b"stbl", b"mvex", b"moof", b"traf")
)
"""Boxes that hold nothing but boxes."""

MAX_DEPTH = 8
"""Deepest nesting that is read; fragmented MP4 needs six levels."""


class BoxError(ValueError):
    """Bytes that are not a sequence of whole boxes."""


def box(kind: bytes, *payload: bytes) -> bytes:
    """Return a box of a four-letter kind around the joined payload."""
    body = b"".join(payload)
    return struct.pack(">I4s", 8 + len(body), kind) + body


def full_box(kind: bytes, version: int, flags: int, *payload: bytes) -> bytes:
    """Return a box with version (8 bits) and flags (24 bits) in front of the payload."""
    return box(kind, struct.pack(">I", version << 24 | flags), *payload)


@dataclass(frozen=True, slots=True)
class Box:
    """A box that was read: its offset and contents."""

    kind: bytes
    start: int
    """Offset of its first header byte in the bytes that were parsed."""
    payload: bytes
    children: tuple["Box", ...] = ()

    @property
    def end(self) -> int:
        """Offset after its last byte."""
        return self.start + 8 + len(self.payload)

    @property
    def version(self) -> int:
        """Version of a full box."""
        return self.read(">B")[0]

    @property
    def flags(self) -> int:
        """Flags of a full box."""
        return self.read(">I")[0] & 0xFFFFFF

    def read(self, form: str, offset: int = 0) -> tuple[int, ...]:
        """Unpack integers from the payload.

        Raises:
            BoxError: the payload is too short.
        """
        try:
            return struct.unpack_from(form, self.payload, offset)
        except struct.error:
            raise BoxError(f"box {self.kind!r} at {self.start} is too short") from None

    def walk(self) -> Iterator["Box"]:
        """Yield every box inside, depth first."""
        for child in self.children:
            yield child
            yield from child.walk()


def parse_boxes(data: bytes) -> tuple[Box, ...]:
    """Read a sequence of whole boxes; containers are read inside.

    Sizes 0 (to the end) and 1 (64 bit) are refused: nothing here writes them.

    Raises:
        BoxError: a box is cut short, or its size is more than there is.
    """
    return _parse(data, 0, 0)


def _parse(data: bytes, offset: int, depth: int) -> tuple[Box, ...]:
    boxes: list[Box] = []
    position = 0
    while position < len(data):
        if len(data) - position < 8:
            raise BoxError(f"half a box header at {offset + position}")
        size, kind = struct.unpack_from(">I4s", data, position)
        if not 8 <= size <= len(data) - position:
            raise BoxError(f"box {kind!r} at {offset + position} claims {size} bytes")
        payload = data[position + 8 : position + size]
        nested = kind in CONTAINERS
        if nested and depth == MAX_DEPTH:
            raise BoxError(f"boxes at {offset + position} are nested too deep")
        children = _parse(payload, offset + position + 8, depth + 1) if nested else ()
        boxes.append(Box(kind, offset + position, payload, children))
        position += size
    return tuple(boxes)


def find_boxes(boxes: Sequence[Box], kind: bytes) -> list[Box]:
    """Return every box of a kind among the boxes and inside them, in order."""
    return [found for outer in boxes for found in (outer, *outer.walk()) if found.kind == kind]
