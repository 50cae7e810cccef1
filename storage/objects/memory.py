"""Objects in memory, under the same contracts as those in a folder and in S3."""

import hashlib
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager

from .live_source import LiveStream
from .names import (
    check_name,
    check_prefix,
    check_source_name,
    content_type_of,
    live_url,
    shown_name,
)
from .source import ObjectInfo, changed, check_range
from .store import ObjectsRefusedError, StoredObject

LIVE_READ_BYTES = 4_096


class MemoryObjects:
    """`storage.objects.store.Objects` in one process."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        """What is stored, by name."""

    async def prepare(self) -> None:
        """Do nothing: memory can always be written to."""

    async def put(self, name: str, data: bytes, content_type: str) -> None:
        self.files[check_name(name)] = data

    async def get(self, name: str) -> StoredObject | None:
        data = self.files.get(check_name(name))
        if data is None:
            return None
        return StoredObject(data, content_type_of(name), _etag(data))

    async def names(self, prefix: str) -> list[str]:
        check_prefix(prefix)
        return sorted(name for name in self.files if name.startswith(prefix))

    async def delete(self, name: str) -> None:
        self.files.pop(check_name(name), None)

    def url(self, name: str) -> str:
        return f"memory:{check_name(name)}"

    async def close(self) -> None:
        """Do nothing: no connection is held."""


class MemorySource:
    """`storage.objects.source.ObjectSource` in one process.

    Raises:
        ValueError: one of the names is invalid.
    """

    def __init__(self, files: Mapping[str, bytes] | None = None) -> None:
        self.files: dict[str, bytes] = {}
        """What can be read, by name; it may change at any time, as other sources do."""
        for name, data in (files or {}).items():
            self.files[check_source_name(name)] = data

    async def stat(self, name: str) -> ObjectInfo | None:
        data = self.files.get(check_source_name(name))
        return None if data is None else ObjectInfo(len(data), _etag(data))

    async def folders(self, name: str, most: int) -> list[str]:
        lead = f"{check_source_name(name)}/"
        below = (one[len(lead) :] for one in self.files if one.startswith(lead))
        return sorted({path.partition("/")[0] for path in below if "/" in path})[:most]

    async def read(self, name: str, start: int, end: int, *, etag: str) -> bytes:
        check_range(start, end)
        data = self.files.get(check_source_name(name))
        if data is None or _etag(data) != etag:
            raise changed(name)
        return data[start:end]

    async def close(self) -> None:
        """Do nothing: no connection is held."""


def _etag(data: bytes) -> str:
    return f'"{hashlib.sha256(data).hexdigest()[:32]}"'


class MemoryLiveSource:
    """`storage.objects.live_source.LiveSource` of streams that give what they have, and end."""

    def __init__(self, streams: Mapping[str, bytes]) -> None:
        self._streams = streams

    @asynccontextmanager
    async def listen(self, name: str) -> AsyncGenerator[LiveStream]:
        live_url(name)
        if name not in self._streams:
            raise ObjectsRefusedError(f"there is no stream {shown_name(name)}")
        yield _MemoryLiveStream(self._streams[name])

    async def close(self) -> None:
        """Do nothing: there is no connection."""


class _MemoryLiveStream:
    is_station = False

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._position = 0

    async def read(self) -> bytes:
        start, self._position = self._position, self._position + LIVE_READ_BYTES
        return self._data[start : self._position]
