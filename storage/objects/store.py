"""Where objects rest: segments, playlists, and what else is too large for the log."""

from dataclasses import dataclass
from typing import Protocol


class ObjectsUnreachableError(OSError):
    """The store does not answer or refuses for now; worth another try."""


class ObjectsRefusedError(Exception):
    """The store will not do it, however often it is asked; the message says what to do."""


@dataclass(frozen=True, slots=True)
class StoredObject:
    """An object's bytes, with what a listener's cache needs to know."""

    data: bytes
    content_type: str
    etag: str
    """Entity tag with its quotes (RFC 9110, 8.8.3): another one for other bytes."""


class Objects(Protocol):
    """Named byte strings. Names are relative paths of plain segments, such as ``abc/audio.m3u8``.

    No name may be the folder of another: beside ``abc/audio.m3u8`` there can be no ``abc``.
    All methods may raise `ObjectsUnreachableError` and `ObjectsRefusedError`, and ``ValueError``
    for a name that is none.
    """

    async def prepare(self) -> None:
        """Make sure the store can be written to; make the bucket or folder where missing."""
        ...

    async def put(self, name: str, data: bytes, content_type: str) -> None:
        """Store the object, atomically replacing an older one; it can be read on return.

        The content type is the one that goes with the name's ending (`object_names`).
        """
        ...

    async def get(self, name: str) -> StoredObject | None:
        """Return the object, None if there is none."""
        ...

    async def names(self, prefix: str) -> list[str]:
        """Return, sorted, the names that start with the prefix; the empty one starts them all."""
        ...

    async def delete(self, name: str) -> None:
        """Remove the object; no error if there is none."""
        ...

    def url(self, name: str) -> str:
        """Return where a client can read the object, if the store is reachable for it."""
        ...

    async def close(self) -> None:
        """Let go of connections."""
        ...
