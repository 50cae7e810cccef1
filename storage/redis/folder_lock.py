"""The lock on an embedded server's folder, held until the server and its starter are gone."""

import contextlib
import fcntl
import os
import signal
import time
from pathlib import Path
from typing import IO

from .server_binary import EmbeddedValkeyError

TAKE_OVER_S = 5.0
"""How long a server whose starter is gone may take to end."""
POLL_S = 0.02


class FolderTakenError(EmbeddedValkeyError):
    """Another process runs the log in the folder."""


class FolderLock:
    """A lock file with the starter's process id, and the server's own pid file beside it.

    The server inherits the lock's descriptor, so the lock is free only when both are gone.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._file: IO[str] | None = None

    @property
    def pid_file(self) -> Path:
        """Where the server writes its process id."""
        return self._folder / "valkey.pid"

    @property
    def descriptor(self) -> int:
        """The lock's file descriptor, for the server to inherit."""
        assert self._file is not None
        return self._file.fileno()

    @property
    def held(self) -> bool:
        """Whether this process holds the lock."""
        return self._file is not None

    def take(self) -> None:
        """Take the folder, making it where missing.

        A server whose starter is gone is ended first.

        Raises:
            EmbeddedValkeyError: the folder cannot be written to.
            FolderTakenError: another process holds the lock.
        """
        try:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            file = (self._folder / "lock").open("a+", encoding="ascii")
        except OSError as error:
            raise EmbeddedValkeyError(
                f"cannot write to {self._folder}: {error.strerror}; choose another folder with "
                "--state"
            ) from None
        if not _locked(file) and not self._taken_over(file):
            file.close()
            raise FolderTakenError(
                f"another process runs the log in {self._folder}: use that one, or choose another "
                "folder with --state"
            )
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        self._file = file

    def release(self) -> None:
        """Release the lock, if it is held."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def starter_lives(self) -> bool:
        """Return whether the process that took the folder last still runs."""
        # a server whose starter was killed is about to end, though it may still answer
        try:
            starter = int((self._folder / "lock").read_text(encoding="ascii"))
            os.kill(starter, 0)
        except (OSError, ValueError) as error:
            return isinstance(error, PermissionError)  # it runs, as another user
        return True

    def _taken_over(self, file: IO[str]) -> bool:
        if self.starter_lives():
            return False
        # only the server holds the lock now; where no signal told it that its starter died, we do
        with contextlib.suppress(OSError, ValueError):
            os.kill(int(self.pid_file.read_text(encoding="ascii")), signal.SIGTERM)
        end_s = time.monotonic() + TAKE_OVER_S
        while not _locked(file):
            if time.monotonic() > end_s:
                return False
            time.sleep(POLL_S)
        return True


def _locked(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
