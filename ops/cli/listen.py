"""Commands that make something heard: say, device."""

import asyncio
import shlex
import sys
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, BinaryIO, TypeVar, cast, get_args

import typer
from rich.console import Console

from ...codecs.session import LIMITS, Mode, VoiceSettings
from ...storage.log import UnreachableError
from ...topologies.registry import STAGE_NAMES
from ..devices import client as device_client
from ..progress import Progress
from ..refusals import check_new
from ..run.addresses import device_url
from ..run.log_server import log_server
from ..run.readiness import stages_waiting
from ..run.stopping import cancel_the_rest
from ..run.worker import first_crash, stages_running
from ..services import Services
from ..settings import Settings
from ..tools import replay as again
from ..tools.say import SpeakingFailedError, Spoken
from ..tools.say import say as speak
from .options import Force, Json, RedisUrl, State, Voice
from .output import check_file, check_folder, clear_folder
from .running import (
    UsageError,
    check_session_id,
    fail,
    run,
    settings_of,
    show,
    show_json,
    show_rows,
    tell,
)

T = TypeVar("T")
UTF8_BYTES_A_CHAR = 4
NOBODY_S = 15.0
"""After so long without a worker for a stage nobody is waited for any more."""
NOBODY_HERE_S = 3.0
"""The same where the stages can be run here: another command that ran them has ended."""
LOOK_S = 0.5


def say(  # noqa: PLR0913, PLR0917 - one parameter an option
    text: Annotated[str | None, typer.Argument(help="The text to say.", show_default=False)] = None,
    file: Annotated[
        str | None, typer.Option(metavar="PATH", help="Say what is in this file; - for stdin.")
    ] = None,
    mode: Annotated[str, typer.Option(help="narrate (these words) or expand (a model writes).")] = (
        "narrate"
    ),
    voice: Voice = "auto",
    lang: Annotated[str, typer.Option(help="Language tag, such as en.")] = "en",
    speed: Annotated[float, typer.Option(help="0.5 (slow) to 2.0 (fast).")] = 1.0,
    out: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Write HLS, WAV and Opus files there.")
    ] = None,
    force: Force = False,
    as_json: Json = False,
    redis: RedisUrl = None,
    state: State = None,
) -> None:
    """Say a text, or what is in a file, and wait until all of it is audio."""
    settings = settings_of(redis_url=redis, state=state)
    if mode not in get_args(Mode):
        fail(f"mode {mode!r} is neither narrate nor expand", 2)
    if (text is None) == (file is None):
        fail("give either a TEXT or --file PATH", 2)
    if text == "-":
        fail("to read the text from standard input, give --file -", 2)
    voice_settings = _voice_settings(voice, lang, speed)
    console = None if as_json else Console(stderr=True)

    async def words_spoken() -> int:
        words = await asyncio.to_thread(_words, text, file)
        # what is wrong is reported before anything is started
        check_new(words)
        if out is not None:
            await asyncio.to_thread(check_folder, out, force=force)
        spoken = await _say(settings, words, cast("Mode", mode), voice_settings, out, console)
        if as_json:
            show_json(spoken.as_json())
        else:
            show_rows([(name, str(value)) for name, value in spoken.as_json().items()])
        return 0

    run(words_spoken)


def _voice_settings(voice: str, language: str, speed: float) -> VoiceSettings:
    try:
        return VoiceSettings(voice=voice, language=language, speed=speed)
    except ValueError as error:
        fail(str(error), 2)


async def _say(
    settings: Settings,
    words: str,
    mode: Mode,
    voice: VoiceSettings,
    out: Path | None,
    console: Console | None,
) -> Spoken:
    """Say the words; with an embedded log where nobody else runs the stages, run them here."""
    async with AsyncExitStack() as stack:
        reachable, started = await stack.enter_async_context(log_server(settings))
        services = Services(reachable)
        stack.push_async_callback(services.close)
        # sessions in hand must not go on over what is about to be closed
        stack.push_async_callback(cancel_the_rest)

        accepted = asyncio.Event()

        async def attended() -> str:
            """Run the stages here once nobody does; return why none runs, or where one crashed."""
            if not started:
                await accepted.wait()
                waiting = await _unattended(services, settings)
                if settings.redis_url:
                    names = ", ".join(waiting)
                    return f"no worker runs for {names}: start `rhapsode worker {names}`"
            apps = await stack.enter_async_context(stages_running(services, STAGE_NAMES))
            return f"a stage stopped at a bug: {await first_crash(apps)}"

        def progressed(progress: Progress) -> None:
            if console is not None and console.is_terminal:
                figures = f"{progress.percent or 0:3d} %  {progress.published_s:6.1f} s ready"
                console.print(figures, end="\r")

        speaking = speak(
            services,
            words,
            mode=mode,
            settings=voice,
            on_start=lambda _: accepted.set(),
            on_progress=progressed,
        )
        spoken = await _unless(speaking, attended())
        if out is None:
            return spoken
        await asyncio.to_thread(clear_folder, out)
        await again.write(services.journal, spoken.session_id, out)
        return replace(spoken, playlist=str((out / "audio.m3u8").absolute()))


async def _unattended(services: Services, settings: Settings) -> list[str]:
    """Wait until a stage has had no worker for a while; return which have none."""
    patience_s = NOBODY_S if settings.redis_url else NOBODY_HERE_S
    looks = 0
    while True:
        try:
            waiting = await stages_waiting(services.groups, settings.namespace)
        except UnreachableError:
            waiting, looks = [], 0  # it may be started again
        looks = looks + 1 if waiting else 0
        if looks * LOOK_S > patience_s:
            return waiting
        await asyncio.sleep(LOOK_S)


async def _unless(work: Coroutine[Any, Any, T], prevented: Coroutine[Any, Any, str]) -> T:
    """Await the work, or give it up once something tells what prevents it."""
    working, watching = asyncio.create_task(work), asyncio.create_task(prevented)
    try:
        await asyncio.wait([working, watching], return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise SpeakingFailedError(watching.result())
        return await working
    finally:
        for task in (working, watching):
            task.cancel()
        await asyncio.gather(working, watching, return_exceptions=True)


def _words(text: str | None, file: str | None) -> str:
    """Return what is to be said: the text as it is, or what the file holds."""
    if file is None:
        words = text or ""
        if _names_a_file(words):
            quoted = shlex.quote(words)
            tell(f"{quoted} is said as it is; to say what is in that file, give --file {quoted}")
        return words
    if file == "-":
        if sys.stdin.isatty():
            tell("reading the text from the terminal; Ctrl-D ends it")
        return _decoded(sys.stdin.buffer, "standard input")
    with Path(file).open("rb") as opened:
        return _decoded(opened, file)


def _names_a_file(text: str) -> bool:
    try:
        return Path(text).is_file()
    except (OSError, ValueError):
        return False  # too odd for a path


def _decoded(opened: BinaryIO, name: str) -> str:
    most = UTF8_BYTES_A_CHAR * LIMITS.text_chars
    data = opened.read(most + 1)
    if len(data) > most:
        raise UsageError(
            f"{name} is longer than {LIMITS.text_chars} characters, the most that one text may "
            "have: split it"
        )
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UsageError(f"{name} is not UTF-8 text") from None


def device(
    session: Annotated[
        str | None, typer.Option(metavar="SESSION", help="Session to receive.")
    ] = None,
    text: Annotated[str | None, typer.Option(help="Say this to the server instead.")] = None,
    url: Annotated[
        str | None, typer.Option(help="Device server; else the gateway of the settings.")
    ] = None,
    out: Annotated[Path, typer.Option(help="WAV file for what is heard.")] = Path("device.wav"),
    force: Force = False,
    abort_after: Annotated[
        float | None, typer.Option(help="Press the button after so many seconds.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Be a simulated voice device: receive, decode, save, and count late frames."""
    if (session is None) == (text is None):
        fail("give either --session or --text", 2)
    server = device_url(settings_of()) if url is None else url

    async def heard() -> int:
        if session is not None:
            check_session_id(session)
        await asyncio.to_thread(check_file, out, force=force)
        heard = await _heard(server, session, text, abort_after)
        await asyncio.to_thread(heard.save, out)
        if as_json:
            show_json({**heard.as_json(), "file": str(out)})
        else:
            end = "to the end" if heard.complete else "and then nothing"
            frames = f"{len(heard.packets)} frames, {heard.seconds:.1f} s"
            show(f"{frames}, {heard.late_frames} late, {end}: {out}")
        return 0 if heard.complete else 1

    run(heard)


async def _heard(
    url: str, session: str | None, text: str | None, abort_after_s: float | None
) -> device_client.Heard:
    try:
        heard = await device_client.listen(
            url, session=session, text=text, abort_after_s=abort_after_s
        )
    except OSError as error:
        raise UsageError(
            f"no device server answers at {url} ({error}): start one with 'rhapsode up', or give "
            "the URL of another with --url"
        ) from None
    except ValueError as error:
        raise UsageError(str(error)) from None
    if heard.alert:
        raise UsageError(f"the server refused: {heard.alert}")
    return heard
