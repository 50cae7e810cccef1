"""Valkey servers on loopback ports, started with lines of configuration, to be killed."""

import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from broker import server_binary
from ports import free_port

READY_S = 30.0


@dataclass(slots=True)
class Server:
    """One of the processes."""

    port: int
    command: list[str]
    log: Path
    process: "subprocess.Popen[bytes]" = field(init=False)

    def start(self) -> None:
        """Start it with the files that it has."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.command, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )

    @property
    def runs(self) -> bool:
        """Whether it was not killed."""
        return self.process.poll() is None

    def kill(self) -> None:
        """End it at once."""
        self.process.kill()
        self.process.wait()


def run_server(folder: Path, lines: list[str], *arguments: str) -> Server:
    """Start one with its files in a new folder."""
    port = free_port()
    folder.mkdir(parents=True)
    config = folder / "valkey.conf"
    config.write_text("\n".join(["bind 127.0.0.1", f"port {port}", f"dir {folder}", *lines]))
    server = Server(port, [str(server_binary()), str(config), *arguments], folder / "log")
    server.start()
    return server


def wait_until(condition: Callable[[], object], trouble: str) -> None:
    """Wait for a condition, at most `READY_S`."""
    end_s = time.monotonic() + READY_S
    while not condition():
        assert time.monotonic() < end_s, trouble
        time.sleep(0.05)
