"""A cache on this machine's disk before a source that is far away."""

import asyncio
from collections import OrderedDict

import structlog

from .block_folder import BLOCK_BYTES, BlockFolder
from .names import lasting_name
from .source import MOST_READ_BYTES, ObjectInfo, ObjectSource, check_range
from .store import ObjectsUnreachableError

MOST_RECENT = 1_000
"""Objects whose size and ETag are kept in memory, for when they are read."""
MOST_BLOCKS_A_READ = MOST_READ_BYTES // BLOCK_BYTES
_INFO = -1
"""Number of the block that has an object's size and ETag."""
log = structlog.get_logger()


class CachedSource:
    """`storage.objects.source.ObjectSource` that reads each part of an object once.

    What is kept belongs to a name and an ETag, so that it is never stale; the source is asked for
    the ETag each time an object is opened. Where it does not answer, the ETag that was read last
    counts: what was played goes on playing while the source is away. An object that is replaced
    while it is read is read on as it was, as far as it is kept.
    """

    def __init__(self, source: ObjectSource, blocks: BlockFolder) -> None:
        self._source = source
        self._blocks = blocks
        self._recent: OrderedDict[str, ObjectInfo] = OrderedDict()
        self._told = False

    async def stat(self, name: str) -> ObjectInfo | None:
        try:
            info = await self._source.stat(name)
        except ObjectsUnreachableError:
            known = await asyncio.to_thread(self._blocks.get, name, _INFO)
            if known is None:
                raise
            size, _, etag = known.decode().partition(" ")
            return ObjectInfo(int(size), etag)
        if info is not None:
            self._recent[name] = info
            self._recent.move_to_end(name)
            if len(self._recent) > MOST_RECENT:
                self._recent.popitem(last=False)
        return info

    async def folders(self, name: str, most: int) -> list[str]:
        return await self._source.folders(name, most)

    async def read(self, name: str, start: int, end: int, *, etag: str) -> bytes:
        check_range(start, end)
        if start == end:
            return await self._source.read(name, start, end, etag=etag)
        first, behind = start // BLOCK_BYTES, -(-end // BLOCK_BYTES)
        kept = await asyncio.to_thread(self._kept, name, etag, range(first, behind))
        data = bytearray()
        at = first
        while at < behind:
            if at in kept:
                data += kept[at]
                at += 1
                continue
            to = next((number for number in range(at, behind) if number in kept), behind)
            to = min(to, at + MOST_BLOCKS_A_READ)
            new = await self._source.read(name, at * BLOCK_BYTES, to * BLOCK_BYTES, etag=etag)
            await asyncio.to_thread(self._keep, name, etag, at, new)
            data += new
            at = to
        return bytes(data[start - first * BLOCK_BYTES : end - first * BLOCK_BYTES])

    async def close(self) -> None:
        await self._source.close()

    def _kept(self, name: str, etag: str, numbers: range) -> dict[int, bytes]:
        if 0 in numbers:
            self._blocks.get(name, _INFO)  # used with the object, it lasts as long
        found = ((number, self._blocks.get(_key(name, etag), number)) for number in numbers)
        return {number: block for number, block in found if block is not None}

    def _keep(self, name: str, etag: str, first: int, data: bytes) -> None:
        info = self._recent.get(name)
        try:
            if info is not None and info.etag == etag:
                self._blocks.put(name, _INFO, f"{info.size_bytes} {etag}".encode())
            for offset in range(0, len(data), BLOCK_BYTES):
                block = data[offset : offset + BLOCK_BYTES]
                self._blocks.put(_key(name, etag), first + offset // BLOCK_BYTES, block)
        except OSError as error:  # to read from afar is slower, and works
            if not self._told:
                log.warning("no cache of audio files", why=error.strerror)
            self._told = True


def _key(name: str, etag: str) -> str:
    return f"{lasting_name(name)} {etag}"
