"""The file that a decoder reads: bounded against endless headers, its errors remembered.

FFmpeg takes some read errors for the end of a file, and would look for the next header as long as
bytes come.
"""

from typing import Protocol

from .files import AudioFormatError

MAX_IDLE_BYTES = 64 * 1024 * 1024
"""Bytes read without a sample of sound to show for them: cover art and indexes fit, an endless
header does not."""

MAX_IDLE_STEPS = 100_000
"""Reads, seeks and packets without a sample of sound."""


class BinaryFile(Protocol):
    """What audio is read from: a file, or what looks like one."""

    def seekable(self) -> bool:
        """Return whether `seek` is possible."""
        ...

    def read(self, size: int, /) -> bytes:
        """Return up to ``size`` bytes, none only at the end."""
        ...

    def seek(self, offset: int, whence: int = 0, /) -> int:
        """Move as ``io.IOBase.seek`` does, ``whence`` 2 included."""
        ...

    def tell(self) -> int:
        """Return the offset of the next byte."""
        ...


class BoundedFile:
    """A file that stops a reader who reads on and on to no purpose, and keeps its first error."""

    def __init__(self, file: BinaryFile) -> None:
        self._file = file
        self._error: Exception | None = None
        self._idle_bytes = 0
        self._idle_steps = 0
        if file.seekable():
            file.seek(0)

    def seekable(self) -> bool:
        """Return whether the file is."""
        return self._file.seekable()

    def read(self, size: int) -> bytes:
        """Read as the file does.

        Raises:
            AudioFormatError: too much was read since the last ``note_progress``.
            Exception: what the file raised, now or before.
        """
        self.raise_error()
        try:
            data = self._file.read(size)
        except Exception as error:
            self._error = error
            raise
        self._idle_bytes += len(data)
        self.count_step()
        return data

    def seek(self, offset: int, whence: int = 0) -> int:
        """Move as the file does; -1 where that would be before its start."""
        self.count_step()
        if whence == 0 and offset < 0:
            return -1  # damaged data may send FFmpeg there, and it takes no for an answer
        try:
            return self._file.seek(offset, whence)
        except Exception as error:
            self._error = error
            raise

    def tell(self) -> int:
        """Return the offset of the next byte."""
        return self._file.tell()

    def note_progress(self) -> None:
        """Begin to count anew: what was read was worth it."""
        self._idle_bytes = self._idle_steps = 0

    def raise_error(self) -> None:
        """Raise the error that reading met, if it met one."""
        if self._error is not None:
            raise self._error

    def count_step(self) -> None:
        """Count a read, a seek or a packet.

        Raises:
            AudioFormatError: there were too many without progress.
        """
        self._idle_steps += 1
        if self._idle_bytes > MAX_IDLE_BYTES or self._idle_steps > MAX_IDLE_STEPS:
            self._error = AudioFormatError(
                f"no sound in {self._idle_bytes} bytes: this is not an audio file"
            )
            raise self._error
