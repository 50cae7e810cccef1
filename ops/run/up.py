"""Everything on this machine: the embedded log, workers and gateway as supervised processes."""

import asyncio
import ctypes
import os
import signal
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import structlog

from ...storage.redis.embedded import EmbeddedValkey
from ...topologies.registry import processes
from ..services import Services
from ..settings import Settings

RESTART_FIRST_S = 0.2
RESTART_MOST_S = 10.0
STEADY_S = 30.0
STOP_PATIENCE_S = 10.0
PR_SET_PDEATHSIG = 1
log = structlog.get_logger()


def die_with_parent() -> None:
    """Have the kernel end this process when its parent is gone, however that went (Linux)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


@dataclass(slots=True)
class Child:
    """A supervised process."""

    name: str
    arguments: tuple[str, ...]
    metrics_port: int = 0
    process: asyncio.subprocess.Process | None = None
    restarts: int = 0


class Supervisor:
    """Starts processes, starts them again when they die, and stops them."""

    def __init__(self, settings: Settings, *, quiet: bool = False) -> None:
        self._settings = settings
        self._quiet = quiet
        self._stopping = False
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
            child.process = await self._spawn(child)
            status = await child.process.wait()
            if self._stopping:
                return
            if clock() - started > STEADY_S:
                pause = RESTART_FIRST_S
            child.restarts += 1
            log.warning("process ended, starting it again", name=child.name, status=status)
            await asyncio.sleep(pause)
            pause = min(2 * pause, RESTART_MOST_S)

    async def _spawn(self, child: Child) -> asyncio.subprocess.Process:
        environment = {
            name: value for name, value in os.environ.items() if not name.startswith("RHAPSODE_")
        }
        logs = None
        if self._quiet:
            folder = self._settings.state / "log"
            folder.mkdir(parents=True, exist_ok=True)
            logs = (folder / f"{child.name}.log").open("ab")
        try:
            return await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "rhapsode.ops",
                *child.arguments,
                env=environment
                | replace(self._settings, metrics_port=child.metrics_port).environment(),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=logs,
                stderr=logs,
                preexec_fn=die_with_parent,
            )
        finally:
            if logs is not None:
                logs.close()

    async def stop(self) -> None:
        """End every process: politely, then after 10 s not."""
        self._stopping = True
        running = [
            child.process
            for child in self.children
            if child.process is not None and child.process.returncode is None
        ]
        for process in running:
            process.terminate()
        for process in running:
            try:
                await asyncio.wait_for(process.wait(), STOP_PATIENCE_S)
            except TimeoutError:
                log.warning("process did not stop, killing it", pid=process.pid)
                process.kill()
                await process.wait()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


@asynccontextmanager
async def log_server(settings: Settings) -> AsyncGenerator[tuple[Settings, bool]]:
    """Yield settings with a server's URL, and whether we started that server.

    Without a URL the embedded Valkey of the state folder is used, started unless it runs already.
    """
    if settings.redis_url:
        yield settings, False
        return
    server = EmbeddedValkey(log_folder(settings), fsync=settings.fsync)
    started = await asyncio.to_thread(server.start_unless_running)
    try:
        yield replace(settings, redis_url=server.url), started
    finally:
        if started:
            await asyncio.to_thread(server.stop)


def log_folder(settings: Settings) -> Path:
    """Return where the embedded log keeps its data."""
    return settings.state / "valkey"


@asynccontextmanager
async def everything(
    settings: Settings,
    *,
    workers: tuple[tuple[str, ...], ...] | None = None,
    quiet: bool = False,
) -> AsyncGenerator[tuple[Settings, Supervisor]]:
    """Run the log's server, workers and a gateway until the block is left.

    Raises:
        SettingsError, UnreachableError, ObjectsUnreachableError, LogError, ObjectsRefusedError: no
            process could do its work, however often it were started again.
    """
    async with log_server(settings) as (reachable, _):
        services = Services(reachable)
        try:
            _ = services.voice  # its names are judged when it is built
            await services.prepare()
        finally:
            await services.close()
        supervisor = Supervisor(reachable, quiet=quiet)
        try:
            supervisor.add("gateway", "gateway")
            for number, stages in enumerate(workers or processes()):
                supervisor.add(
                    f"worker-{number}-{stages[0]}",
                    "worker",
                    *stages,
                    metrics_port=settings.port + 1 + number,
                )
            yield reachable, supervisor
        finally:
            await supervisor.stop()
