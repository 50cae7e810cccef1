"""Where people's files come from: objects that are read by ranges and never written."""

from dataclasses import dataclass
from typing import Protocol

from .names import shown_name

MOST_READ_BYTES = 8 << 20
"""What one read returns at most, which bounds the memory a file can take."""


class ObjectChangedError(Exception):
    """The object no longer has the ETag it was opened with: it was replaced or removed."""


@dataclass(frozen=True, slots=True)
class ObjectInfo:
    """What is known of an object without reading it."""

    size_bytes: int
    etag: str
    """Entity tag with its quotes (RFC 9110, 8.8.3): another one for other bytes."""


class ObjectSource(Protocol):
    """Objects to read, such as uploads and catalogues.

    A name is a relative path (`names.check_source_name`); unicode and spaces are allowed.
    ``stat`` and ``read`` may raise

    * ``ObjectsUnreachableError``: the source does not answer; try again
    * ``ObjectsRefusedError``: it will not serve the object; the message says what to do
    * ``ValueError``: the name or the range is invalid
    """

    async def stat(self, name: str) -> ObjectInfo | None:
        """Return size and ETag of an object, None where there is none by that name."""
        ...

    async def folders(self, name: str, most: int) -> list[str]:
        """Return the names of the folders right below a folder, in order, at most so many.

        There are none where it does not exist. Names that no object may have are left out.
        """
        ...

    async def read(self, name: str, start: int, end: int, *, etag: str) -> bytes:
        """Return the bytes ``[start, end)`` of an object, at most `MOST_READ_BYTES`.

        A range that goes beyond the object's end is cut there, and may be empty.

        Raises:
            ObjectChangedError: the object no longer has that ETag, or no longer exists.
        """
        ...

    async def close(self) -> None:
        """Close every connection."""
        ...


def check_range(start: int, end: int) -> None:
    """Check a range of bytes.

    Raises:
        ValueError: not ``0 <= start <= end``, or longer than `MOST_READ_BYTES`.
    """
    if not 0 <= start <= end:
        raise ValueError(f"[{start}, {end}) is no range of bytes: 0 <= start <= end must hold")
    if end - start > MOST_READ_BYTES:
        raise ValueError(
            f"[{start}, {end}) is too long: one read returns at most {MOST_READ_BYTES:,} bytes"
        )


def changed(name: str) -> ObjectChangedError:
    """Return the error for an object that is not the one that was opened."""
    return ObjectChangedError(
        f"{shown_name(name)} was replaced or removed since it was opened: open it again"
    )
