"""Where objects are stored: segments, playlists, and what else is too large for the log."""

from dataclasses import dataclass
from typing import Protocol


class ObjectsUnreachableError(OSError):
    """The store does not answer, or refuses for now; try again."""


class ObjectsRefusedError(Exception):
    """The store refuses, however often it is asked; the message says what to do."""


@dataclass(frozen=True, slots=True)
class StoredObject:
    """An object's bytes, with what a cache needs to know of them."""

    data: bytes
    content_type: str
    etag: str
    """Entity tag with its quotes (RFC 9110, 8.8.3): another one for other bytes."""


class Objects(Protocol):
    """Named byte strings. Names are relative paths of plain parts, such as ``abc/audio.m3u8``.

    No name may be the folder of another: beside ``abc/audio.m3u8`` there can be no ``abc``.
    All methods may raise `ObjectsUnreachableError` and `ObjectsRefusedError`, and ``ValueError``
    for an invalid name (`names.check_name`).
    """

    async def prepare(self) -> None:
        """Make the bucket or folder where missing, and see that it can be written to."""
        ...

    async def put(self, name: str, data: bytes, content_type: str) -> None:
        """Store the object, atomically replacing an older one; it can be read on return.

        The content type is the one that goes with the name's ending (`names.content_type_of`).
        """
        ...

    async def get(self, name: str) -> StoredObject | None:
        """Return the object, None if there is none."""
        ...

    async def names(self, prefix: str) -> list[str]:
        """Return, sorted, the names that start with the prefix; all names where it is empty."""
        ...

    async def delete(self, name: str) -> None:
        """Remove the object; no error if there is none."""
        ...

    def url(self, name: str) -> str:
        """Return where a client that reaches the store can read the object."""
        ...

    async def close(self) -> None:
        """Close every connection."""
        ...
