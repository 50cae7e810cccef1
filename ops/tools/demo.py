"""The demonstration: a story is made while a device and an HLS folder hear it."""

import asyncio
from dataclasses import dataclass, replace
from pathlib import Path

import httpx
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from ..devices.client import Heard, listen
from ..progress import Progress as SessionProgress
from ..run.up import everything
from ..services import Services
from ..settings import Settings
from .say import Spoken, say
from .stories import story

READY_S = 60.0
DEVICE_PATIENCE_S = 60.0


class DemoFailedError(Exception):
    """The demonstration did not come to its end; the message says where to look."""


@dataclass(frozen=True, slots=True)
class Demonstration:
    """What was shown."""

    spoken: Spoken
    heard: Heard
    restarts: int


async def demonstrate(settings: Settings, out: Path, console: Console, *, stay: bool) -> None:
    """Run the whole system, narrate the bundled story to HLS and a device, print a summary.

    Raises:
        DemoFailedError: a part did not start, or the device did not hear the end.
    """
    console.print("Starting: log (embedded Valkey unless a URL is given), two workers, gateway …")
    async with everything(settings, quiet=True) as (reachable, supervisor):
        services = Services(reachable)
        try:
            await _ready(reachable)
            console.print(f"Listen along at http://{reachable.host}:{reachable.port}/")
            spoken, heard = await _narrate(services, console)
            shown = Demonstration(
                spoken, heard, sum(child.restarts for child in supervisor.children)
            )
            device_file = out / "device.wav"
            await asyncio.to_thread(heard.save, device_file)
            _summarise(shown, console, reachable, device_file)
        finally:
            await services.close()
        if stay:
            console.print("Still up; Ctrl-C ends it.")
            await asyncio.Event().wait()


async def _ready(settings: Settings) -> None:
    clock = asyncio.get_running_loop().time
    end = clock() + READY_S
    async with httpx.AsyncClient(trust_env=False) as client:
        while True:
            try:
                answer = await client.get(f"http://{settings.host}:{settings.port}/healthz")
                if answer.status_code == 200 and answer.json()["status"] == "ok":
                    return
            except httpx.TransportError:
                pass  # not listening yet
            if clock() > end:
                raise DemoFailedError(
                    f"gateway and workers did not come up within {READY_S:.0f} s; see the files in "
                    f"{settings.state / 'log'}"
                )
            await asyncio.sleep(0.1)


async def _narrate(services: Services, console: Console) -> tuple[Spoken, Heard]:
    settings = services.settings
    url = f"ws://{settings.host}:{settings.port}/xiaozhi/v1/"
    hearing: list[asyncio.Task[Heard]] = []

    def attach(session: str) -> None:
        hearing.append(asyncio.create_task(listen(url, session=session)))

    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[figures]}"),
        TimeElapsedColumn(),
        console=console,
    ) as bar:
        task = bar.add_task("narrating", total=100, figures="")

        def show(progress: SessionProgress) -> None:
            figures = f"{progress.published_s:5.1f} s in {progress.segments} segments"
            bar.update(task, completed=progress.percent or 0, figures=figures)

        spoken = await say(services, story("lighthouse"), on_start=attach, on_progress=show)
        task = bar.add_task("device listening", total=spoken.audio_s, figures="paced, real time")
        while not hearing[0].done():
            elapsed = bar.tasks[0].elapsed or 0.0
            bar.update(task, completed=min(elapsed, spoken.audio_s))
            if elapsed > spoken.audio_s + spoken.wall_s + DEVICE_PATIENCE_S:
                hearing[0].cancel()
                raise DemoFailedError("the device did not hear the end of the story in time")
            await asyncio.sleep(0.2)
        bar.update(task, completed=spoken.audio_s)
    return spoken, hearing[0].result()


def _summarise(
    shown: Demonstration, console: Console, settings: Settings, device_file: Path
) -> None:
    spoken, heard = shown.spoken, shown.heard
    if not heard.complete:
        raise DemoFailedError(f"the device heard {heard.seconds:.1f} s and then nothing")
    where = spoken.playlist.removeprefix("file://")
    rows = (
        ("time to first audio", f"{spoken.ttfa_s:.3f} s"),
        ("audio", f"{spoken.audio_s:.1f} s"),
        ("made in", f"{spoken.wall_s:.1f} s ({spoken.audio_s / spoken.wall_s:.1f} x real time)"),
        ("segments", str(spoken.segments)),
        ("voice", "degraded: a fallback spoke" if spoken.degraded else "as asked for"),
        ("device frames", f"{len(heard.packets)} ({heard.seconds:.1f} s)"),
        ("of them late", str(heard.late_frames)),
        ("restarted processes", str(shown.restarts)),
        ("session", spoken.session_id),
        ("playlist", where),
        ("what the device heard", str(device_file)),
        (
            "again, byte for byte",
            f"rhapsode replay {spoken.session_id} --verify --state {settings.state}",
        ),
    )
    width = max(len(name) for name, _ in rows)
    for name, value in rows:
        console.print(f"{name:>{width}}  {value}", soft_wrap=True, highlight=False)


def demo_settings(settings: Settings, out: Path) -> Settings:
    """Return settings whose state stays below the output folder, unless chosen otherwise."""
    return replace(settings, state=(out / "state").absolute())
