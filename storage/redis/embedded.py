"""The embedded log server: a real Valkey of our own, by path, on a unix socket."""

import atexit
import contextlib
import ctypes
import fcntl
import hashlib
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import IO, Any
from urllib.parse import quote

import redis

from .server_binary import EmbeddedValkeyError, find_server

__all__ = ["EmbeddedValkey", "EmbeddedValkeyError", "FolderTakenError", "find_server"]

READY_S = 20.0
STOP_S = 20.0
TAKE_OVER_S = 5.0
"""How long a server whose starter is gone may take to end."""
SOCKET_PATH_BYTES = 100
"""``sun_path`` holds 108 bytes, the closing zero among them (unix(7))."""
PR_SET_PDEATHSIG = 1
"""prctl(2)."""

# resolved before any fork: a child may not take the loader's lock
_prctl: Any = ctypes.CDLL(None).prctl if sys.platform == "linux" else None


class FolderTakenError(EmbeddedValkeyError):
    """Another process runs the log in the folder."""


class EmbeddedValkey:
    """One server whose data lies in a folder; append-only file on.

    It never outlives the process that started it (on Linux, whatever ends that process; elsewhere,
    unless that is SIGKILL), and the folder's lock is held until server *and* starter are gone.
    """

    def __init__(self, folder: Path, fsync: str = "everysec") -> None:
        if fsync not in ("always", "everysec", "no"):
            raise ValueError(f"fsync {fsync!r} is none of always, everysec, no")
        self._folder = folder.absolute()
        self._fsync = fsync
        self._process: subprocess.Popen[bytes] | None = None
        self._lock: IO[str] | None = None
        self._ended = threading.Event()

    @property
    def pid(self) -> int | None:
        """The server's process id while we run it."""
        return None if self._process is None else self._process.pid

    @property
    def socket(self) -> Path:
        """The unix socket; in a private folder elsewhere if the data folder's path is too long."""
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
        """Say whether a server answers on the socket."""
        client = redis.Redis.from_url(
            self.url, socket_timeout=2.0, socket_connect_timeout=2.0, retry=None
        )
        try:
            return bool(client.ping())
        except (redis.RedisError, OSError):
            return False
        finally:
            client.close()

    def start_unless_running(self) -> bool:
        """Start the server, unless one runs on this folder already; say whether we did.

        Raises:
            EmbeddedValkeyError: as `start`.
        """
        if self._starter_lives() and self.answers():
            return False
        try:
            self.start()
        except FolderTakenError:
            end = time.monotonic() + READY_S
            while not self.answers():  # its starter has only just started it
                if time.monotonic() > end:
                    raise
                time.sleep(0.02)
            return False
        return True

    def _starter_lives(self) -> bool:
        # a server whose starter was killed is about to end, though it may still answer
        try:
            starter = int((self._folder / "lock").read_text(encoding="ascii"))
            os.kill(starter, 0)
        except (OSError, ValueError) as error:
            return isinstance(error, PermissionError)  # alive, and another user's
        return True

    def start(self) -> None:
        """Start the server and wait until it answers.

        Raises:
            EmbeddedValkeyError: the folder cannot be written to, another server has it, or this
                one does not come up.
        """
        server = find_server()
        self._take_folder()
        try:
            self._prepare_socket()
            config = self._folder / "valkey.conf"
            config.write_text(self._configuration(), encoding="utf-8")
            self._spawn([str(server), str(config)])
            self._wait_until_ready()
        except BaseException:
            self.stop()
            raise

    def _take_folder(self) -> None:
        try:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            lock = (self._folder / "lock").open("a+", encoding="ascii")
        except OSError as error:
            raise EmbeddedValkeyError(
                f"cannot write to {self._folder}: {error.strerror}; choose another folder with "
                "--state"
            ) from None
        if not _locked(lock) and not self._taken_over(lock):
            lock.close()
            raise FolderTakenError(
                f"another process runs the log in {self._folder}: use that one, or choose another "
                "folder with --state"
            )
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        self._lock = lock

    def _taken_over(self, lock: IO[str]) -> bool:
        if self._starter_lives():
            return False
        # the server holds the lock alone now; where no signal told it that its starter died, we do
        with contextlib.suppress(OSError, ValueError):
            os.kill(int((self._folder / "valkey.pid").read_text(encoding="ascii")), signal.SIGTERM)
        end = time.monotonic() + TAKE_OVER_S
        while not _locked(lock):
            if time.monotonic() > end:
                return False
            time.sleep(0.02)
        return True

    def _prepare_socket(self) -> None:
        home = self.socket.parent
        if home != self._folder:
            home.mkdir(mode=0o700, exist_ok=True)
            status = home.lstat()
            if status.st_uid != os.getuid() or home.is_symlink() or status.st_mode & 0o077:
                raise EmbeddedValkeyError(
                    f"{home} is not ours alone: remove it, or choose a state folder with a path "
                    f"shorter than {SOCKET_PATH_BYTES - 20} bytes"
                )
        self.socket.unlink(missing_ok=True)  # the lock is ours, so nobody listens there

    def _spawn(self, command: list[str]) -> None:
        """Start the process from a thread that lives as long as it.

        The kernel sends the parent-death signal when the *thread* that forked ends.
        """
        started = threading.Event()
        trouble: list[OSError] = []
        ended = self._ended = threading.Event()

        def keep() -> None:
            try:
                self._process = self._forked(command)
            except OSError as error:
                trouble.append(error)
            started.set()
            ended.wait()

        threading.Thread(target=keep, name="valkey-parent", daemon=True).start()
        started.wait()
        if trouble:
            raise EmbeddedValkeyError(f"cannot run {command[0]}: {trouble[0].strerror}")
        atexit.register(self.stop)

    def _forked(self, command: list[str]) -> subprocess.Popen[bytes]:
        assert self._lock is not None
        parent = os.getpid()

        def die_with_parent() -> None:
            if _prctl is not None:
                _prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
                if os.getppid() != parent:  # it was gone before we asked
                    os._exit(1)

        with (self._folder / "valkey.log").open("ab") as log:
            return subprocess.Popen(  # noqa: S603 - our own binary and configuration
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # Ctrl-C is for us to answer: the server must outlive those who still write
                start_new_session=True,
                pass_fds=(self._lock.fileno(),),  # the lock is held until the server is gone too
                preexec_fn=die_with_parent,  # noqa: PLW1509 - only system calls, no locks taken
            )

    def _configuration(self) -> str:
        return "\n".join(
            (
                "port 0",
                f"unixsocket {_quoted(self.socket)}",
                "unixsocketperm 700",
                f"dir {_quoted(self._folder)}",
                f"pidfile {_quoted(self._folder / 'valkey.pid')}",
                "appendonly yes",
                f"appendfsync {self._fsync}",
                'save ""',
                "daemonize no",
                "maxmemory-policy noeviction",
                # our values are 2 to 48 KB: fewer, larger nodes cost less to read
                "stream-node-max-bytes 65536",
                "",
            )
        )

    def _wait_until_ready(self) -> None:
        assert self._process is not None
        end = time.monotonic() + READY_S
        while not self.answers():
            if self._process.poll() is not None or time.monotonic() > end:
                raise EmbeddedValkeyError(
                    f"the embedded server in {self._folder} did not come up: {self._log_tail()}"
                )
            time.sleep(0.02)

    def _log_tail(self) -> str:
        sequences = (self._folder / "valkey.log").read_text(errors="replace").strip().splitlines()
        return " / ".join(sequence.strip() for sequence in sequences[-3:]) or "it said nothing"

    def stop(self) -> None:
        """End the server politely and wait for it; its data stay."""
        atexit.unregister(self.stop)
        process, self._process = self._process, None
        if process is not None and process.poll() is None:
            process.terminate()
            try:
                process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._ended.set()
        if self._lock is not None:
            with contextlib.suppress(OSError):
                self.socket.unlink(missing_ok=True)
            self._lock.close()
            self._lock = None

    def __enter__(self) -> "EmbeddedValkey":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def _locked(lock: IO[str]) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _quoted(path: Path) -> str:
    escaped = str(path).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
