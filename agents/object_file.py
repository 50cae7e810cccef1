"""An object as a file: seekable, read in ranges of one version, for decoders in threads."""

import asyncio
import io
from typing import Any

from ..storage.objects.source import ObjectInfo, ObjectSource

BLOCK_BYTES = 256 * 1024
"""Read at a time: decoders ask for far less."""
READ_TIMEOUT_S = 60.0


class ObjectFile(io.RawIOBase):
    """Reads one version of an object through the event loop; never used in the loop's thread.

    Raises:
        ObjectChangedError: from a read, where the object is another one by now.
        OSError: from a read, where the source cannot be reached.
    """

    def __init__(
        self,
        source: ObjectSource,
        name: str,
        info: ObjectInfo,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        super().__init__()
        self._source = source
        self._name = name
        self._info = info
        self._loop = loop
        self._position = 0
        self._block_start = 0
        self._block = b""

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move; beyond the end reads give nothing."""
        origin = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._info.size_bytes}
        self._position = max(0, origin[whence] + offset)
        return self._position

    def readinto(self, buffer: Any) -> int:
        """Read up to the end of the block at hand."""
        target = memoryview(buffer).cast("B")
        data = self._at_hand()[: len(target)]
        target[: len(data)] = data
        self._position += len(data)
        return len(data)

    def _at_hand(self) -> bytes:
        offset = self._position - self._block_start
        if 0 <= offset < len(self._block):
            return self._block[offset:]
        end = min(self._info.size_bytes, self._position + BLOCK_BYTES)
        if self._position >= end:
            return b""
        reading = self._source.read(self._name, self._position, end, etag=self._info.etag)
        future = asyncio.run_coroutine_threadsafe(reading, self._loop)
        try:
            self._block = future.result(READ_TIMEOUT_S)
        except TimeoutError:
            future.cancel()
            raise OSError(f"object {self._name!r} was not read in {READ_TIMEOUT_S:.0f} s") from None
        self._block_start = self._position
        return self._block
