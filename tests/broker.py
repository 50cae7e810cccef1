"""A log server of a test's own: Valkey with a password on a loopback port, to be killed."""

import os
import signal
import subprocess
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import redis
from ports import free_port

from rhapsode.storage.redis.embedded import find_server

READY_S = 20.0
SERVER = "TEST_LOG_SERVER"
"""Variable that names a server to test on, such as /usr/bin/redis-server; else it is our own."""


def server_binary() -> Path:
    """Return the server that tests of the log run on."""
    chosen = os.environ.get(SERVER)
    return Path(chosen) if chosen else find_server()


class Broker:
    """One server whose port and data outlive its end.

    Every write is on disk before its answer, unless ``fsync`` says otherwise.
    """

    def __init__(self, folder: Path, password: str, fsync: str = "always") -> None:
        self._fsync = fsync
        self._folder = folder
        self._password = password
        self._port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def port(self) -> int:
        return self._port

    @property
    def url(self) -> str:
        return f"redis://:{quote(self._password)}@127.0.0.1:{self._port}/0"

    @property
    def safe_url(self) -> str:
        return f"redis://127.0.0.1:{self._port}/0"

    def start(self) -> None:
        """Start the server and wait until it answers."""
        self._folder.mkdir(parents=True, exist_ok=True)
        config = self._folder / "valkey.conf"
        lines = [
            "bind 127.0.0.1",
            f"port {self._port}",
            f"requirepass {self._password}",
            f"dir {self._folder}",
            "appendonly yes",
            f"appendfsync {self._fsync}",
            'save ""',
        ]
        config.write_text("\n".join(lines))
        with (self._folder / "valkey.log").open("ab") as log:
            self._process = subprocess.Popen(
                [str(server_binary()), str(config)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        end = time.monotonic() + READY_S
        while not self._answers():
            assert self._process.poll() is None, self.log()
            assert time.monotonic() < end, self.log()
            time.sleep(0.02)

    def _answers(self) -> bool:
        client = self.client()
        try:
            return bool(client.ping())
        except redis.RedisError:
            return False
        finally:
            client.close()

    def client(self) -> "redis.Redis":
        """Return a plain client, to look and to write with other hands than ours."""
        return redis.Redis.from_url(self.url, retry=None)

    def log(self) -> str:
        """Return the end of what the server said."""
        return (self._folder / "valkey.log").read_text(errors="replace")[-2000:]

    def lose(self, size_bytes: int) -> None:
        """Cut so much off the end of what a server that was killed had written."""
        assert self._process is None, "kill the server first"
        files = (self._folder / "appendonlydir").glob("*.incr.aof")
        newest = max(files, key=lambda file: int(file.name.split(".")[-3]))
        os.truncate(newest, max(0, newest.stat().st_size - size_bytes))

    @contextmanager
    def frozen(self) -> Generator[None]:
        """Have the server stand still, with every connection open."""
        assert self._process is not None, "start the server first"
        self._process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """End the server by SIGKILL."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()
