"""The demonstration: a story is made while a device and an HLS folder hear it."""

import asyncio
import shlex
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from ..devices.client import Heard, listen
from ..progress import Progress as SessionProgress
from ..run.addresses import device_url
from ..services import Services
from ..settings import Settings
from .say import Spoken, say
from .stories import story

DEVICE_PATIENCE_S = 60.0


class DemoFailedError(Exception):
    """The demonstration did not come to its end; the message says why."""


@dataclass(frozen=True, slots=True)
class Demonstration:
    """What was shown."""

    spoken: Spoken
    heard: Heard
    restarts: int
    """Processes that died and were started again."""
    device_file: Path
    """WAV of what the device heard."""

    def rows(self, settings: Settings) -> list[tuple[str, str]]:
        """Return the figures as names and values for people."""
        spoken, heard = self.spoken, self.heard
        speed = spoken.audio_s / spoken.wall_s
        return [
            ("time to first audio", f"{spoken.ttfa_s:.3f} s"),
            ("audio", f"{spoken.audio_s:.1f} s"),
            ("made in", f"{spoken.wall_s:.1f} s ({speed:.1f} x real time)"),
            ("segments", str(spoken.segments)),
            ("voice", "degraded: a fallback spoke" if spoken.degraded else "as asked for"),
            ("device frames", f"{len(heard.packets)} ({heard.seconds:.1f} s)"),
            ("of them late", str(heard.late_frames)),
            ("processes restarted", str(self.restarts)),
            ("session", spoken.session_id),
            ("playlist", spoken.playlist.removeprefix("file://")),
            ("what the device heard", str(self.device_file)),
            ("verify every byte", _verify(spoken.session_id, settings)),
        ]

    def as_json(self) -> dict[str, object]:
        """Return the figures for programs."""
        return {
            **self.spoken.as_json(),
            "device": self.heard.as_json(),
            "device_file": str(self.device_file),
            "restarts": self.restarts,
        }


def _verify(session: str, settings: Settings) -> str:
    return f"rhapsode replay {session} --verify --state {shlex.quote(str(settings.state))}"


async def demonstrate(settings: Settings, console: Console) -> tuple[Spoken, Heard]:
    """Narrate the bundled story to HLS and a device on a system that is ready.

    Args:
        settings: those of the running system.
        console: shows the progress.

    Raises:
        DemoFailedError: the device did not hear the story to its end.
        SpeakingFailedError: the session failed.
    """
    services = Services(settings)
    try:
        spoken, heard = await _narrate(services, console)
    finally:
        await services.close()
    if not heard.complete:
        raise DemoFailedError(f"the device heard {heard.seconds:.1f} s and then nothing")
    return spoken, heard


async def _narrate(services: Services, console: Console) -> tuple[Spoken, Heard]:
    url = device_url(services.settings)
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


def check_demo_folder(out: Path) -> None:
    """See that the folder is a demo's own, so that only what a demo made is replaced.

    Raises:
        DemoFailedError: it has a file of the same name that no demo made.
    """
    file = out / "device.wav"
    if file.exists() and not (out / "state").is_dir():
        raise DemoFailedError(
            f"{file} exists and no demo made it: choose another folder with --out"
        )


def demo_settings(settings: Settings, out: Path) -> Settings:
    """Return settings whose state is kept below the output folder."""
    return settings.model_copy(update={"state": (out / "state").absolute()})
