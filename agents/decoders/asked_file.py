"""An object as a file whose bytes are asked for: for a decoder in a thread."""

import io
from collections.abc import Callable
from typing import Any

BLOCK_BYTES = 256 * 1024
"""Asked for at a time: decoders read far less."""


class AskedFile(io.RawIOBase):
    """Reads one object in blocks.

    Args:
        size_bytes: Of the object.
        ask: Returns the bytes ``[start, end)``; called in the thread that reads.
    """

    def __init__(self, size_bytes: int, ask: Callable[[int, int], bytes]) -> None:
        super().__init__()
        self._size_bytes = size_bytes
        self._ask = ask
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
        origin = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size_bytes}
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
        end = min(self._size_bytes, self._position + BLOCK_BYTES)
        if self._position >= end:
            return b""
        self._block = self._ask(self._position, end)
        self._block_start = self._position
        return self._block


class RunningFile(io.RawIOBase):
    """Reads what comes, once and in order.

    Args:
        ask: Returns what comes next, nothing at the end; called in the thread that reads.
    """

    def __init__(self, ask: Callable[[int, int], bytes]) -> None:
        super().__init__()
        self._ask = ask
        self._position = 0
        self._at_hand = b""

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return False

    def tell(self) -> int:
        return self._position

    def readinto(self, buffer: Any) -> int:
        """Read what is at hand, or wait for more."""
        target = memoryview(buffer).cast("B")
        if not self._at_hand:
            self._at_hand = self._ask(self._position, self._position + len(target))
        data = self._at_hand[: len(target)]
        self._at_hand = self._at_hand[len(data) :]
        target[: len(data)] = data
        self._position += len(data)
        return len(data)
