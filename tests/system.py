"""Starting the whole system, as processes, the way a user does."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
from ports import free_port

from rhapsode.storage.redis.embedded import EmbeddedValkey

READY_S = 60.0
COMMAND_S = 120.0


def rhapsode(*arguments: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    """Run the command line to its end."""
    return subprocess.run(
        [sys.executable, "-m", "rhapsode.ops", *arguments],
        env=environment(**variables),
        capture_output=True,
        text=True,
        timeout=COMMAND_S,
        check=False,
        stdin=subprocess.DEVNULL,
    )


def environment(**variables: str) -> dict[str, str]:
    """Return this environment without our own settings, and with those given."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("RHAPSODE_")}
    return clean | {f"RHAPSODE_{name.upper()}": value for name, value in variables.items()}


@dataclass
class Running:
    """Processes of ours, ended together."""

    state: Path
    port: int
    variables: dict[str, str]
    processes: dict[str, "subprocess.Popen[bytes]"] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def spawn(self, name: str, *arguments: str, **variables: str) -> "subprocess.Popen[bytes]":
        """Start ``rhapsode`` with the arguments; its output goes to a file in the state folder.

        ``variables`` are settings of this process alone.
        """
        self.state.mkdir(parents=True, exist_ok=True)
        with (self.state / f"{name}.log").open("ab") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "rhapsode.ops", *arguments],
                env=environment(**(self.variables | variables)),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
        self.processes[name] = process
        return process

    def wait_ready(self) -> None:
        """Wait until the gateway answers and every stage has a worker."""
        end = time.monotonic() + READY_S
        said = "nothing"
        while time.monotonic() < end:
            try:
                answer = httpx.get(f"{self.url}/healthz", timeout=5, trust_env=False)
                said = answer.text
                if answer.json()["status"] == "ok":
                    return
            except (httpx.TransportError, ValueError, KeyError):
                pass  # not listening yet
            time.sleep(0.05)
        raise AssertionError(f"not ready after {READY_S} s, it said {said}\n{self.logs()}")

    def wait_until(self, holds: Callable[[], object], deadline_s: float = 60.0) -> None:
        """Wait for a condition."""
        end = time.monotonic() + deadline_s
        while not holds():
            assert time.monotonic() < end, f"not so in time\n{self.logs()}"
            time.sleep(0.05)

    def logs(self) -> str:
        """Return the end of every process's output."""
        return "\n".join(
            f"--- {path.name}\n{path.read_text(errors='replace')[-2000:]}"
            for path in sorted(self.state.glob("*.log"))
        )

    def start(self, text: str, **fields: object) -> str:
        """Post a text; return its session id."""
        answer = httpx.post(
            f"{self.url}/v1/sessions", json={"text": text, **fields}, timeout=10, trust_env=False
        )
        assert answer.status_code == 201, answer.text
        return str(answer.json()["session_id"])

    def progress(self, session: str) -> dict[str, object]:
        """Return what the gateway says of a session."""
        answer = httpx.get(f"{self.url}/v1/sessions/{session}", timeout=10, trust_env=False)
        return dict(answer.json())

    def wait_finished(self, session: str, deadline_s: float = 60.0) -> dict[str, object]:
        """Wait for the session's end; return its progress."""
        end = time.monotonic() + deadline_s
        while time.monotonic() < end:
            progress = self.progress(session)
            if progress.get("state") in ("SUCCESS", "FAILURE"):
                return progress
            time.sleep(0.05)
        raise AssertionError(f"{session} did not end: {self.progress(session)}\n{self.logs()}")

    def stop(self) -> None:
        """End every process, the last one started first."""
        for process in reversed(self.processes.values()):
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        for process in self.processes.values():
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@contextmanager
def running(state: Path, *, separate: bool = False, **variables: str) -> Generator[Running]:
    """Run ``rhapsode up``; with ``separate`` only a log server. All of it stops at the end."""
    port = free_port()
    chosen = {"state": str(state), "port": str(port), "voices": "espeak"} | variables
    system = Running(state, port, chosen)
    if not separate:
        try:
            system.spawn("up", "up")
            system.wait_ready()
            yield system
        finally:
            system.stop()
        return
    with EmbeddedValkey(state / "valkey", fsync="always") as server:
        chosen["redis_url"] = server.url
        try:
            yield system
        finally:
            system.stop()
