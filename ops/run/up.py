"""Everything on this machine: the embedded log, workers and gateway as supervised processes."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager

import httpx

from ...topologies.registry import processes
from ..services import Services
from ..settings import Settings
from .addresses import log_files, page_url
from .forking import ForkServer
from .log_server import log_server
from .supervisor import Child, Supervisor

HIGHEST_PORT = 65_535
TELL_AFTER_S = 3.0
"""A start that takes longer is explained."""
TELL_EVERY_S = 10.0
POLL_S = 0.1
FAILURES_TO_GIVE_UP = 3


class StartFailedError(Exception):
    """The system does not come up; the message says which process and what it said last."""


@asynccontextmanager
async def everything(
    settings: Settings,
    *,
    workers: tuple[tuple[str, ...], ...] | None = None,
    quiet: bool = False,
) -> AsyncGenerator[tuple[Settings, Supervisor]]:
    """Run the log's server, workers and a gateway until the block is left.

    Args:
        settings: of every process; the log's URL is filled in where it is empty.
        workers: stages by worker process; None runs all, as `rhapsode up` does.
        quiet: write the output of each process to a file in `log_files` rather than to standard
            error.

    Raises:
        SettingsError, UnreachableError, ObjectsUnreachableError, LogError, ObjectsRefusedError: no
            process could do its work, however often it were started again.
    """
    async with ForkServer() as fork_server, log_server(settings) as (reachable, _):
        services = Services(reachable)
        try:
            _ = services.voice, services.chooser  # their settings are judged when they are built
            await services.prepare()
        finally:
            await services.close()
        supervisor = Supervisor(reachable, fork_server, logs=log_files(settings) if quiet else None)
        try:
            supervisor.add("gateway", "gateway")
            for number, stages in enumerate(processes() if workers is None else workers):
                port = settings.port + 1 + number
                supervisor.add(
                    f"worker-{number}-{stages[0]}",
                    "worker",
                    *stages,
                    metrics_port=port if port <= HIGHEST_PORT else 0,
                )
            yield reachable, supervisor
        finally:
            await supervisor.stop()


async def wait_until_ready(
    settings: Settings, supervisor: Supervisor, tell: Callable[[str], None]
) -> None:
    """Wait until the gateway answers and every stage has a worker.

    Args:
        settings: those of the running system.
        supervisor: the one that runs its processes.
        tell: told, where it takes long, what is waited for.

    Raises:
        StartFailedError: a process has ended three times in a row.
    """
    clock = asyncio.get_running_loop().time
    tell_at = clock() + TELL_AFTER_S
    async with httpx.AsyncClient(trust_env=False, timeout=5.0) as client:
        while waiting := await _waited_for(client, page_url(settings)):
            for child in supervisor.children:
                if child.failures >= FAILURES_TO_GIVE_UP:
                    raise StartFailedError(_last_words(child))
            if clock() >= tell_at:
                tell(f"waiting for {waiting}")
                tell_at = clock() + TELL_EVERY_S
            await asyncio.sleep(POLL_S)


async def _waited_for(client: httpx.AsyncClient, page: str) -> str:
    """Return what keeps the system from being ready, empty if nothing does."""
    try:
        health = (await client.get(f"{page}healthz")).json()
    except (httpx.TransportError, ValueError):
        return f"the gateway to answer at {page}"
    if health.get("waiting"):
        return f"a worker for {', '.join(health['waiting'])}"
    return "" if health.get("status") == "ok" else str(health.get("error", health))


def _last_words(child: Child) -> str:
    said = "\n".join(f"    {line}" for line in child.tail) or "    (nothing)"
    return (
        f"the process '{child.name}' ended {child.failures} times in a row; the end of its "
        f"output:\n{said}"
    )
