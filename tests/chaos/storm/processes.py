"""The worker processes of a storm: a foreign app's three, and those of the product."""

import os
import random
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import psutil
from system import Running

from rhapsode.ops.run.forking import PROGRAM
from rhapsode.topologies.registry import STAGE_NAMES

FOREIGN = Path(__file__).with_name("foreign.py")
STARTS_S = 60.0
LEAVES_S = 20.0
LOST = b"the server lost its last writes"


def _leave(process: "subprocess.Popen[bytes]", name: str, log: Path, works: bytes) -> None:
    """End a process as a deployment does, once its log says that it works.

    Raises:
        AssertionError: it hangs, or says that something went wrong.
    """
    end_s = time.monotonic() + STARTS_S
    while works not in log.read_bytes():  # a signal that comes before Python's own handlers kills
        assert time.monotonic() < end_s, f"{name} did not start within {STARTS_S:.0f} s"
        assert process.poll() is None, f"{name} ended as it started"
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    try:
        status = process.wait(LEAVES_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        raise AssertionError(f"{name} did not end within {LEAVES_S:.0f} s of SIGTERM") from None
    said = log.read_text(errors="replace")[-1_500:]
    assert status == 0, f"{name} ended with status {status} on SIGTERM, having said {said}"


class ForeignWorkers:
    """Workers of the foreign app, started again where they end."""

    def __init__(self, folder: Path, url: str, count: int = 3) -> None:
        self._folder = folder
        self._url = url
        self._started = 0
        self._count = count
        self._processes: list[subprocess.Popen[bytes]] = []
        self._logs: dict[int, Path] = {}
        """By process id."""
        self.crashed = 0
        """How many ended though nobody ended them."""
        self.began_anew = 0
        """How many ended because what their tables were made of was lost."""

    def start(self) -> None:
        """Start all."""
        while len(self._processes) < self._count:
            self._processes.append(self._spawn())

    def _spawn(self) -> "subprocess.Popen[bytes]":
        self._started += 1
        data = self._folder / f"foreign-{self._started}"
        data.mkdir(parents=True)
        words = ["--datadir", str(data), "worker", "--without-web", "-l", "warn"]
        path = self._folder / f"foreign-{self._started}.log"
        with path.open("ab") as output:
            process = subprocess.Popen(
                [sys.executable, str(FOREIGN), *words],
                env=os.environ | {"BROKER_URL": self._url},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
        self._logs[process.pid] = path
        return process

    def _have_leave(self, process: "subprocess.Popen[bytes]") -> None:
        log = self._logs[process.pid]
        try:
            _leave(process, "a foreign worker", log, b"OK ^")
        except AssertionError:
            if LOST not in log.read_bytes():
                raise
            self.began_anew += 1  # it was about to end by itself

    def running(self) -> list[int]:
        """Return the process ids of workers that run."""
        return [one.pid for one in self._processes if one.poll() is None]

    def restart(self) -> None:
        """Start what is missing; what nobody killed is counted."""
        ended = [one for one in self._processes if one.poll() is not None]
        for one in ended:
            if LOST in self._logs[one.pid].read_bytes():
                self.began_anew += 1
            else:
                self.crashed += one.returncode != -signal.SIGKILL
        self._processes = [one for one in self._processes if one not in ended]
        self.start()

    def supervise(self) -> None:
        """Start again who ended by itself; who was killed is started by who killed it."""
        if any(one.poll() not in {None, -signal.SIGKILL} for one in self._processes):
            self.restart()

    def leave(self, choice: random.Random) -> None:
        """Have one leave, and another join."""
        process = choice.choice([one for one in self._processes if one.poll() is None])
        self._processes.remove(process)
        try:
            self._have_leave(process)
        finally:
            self.start()

    def stop(self) -> None:
        """Have all leave, one after the other."""
        while self._processes:
            self._have_leave(self._processes.pop())

    def kill(self) -> None:
        """End all at once."""
        for process in self._processes:
            process.kill()
            process.wait()


class ProductWorkers:
    """The workers that ``up`` keeps alive, and one more beside them with every stage."""

    def __init__(self, system: Running) -> None:
        self._system = system
        self._log = system.state / "second.log"

    def start(self) -> None:
        """Start the one more."""
        self._log.unlink(missing_ok=True)
        self._system.spawn("second", "worker", *STAGE_NAMES)

    def fork_server(self) -> int:
        """Return the process id of what forks the others for ``up``, once it is there."""
        up = psutil.Process(self._system.processes["up"].pid)
        end_s = time.monotonic() + STARTS_S
        while True:
            for child in up.children():
                with suppress(psutil.NoSuchProcess):
                    if PROGRAM in child.cmdline():
                        return child.pid
            assert time.monotonic() < end_s, "there is no fork server"
            time.sleep(0.05)

    def running(self) -> list[int]:
        """Return the process ids of workers that run."""
        up = psutil.Process(self._system.processes["up"].pid)
        found = [self._system.processes["second"].pid]
        for child in up.children(recursive=True):
            try:
                if " rhapsode.ops worker " in " ".join(child.cmdline()):
                    found.append(child.pid)
            except psutil.NoSuchProcess:
                continue
        return found

    def restart(self) -> None:
        """Start the one more where it ended; the others are for ``up`` to start."""
        if self._system.processes["second"].poll() is not None:
            self.start()

    def leave(self, choice: random.Random) -> None:
        """Have the one more leave, and another join."""
        try:
            _leave(self._system.processes["second"], "a worker", self._log, b"working")
        finally:
            self.start()
