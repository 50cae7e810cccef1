"""The embedded log server: a real Valkey of our own on a unix socket, its data in a folder."""

import atexit
import contextlib
import hashlib
import os
import tempfile
import time
from pathlib import Path
from urllib.parse import quote

from .append_only_file import NotRewrittenError, rewrite, was_cut_off
from .blocking_connection import answers, readiness
from .child import Child
from .folder_lock import FolderLock, FolderTakenError
from .server_binary import EmbeddedValkeyError, find_server

__all__ = ["EmbeddedValkey", "EmbeddedValkeyError", "FolderTakenError", "find_server"]

MANIFEST = "appendonlydir/appendonly.aof.manifest"
"""Names the parts of the append-only file; the server makes it as soon as it starts, and begins
with an empty log where there is none."""
READY_S = 20.0
POLL_S = 0.02
TAKEN_POLL_S = 0.1
SOCKET_PATH_BYTES = 100
"""``sun_path`` holds 108 bytes, its closing zero included (unix(7))."""


class EmbeddedValkey:
    """One server whose data is in a folder, with an append-only file.

    It does not outlive the process that started it (on Linux, however that ends; elsewhere, unless
    it is killed by SIGKILL), and the folder is locked until server *and* starter are gone.
    """

    def __init__(self, folder: Path, fsync: str = "everysec") -> None:
        if fsync not in ("always", "everysec", "no"):
            raise ValueError(f"fsync {fsync!r} is none of always, everysec, no")
        self._folder = folder.absolute()
        self._fsync = fsync
        self._lock = FolderLock(self._folder)
        self._child: Child | None = None

    @property
    def pid(self) -> int | None:
        """The server's process id while this object runs it."""
        return None if self._child is None else self._child.pid

    @property
    def socket(self) -> Path:
        """The unix socket: in the folder, or in a private one where the folder's path is long."""
        path = self._folder / "valkey.sock"
        if len(os.fsencode(path)) < SOCKET_PATH_BYTES:
            return path
        digest = hashlib.sha256(os.fsencode(self._folder)).hexdigest()[:16]
        return Path(tempfile.gettempdir()) / f"rhapsode-{os.getuid()}-{digest}" / "valkey.sock"

    @property
    def url(self) -> str:
        """The server's URL."""
        return f"unix://{quote(str(self.socket))}"

    def answers(self) -> bool:
        """Return whether a server answers on the socket and is ready to serve."""
        return answers(self.url)

    def start_unless_running(self) -> bool:
        """Start the server unless one runs in this folder already; return whether it was started.

        Raises:
            EmbeddedValkeyError: as `start`.
        """
        if self._lock.starter_lives() and self.answers():
            return False
        end_s = time.monotonic() + READY_S
        while True:
            try:
                self.start()
            except FolderTakenError:
                # its starter may have only just started it, or be about to leave
                state = readiness(self.url)
                if state == "ready":
                    return False
                if state != "loading" and time.monotonic() > end_s:
                    raise
                time.sleep(TAKEN_POLL_S)  # nobody tells of another's server
            else:
                return True

    def start(self) -> None:
        """Start the server and wait until it is ready.

        Raises:
            EmbeddedValkeyError: there is no server to run, the folder cannot be written to or is
                taken, or the server does not start.
        """
        server = find_server()
        self._lock.take()
        try:
            self._run(server)
        except BaseException:
            self.stop()
            raise

    @property
    def runs_here(self) -> bool:
        """Whether this process started the server, and it runs.

        One whose socket was removed is of no use to anybody new.
        """
        child = self._child
        return child is not None and child.runs and self.socket.exists()

    def start_again(self) -> None:
        """Start the server where it has ended; the folder stays taken where it is ours.

        Raises:
            EmbeddedValkeyError: as `start`.
        """
        if not self._lock.held:
            self.start_unless_running()
            return
        self._end_child()
        try:
            self._run(find_server())
        except BaseException:
            self._end_child()
            raise

    def _run(self, server: Path) -> None:
        self._prepare_socket()
        config, served = self._folder / "valkey.conf", self._folder / "served"
        if served.exists() and not (self._folder / MANIFEST).exists():
            raise EmbeddedValkeyError(
                f"the log is gone: {self._folder} was a server's, and has no {MANIFEST} any more. "
                f"Put it back, or remove {self._folder} to begin with an empty log"
            )
        config.write_text(self._configuration(), encoding="utf-8")
        log = self._folder / "valkey.log"
        before_bytes = log.stat().st_size if log.exists() else 0
        self._spawn([str(server), str(config)])
        self._wait_until_ready()
        served.touch()
        if was_cut_off(log, before_bytes):
            self._rewrite()

    def _rewrite(self) -> None:
        try:
            rewrite(self.url)
        except NotRewrittenError as error:
            raise EmbeddedValkeyError(
                f"the append-only file in {self._folder} was cut off, and could not be written "
                f"anew, without which what was cut off may come back: {error}"
            ) from None

    def _prepare_socket(self) -> None:
        folder = self.socket.parent
        if folder != self._folder:
            folder.mkdir(mode=0o700, exist_ok=True)
            status = folder.lstat()
            if status.st_uid != os.getuid() or folder.is_symlink() or status.st_mode & 0o077:
                raise EmbeddedValkeyError(
                    f"others can write to {folder}: remove it, or choose a state folder with a "
                    f"path shorter than {SOCKET_PATH_BYTES - 20} bytes"
                )
        self.socket.unlink(missing_ok=True)  # the lock is ours, so nobody listens there

    def _configuration(self) -> str:
        return "\n".join(
            (
                "port 0",
                f"unixsocket {_quoted(self.socket)}",
                "unixsocketperm 700",
                f"dir {_quoted(self._folder)}",
                f"pidfile {_quoted(self._lock.pid_file)}",
                "appendonly yes",
                f"appendfsync {self._fsync}",
                'save ""',
                "daemonize no",
                "maxmemory-policy noeviction",
                # looks around less often: half of what it took while nothing was asked of it
                "hz 5",
                # values have 2 to 48 KB: fewer, larger nodes cost less to read
                "stream-node-max-bytes 65536",
                "",
            )
        )

    def _spawn(self, command: list[str]) -> None:
        try:
            self._child = Child(command, self._folder / "valkey.log", self._lock.descriptor)
        except OSError as error:
            raise EmbeddedValkeyError(f"cannot run {command[0]}: {error.strerror}") from None
        atexit.register(self.stop)

    def _wait_until_ready(self) -> None:
        child = self._child  # which `stop` in another thread takes away
        if child is None or not self._is_ready_in_time(child):
            raise EmbeddedValkeyError(
                f"the embedded server in {self._folder} did not start: {self._log_tail()}"
            )

    def _is_ready_in_time(self, child: Child) -> bool:
        """Wait for the server, and for no longer than its process runs.

        One that loads a long file is waited for however long that takes.
        """
        end_s = time.monotonic() + READY_S
        while (state := readiness(self.url)) != "ready":
            if state == "loading":
                end_s = time.monotonic() + READY_S
            if not child.runs or time.monotonic() > end_s:
                return False
            time.sleep(POLL_S)
        return True

    def _log_tail(self) -> str:
        lines = (self._folder / "valkey.log").read_text(errors="replace").strip().splitlines()
        return " / ".join(line.strip() for line in lines[-3:]) or "its log is empty"

    def stop(self) -> None:
        """Stop the server and wait until it has ended; its data stay."""
        self._end_child()
        if self._lock.held:
            with contextlib.suppress(OSError):
                self.socket.unlink(missing_ok=True)
            self._lock.release()

    def _end_child(self) -> None:
        atexit.unregister(self.stop)
        child, self._child = self._child, None
        if child is not None:
            child.stop()

    def __enter__(self) -> "EmbeddedValkey":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def _quoted(path: Path) -> str:
    escaped = str(path).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
