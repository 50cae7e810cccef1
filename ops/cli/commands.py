"""What the commands do; each returns its exit status."""

import asyncio
import errno
import shutil
import signal
import socket
import sys
from collections.abc import AsyncGenerator, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import faust
import msgspec
from rich.console import Console
from rich.table import Table

from ...codecs.encoding import check_session
from ...codecs.records import Mode, VoiceSettings
from ...storage.redis.embedded import EmbeddedValkey
from ...topologies.speech import SPEECH, STAGE_NAMES
from ..devices import client as device_client
from ..gateway import app as http
from ..progress import Progress
from ..run.up import WORKERS, everything, log_folder, log_server
from ..run.worker import first_crash, stages_running, work
from ..services import Services
from ..sessions import Sessions, new_text
from ..settings import Settings
from ..tools import doctor as health
from ..tools import replay as again
from ..tools.demo import demo_settings, demonstrate
from ..tools.say import SpeakingFailedError
from ..tools.say import say as speak

T = TypeVar("T")


class UsageError(Exception):
    """The command cannot be done as it was given; the message says what to do."""


def _print(line: str) -> None:
    sys.stdout.write(line + "\n")


@asynccontextmanager
async def _services(settings: Settings) -> AsyncGenerator[Services]:
    async with log_server(settings) as (reachable, _):
        services = Services(reachable)
        try:
            yield services
        finally:
            await services.close()


def _reachable(settings: Settings) -> Settings:
    """Return settings with a URL; a process of its own uses the running embedded log."""
    if settings.redis_url:
        return settings
    return replace(settings, redis_url=EmbeddedValkey(log_folder(settings)).url)


def _check_port(settings: Settings) -> None:
    try:
        family, kind, _, _, address = socket.getaddrinfo(
            settings.host, settings.port, type=socket.SOCK_STREAM
        )[0]
        with socket.socket(family, kind) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise UsageError(
                f"port {settings.port} is in use: choose another with --port"
            ) from None
        raise UsageError(
            f"cannot listen on {settings.host}: {error.strerror}; choose an address of this "
            "machine with --host"
        ) from None


async def up(settings: Settings) -> int:
    """Run everything until a signal."""
    if settings.redis_url.startswith("memory:"):
        raise UsageError("processes cannot share a log in memory: leave --redis out, or give one")
    _check_port(settings)
    stopping = _stop_signal()
    async with everything(settings, workers=WORKERS):
        _print(f"http://{settings.host}:{settings.port}/  (Ctrl-C ends it)")
        await stopping.wait()
    return 0


def _stop_signal() -> asyncio.Event:
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    return stopping


async def worker(settings: Settings, stages: tuple[str, ...]) -> int:
    """Run stages until a signal."""
    unknown = [name for name in stages if name not in STAGE_NAMES]
    if unknown:
        raise UsageError(f"{unknown[0]!r} is no stage; the stages are {', '.join(STAGE_NAMES)}")
    services = Services(_reachable(settings))
    try:
        return await work(services, stages)
    finally:
        await services.close()


async def gateway(settings: Settings) -> int:
    """Serve HTTP until a signal."""
    _check_port(settings)
    _stop_signal()  # uvicorn raises again the signal that ended it: to be told to end is no failure
    services = Services(_reachable(settings))
    try:
        await http.serve(services)
    finally:
        await services.close()
    return 0


async def say(
    settings: Settings,
    text: str,
    *,
    mode: Mode,
    voice: VoiceSettings,
    out: Path | None,
    console: Console | None,
) -> int:
    """Say a text; with an embedded log that nobody else runs, run the stages here as well."""
    words = await asyncio.to_thread(_words, text)
    # what is wrong is said before anything is started
    new_text(words, mode=mode, settings=voice)
    if out is not None:
        await asyncio.to_thread(out.mkdir, parents=True, exist_ok=True)
    async with AsyncExitStack() as stack:
        reachable, started = await stack.enter_async_context(log_server(settings))
        services = Services(reachable)
        stack.push_async_callback(services.close)
        apps: list[faust.App] = []
        if started:
            apps = await stack.enter_async_context(stages_running(services, STAGE_NAMES))

        def show(progress: Progress) -> None:
            if console is not None and console.is_terminal:
                console.print(
                    f"{progress.percent or 0:3d} %  {progress.published_s:6.1f} s ready",
                    end="\r",
                )

        spoken = await _unless_crashed(
            speak(services, words, mode=mode, settings=voice, on_progress=show), apps
        )
        if out is not None:
            again.write(await again.replay(services.parts(), spoken.session_id), out)
            spoken = replace(spoken, playlist=str((out / "audio.m3u8").absolute()))
    if console is None:
        _print(msgspec.json.encode(spoken.as_json()).decode())
    else:
        for name, value in spoken.as_json().items():
            _print(f"{name:>10}  {value}")
    return 0


async def _unless_crashed(work: Coroutine[Any, Any, T], apps: list[faust.App]) -> T:
    """Await the work, or give it up at the first stage of ours that crashes."""
    working = asyncio.create_task(work)
    watching = asyncio.create_task(first_crash(apps)) if apps else None
    try:
        await asyncio.wait(
            [working, *([watching] if watching else [])], return_when=asyncio.FIRST_COMPLETED
        )
        if not working.done() and watching is not None:
            raise SpeakingFailedError(f"a stage stopped at a bug: {watching.result()}")
        return await working
    finally:
        for task in (working, watching):
            if task is not None:
                task.cancel()


def _words(text: str) -> str:
    if text == "-":
        return sys.stdin.read()
    path = Path(text)
    try:
        if len(text) < 4096 and path.is_file():
            return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise UsageError(f"{text} is not a UTF-8 text file") from None
    except (OSError, ValueError):
        return text  # too odd for a path, so it is a text
    return text


async def sessions(settings: Settings, limit: int) -> int:
    """List sessions."""
    async with _services(settings) as services:
        found = await Sessions(services.log, services.settings.partitions).recent(limit)
    table = Table("session", "state", "audio", "segments", "first audio", "error")
    for progress in found:
        first = "" if progress.first_audio_s is None else f"{progress.first_audio_s:.3f} s"
        table.add_row(
            progress.session,
            progress.state,
            f"{progress.audio_s:.1f} s",
            str(progress.segments),
            first,
            progress.error[:60],
        )
    Console(width=max(120, shutil.get_terminal_size().columns)).print(table)
    return 0


async def topics(settings: Settings) -> int:
    """List topics with their records and lags."""
    async with _services(settings) as services:
        table = Table("topic", "partitions", "records", "first offset", "yet to do")
        for topic, partitions in sorted((await services.log.topics()).items()):
            spans = [await services.log.span(topic, number) for number in range(partitions)]
            lags = [
                f"{stage.name} {sum((await services.log.lag(group, topic)).values())}"
                for stage in SPEECH
                if stage.source == topic
                for group in (f"{services.settings.namespace}-{stage.name}",)
            ]
            table.add_row(
                topic,
                str(partitions),
                str(sum(span.next - span.first for span in spans)),
                str(min(span.first for span in spans)),
                ", ".join(lags),
            )
    Console(width=max(100, shutil.get_terminal_size().columns)).print(table)
    return 0


async def replay(settings: Settings, session: str, out: Path | None, *, verify: bool) -> int:
    """Derive a session again; status 1 where a byte differs."""
    check_session(session)
    async with _services(settings) as services:
        parts = services.parts()
        replayed = await again.replay(parts, session)
        differences = await again.differences(parts, replayed) if verify else []
    if out is not None:
        for path in again.write(replayed, out):
            _print(str(path))
    for line in differences:
        _print(f"differs: {line}")
    if verify and not differences:
        _print(
            f"identical: {len(replayed.segments)} segments and {len(replayed.packets)} device "
            f"frames, {replayed.audio_s:.1f} s"
        )
    return 1 if differences else 0


async def device(
    url: str, session: str | None, text: str | None, out: Path, abort_after: float | None
) -> int:
    """Hear a session as a device would."""
    if session is not None:
        check_session(session)
    try:
        heard = await device_client.listen(
            url, session=session, text=text, abort_after_s=abort_after
        )
    except OSError as error:
        raise UsageError(
            f"no device server answers at {url} ({error}): start one with 'rhapsode up'"
        ) from None
    except ValueError as error:
        raise UsageError(str(error)) from None
    if heard.alert:
        raise UsageError(f"the server said: {heard.alert}")
    await asyncio.to_thread(heard.save, out)
    end = "to the end" if heard.complete else "and then nothing"
    figures = f"{len(heard.packets)} frames, {heard.seconds:.1f} s, {heard.late_frames} late"
    _print(f"{figures}, {end}: {out}")
    return 0 if heard.complete else 1


async def doctor(settings: Settings) -> int:
    """Look at everything; status 1 where the main job cannot be done."""
    return await health.examine(settings, Console())


async def demo(settings: Settings, out: Path, console: Console, *, stay: bool) -> int:
    """Run the demonstration."""
    _check_port(settings)
    await demonstrate(demo_settings(settings, out), out, console, stay=stay)
    return 0
