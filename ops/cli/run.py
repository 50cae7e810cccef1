"""Commands that run the system: up, worker, gateway, demo."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from ... import __version__
from ...topologies.registry import STAGE_NAMES
from ..gateway import app as http
from ..run.addresses import add_a_text, page_url, with_log_url
from ..run.stopping import stop_signal
from ..run.supervisor import Supervisor
from ..run.up import everything, wait_until_ready
from ..run.worker import work
from ..services import Services
from ..settings import Settings, describe
from ..tools.demo import Demonstration, check_demo_folder, demo_settings, demonstrate
from ..voices import voice_names
from .options import Host, Json, Port, RedisUrl, Stages, State
from .running import (
    INTERRUPTED,
    UsageError,
    check_port,
    run,
    settings_of,
    show,
    show_json,
    show_rows,
    tell,
    unless_stopped,
)


def up(redis: RedisUrl = None, state: State = None, host: Host = None, port: Port = None) -> None:
    """Run everything on this machine: log, workers, gateway and page."""
    settings = settings_of(redis_url=redis, state=state, host=host, port=port)
    run(lambda: _up(settings))


async def _up(settings: Settings) -> int:
    if settings.redis_url.startswith("memory:"):
        raise UsageError("processes cannot share a log in memory: leave --redis out, or give one")
    check_port(settings)
    stopping = stop_signal()
    async with everything(settings) as (reachable, supervisor):
        await unless_stopped(stopping, _announce(reachable, supervisor))
        await stopping.wait()
        tell("stopping")
    return 0


async def _announce(settings: Settings, supervisor: Supervisor) -> None:
    await wait_until_ready(settings, supervisor, tell)
    log_url = next(row.value for row in describe(settings) if row.name == "redis_url")
    show(f"Rhapsode {__version__} is ready.")
    show_rows(
        [
            ("page", page_url(settings)),
            ("log", log_url),
            ("add a text", add_a_text(settings)),
            ("state folder", str(settings.state)),
            ("stop", "Ctrl-C"),
        ]
    )


def worker(stages: Stages, redis: RedisUrl = None, state: State = None) -> None:
    """Run one or more stages; start as many workers as you like."""
    settings = settings_of(redis_url=redis, state=state)
    run(lambda: _worker(settings, tuple(stages)))


async def _worker(settings: Settings, stages: tuple[str, ...]) -> int:
    unknown = [name for name in stages if name not in STAGE_NAMES]
    if unknown:
        raise UsageError(f"{unknown[0]!r} is not a stage; the stages are {', '.join(STAGE_NAMES)}")
    voice_names(settings)
    services = Services(with_log_url(settings))
    try:
        _ = services.chooser  # its settings are judged when it is built
        return await work(services, stages)
    finally:
        await services.close()


def gateway(
    redis: RedisUrl = None, state: State = None, host: Host = None, port: Port = None
) -> None:
    """Run the HTTP gateway: API, HLS origin, page, voice devices, metrics."""
    settings = settings_of(redis_url=redis, state=state, host=host, port=port)
    run(lambda: _gateway(settings))


async def _gateway(settings: Settings) -> int:
    check_port(settings)
    # uvicorn raises again the signal that ended it: to be told to end is no failure
    stopping = stop_signal()
    services = Services(with_log_url(settings))
    try:
        return await http.serve(services, stopping)
    finally:
        await services.close()


def demo(
    out: Annotated[
        Path, typer.Option(help="Folder of the demo's own; what an earlier demo made is replaced.")
    ] = Path("out"),
    host: Host = None,
    port: Port = None,
    stay: Annotated[bool, typer.Option("--stay", help="Stay up after the story.")] = False,
    as_json: Json = False,
) -> None:
    """Narrate a story to HLS and to a simulated device at once, and print the figures."""
    settings = settings_of(host=host, port=port)
    run(lambda: _demo(settings, out, stay=stay, as_json=as_json))


async def _demo(settings: Settings, out: Path, *, stay: bool, as_json: bool) -> int:
    check_port(settings)
    check_demo_folder(out)
    stopping = stop_signal()
    # where the result is JSON, what happens meanwhile is no part of it
    console = Console(stderr=as_json)
    console.print("Starting: log (embedded Valkey unless a URL is set), two workers, gateway …")
    async with everything(demo_settings(settings, out), quiet=True) as (reachable, supervisor):
        showing = _shown(reachable, supervisor, out, console)
        shown = await unless_stopped(stopping, showing)
        if shown is None:
            return INTERRUPTED
        if as_json:
            show_json(shown.as_json())
        else:
            show_rows(shown.rows(reachable))
        if stay:
            console.print(f"Still up at {page_url(reachable)}; Ctrl-C stops it.", soft_wrap=True)
            await stopping.wait()
    return 0


async def _shown(
    settings: Settings, supervisor: Supervisor, out: Path, console: Console
) -> Demonstration:
    await wait_until_ready(settings, supervisor, lambda line: console.print(f"{line} …"))
    console.print(f"Listen along at {page_url(settings)}", soft_wrap=True)
    spoken, heard = await demonstrate(settings, console)
    device_file = (out / "device.wav").absolute()
    await asyncio.to_thread(heard.save, device_file)
    restarts = sum(child.restarts for child in supervisor.children)
    return Demonstration(spoken, heard, restarts, device_file)
