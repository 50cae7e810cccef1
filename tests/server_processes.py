"""Valkey servers on loopback ports, started with lines of configuration, to be killed."""

import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from broker import server_binary
from system import free_port

READY_S = 30.0


@dataclass(slots=True)
class Server:
    """One of the processes."""

    port: int
    process: "subprocess.Popen[bytes]"

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
    with (folder / "log").open("ab") as log:
        process = subprocess.Popen(
            [str(server_binary()), str(config), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    return Server(port, process)


def wait_until(condition: Callable[[], object], trouble: str) -> None:
    """Wait for a condition, at most `READY_S`."""
    end_s = time.monotonic() + READY_S
    while not condition():
        assert time.monotonic() < end_s, trouble
        time.sleep(0.05)
