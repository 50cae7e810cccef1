"""A supervisor of processes: starts them, starts them again when they die, and stops them."""

import asyncio
import os
import signal
import threading
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import structlog

from ..settings import Settings
from .forking import Forked, ForkServer

RESTART_FIRST_S = 0.2
RESTART_MOST_S = 10.0
STEADY_S = 30.0
"""A process that ran for so long was started well: its earlier deaths are forgotten."""
FROM_OUTSIDE = frozenset({-signal.SIGKILL, -signal.SIGTERM, -signal.SIGINT, -signal.SIGHUP})
"""Exit statuses of a process that somebody, or the kernel for want of memory, has ended."""
SHORT_S = 0.5
"""Who is killed sooner after its start waits a moment."""
STOP_PATIENCE_S = 5.0
TAIL_LINES = 15
log = structlog.get_logger()


@dataclass(slots=True)
class Child:
    """A supervised process."""

    name: str
    arguments: tuple[str, ...]
    metrics_port: int = 0
    process: Forked | None = None
    restarts: int = 0
    failures: int = 0
    """Deaths in a row, none after a steady run."""
    tail: deque[str] = field(default_factory=lambda: deque[str](maxlen=TAIL_LINES))
    """The last lines of output."""


class Supervisor:
    """Runs child processes on one set of settings until it is stopped.

    The output of each child goes line by line to this process's standard error, after the child's
    name; with ``logs`` it goes to a file a child in that folder instead.
    """

    def __init__(
        self, settings: Settings, fork_server: ForkServer, *, logs: Path | None = None
    ) -> None:
        self._settings = settings
        self._logs = logs
        self._stopping = False
        self._fork_server = fork_server
        self.children: list[Child] = []
        self._tasks: list[asyncio.Task[None]] = []

    def add(self, name: str, *arguments: str, metrics_port: int = 0) -> Child:
        """Run ``rhapsode`` with the arguments until the supervisor stops."""
        child = Child(name, arguments, metrics_port)
        self.children.append(child)
        self._tasks.append(asyncio.create_task(self._keep(child)))
        return child

    async def _keep(self, child: Child) -> None:
        pause = RESTART_FIRST_S
        clock = asyncio.get_running_loop().time
        while not self._stopping:
            started = clock()
            try:
                child.process = await self._spawn(child)
            except OSError as error:  # no memory, or no process left: it may pass
                log.warning("process not started, trying again", name=child.name, why=str(error))
                status = None
            else:
                status = await child.process.wait()
            if self._stopping:
                return
            ran_s = clock() - started
            if ran_s > STEADY_S:
                pause = RESTART_FIRST_S
                child.failures = 0
            child.restarts += 1
            if status in FROM_OUTSIDE:
                log.warning(
                    "process was killed, starting it again", name=child.name, signal=-status
                )
                await asyncio.sleep(0.0 if ran_s > SHORT_S else RESTART_FIRST_S)
                continue
            child.failures += 1
            if status is not None:
                log.warning(
                    "process ended, starting it again",
                    name=child.name,
                    status=status,
                    in_a_row=child.failures,
                )
            await asyncio.sleep(pause)
            pause = min(2 * pause, RESTART_MOST_S)

    async def _spawn(self, child: Child) -> Forked:
        environment = {
            name: value for name, value in os.environ.items() if not name.startswith("RHAPSODE_")
        }
        settings = self._settings.model_copy(update={"metrics_port": child.metrics_port})
        reading, writing = os.pipe()
        try:
            process = await self._fork_server.fork(
                child.arguments, environment | settings.environment(), writing
            )
        except BaseException:
            os.close(reading)
            raise
        finally:
            os.close(writing)
        # a thread rather than the loop: a child must never wait for a loop that is busy
        threading.Thread(
            target=self._pass_on, args=(child, reading), name=f"{child.name}-output", daemon=True
        ).start()
        return process

    def _pass_on(self, child: Child, reading: int) -> None:
        """Pass a child's output on until nobody holds the other end of the pipe."""
        with os.fdopen(reading, "rb") as lines, self._output(child) as output:
            prefix = b"" if self._logs else f"{child.name} | ".encode()
            for line in lines:
                child.tail.append(line.decode(errors="replace").rstrip())
                try:
                    output.write(prefix + line)
                    output.flush()
                except OSError:
                    continue  # nobody reads us any more, or the disk is full: the tail is left

    def _output(self, child: Child) -> BinaryIO:
        if self._logs is None:
            return os.fdopen(os.dup(2), "wb")
        self._logs.mkdir(parents=True, exist_ok=True)
        return (self._logs / f"{child.name}.log").open("ab")

    async def stop(self) -> None:
        """End every process with SIGTERM, and with SIGKILL those still there after 5 s."""
        self._stopping = True
        running = [
            child
            for child in self.children
            if child.process is not None and child.process.returncode is None
        ]
        for child in running:
            assert child.process is not None
            child.process.send_signal(signal.SIGTERM)
        await asyncio.gather(*(self._await_end(child) for child in running))
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _await_end(self, child: Child) -> None:
        assert child.process is not None
        try:
            async with asyncio.timeout(STOP_PATIENCE_S):
                await child.process.wait()
        except TimeoutError:
            log.warning("process did not stop, killing it", name=child.name, pid=child.process.pid)
            child.process.send_signal(signal.SIGKILL)
            await child.process.wait()
