"""The command line: every command, its errors in one sentence, its exit status."""

import json
import logging
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Annotated, Any, NoReturn, cast, get_args

import structlog
import typer
import uvloop
from rich.console import Console

from ... import __version__
from ...codecs.encoding import MalformedError
from ...codecs.records import Mode, VoiceSettings
from ...storage.log import LogError, UnreachableError
from ...storage.objects.store import ObjectsRefusedError, ObjectsUnreachableError
from ...storage.redis.embedded import EmbeddedValkeyError
from ...topologies.draw import as_mermaid, as_text
from ...topologies.speech import SPEECH, STAGE_NAMES
from ..settings import Settings, SettingsError, read_settings
from ..tools.demo import DemoFailedError
from ..tools.replay import ReplayError
from ..tools.say import SpeakingFailedError
from . import commands

USERS_MISTAKES = (
    SettingsError,
    MalformedError,
    SpeakingFailedError,
    DemoFailedError,
    ReplayError,
    EmbeddedValkeyError,
    ObjectsRefusedError,
    ObjectsUnreachableError,
    LogError,
    commands.UsageError,
)

app = typer.Typer(
    help="Prompts and texts in, audio as a stream out.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
console = Console(stderr=True)

RedisUrl = Annotated[
    str | None,
    typer.Option("--redis", help="redis://, rediss:// or unix:// URL; else an embedded Valkey."),
]
State = Annotated[Path | None, typer.Option(help="Folder for what must last on this machine.")]


def _fail(message: str, status: int = 1) -> NoReturn:
    print(f"rhapsode: {message}", file=sys.stderr)  # noqa: T201 - the command line's own voice
    raise typer.Exit(status)


def _run(make: Callable[[], Coroutine[Any, Any, int | None]]) -> None:
    """Run a command's coroutine; a user's mistake is a sentence, a bug is a traceback."""
    try:
        status = uvloop.run(make())
    except UnreachableError as error:
        _fail(
            f"{str(error).rstrip('.')}: start the server ('rhapsode up' runs one), or give the URL "
            "of another with --redis"
        )
    except USERS_MISTAKES as error:
        _fail(str(error))
    except OSError as error:
        if error.filename is None:
            raise
        _fail(f"cannot use {error.filename}: {error.strerror}; choose another path")
    except KeyboardInterrupt:
        raise typer.Exit(130) from None
    raise typer.Exit(status or 0)


def _settings(**chosen: Any) -> Settings:
    try:
        return read_settings(**chosen)
    except SettingsError as error:
        _fail(str(error), 2)


@app.command()
def up(
    redis: RedisUrl = None,
    state: State = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on.")] = None,
) -> None:
    """Run everything on this machine: log, workers, gateway and page."""
    settings = _settings(redis_url=redis, state=state, host=host, port=port)
    _run(lambda: commands.up(settings))


@app.command()
def worker(
    stages: Annotated[list[str], typer.Argument(help=f"Of: {', '.join(STAGE_NAMES)}.")],
    redis: RedisUrl = None,
    state: State = None,
) -> None:
    """Run one or more stages; start as many workers as you like."""
    settings = _settings(redis_url=redis, state=state)
    _run(lambda: commands.worker(settings, tuple(stages)))


@app.command()
def gateway(
    redis: RedisUrl = None,
    state: State = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on.")] = None,
) -> None:
    """Run the HTTP gateway: API, HLS origin, page, voice devices, metrics."""
    settings = _settings(redis_url=redis, state=state, host=host, port=port)
    _run(lambda: commands.gateway(settings))


@app.command()
def say(  # noqa: PLR0913, PLR0917 - one parameter an option
    text: Annotated[str, typer.Argument(help="What to say: a text, a file, or - for stdin.")],
    mode: Annotated[str, typer.Option(help="narrate (these words) or expand (a model writes).")] = (
        "narrate"
    ),
    voice: Annotated[str, typer.Option(help="auto, or a voice such as piper:joe.")] = "auto",
    lang: Annotated[str, typer.Option(help="Language tag, such as en.")] = "en",
    speed: Annotated[float, typer.Option(help="0.5 (slow) to 2.0 (fast).")] = 1.0,
    out: Annotated[Path | None, typer.Option(help="Folder for HLS, WAV and Opus files.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one line of JSON.")] = False,
    redis: RedisUrl = None,
    state: State = None,
) -> None:
    """Say a text and wait for its end."""
    settings = _settings(redis_url=redis, state=state)
    if mode not in get_args(Mode):
        _fail(f"mode {mode!r} is neither narrate nor expand", 2)
    voice_settings = VoiceSettings(voice=voice, language=lang, speed=speed)
    _run(
        lambda: commands.say(
            settings,
            text,
            mode=cast("Mode", mode),
            voice=voice_settings,
            out=out,
            console=None if as_json else console,
        )
    )


@app.command()
def sessions(
    redis: RedisUrl = None,
    state: State = None,
    limit: Annotated[int, typer.Option(min=1, max=1000)] = 20,
) -> None:
    """List the newest sessions."""
    settings = _settings(redis_url=redis, state=state)
    _run(lambda: commands.sessions(settings, limit))


@app.command()
def topics(redis: RedisUrl = None, state: State = None) -> None:
    """List topics: records by partition, and what each stage has yet to do."""
    settings = _settings(redis_url=redis, state=state)
    _run(lambda: commands.topics(settings))


@app.command()
def topology(
    mermaid: Annotated[bool, typer.Option(help="As a Mermaid flowchart.")] = False,
) -> None:
    """Print the flow: which stage reads and writes which topic."""
    print(as_mermaid(SPEECH) if mermaid else as_text(SPEECH))  # noqa: T201 - its whole purpose


@app.command()
def replay(
    session: Annotated[str, typer.Argument(help="Session id.")],
    out: Annotated[Path | None, typer.Option(help="Folder to write the session into.")] = None,
    verify: Annotated[
        bool, typer.Option(help="Derive everything again and compare byte for byte.")
    ] = False,
    redis: RedisUrl = None,
    state: State = None,
) -> None:
    """Make a session's segments and frames again from its audio in the log."""
    settings = _settings(redis_url=redis, state=state)
    if out is None and not verify:
        _fail("say what to do: --verify, --out FOLDER, or both", 2)
    _run(lambda: commands.replay(settings, session, out, verify=verify))


@app.command()
def device(
    session: Annotated[str | None, typer.Option(help="Session to hear.")] = None,
    text: Annotated[str | None, typer.Option(help="Say this to the server instead.")] = None,
    url: Annotated[str, typer.Option(help="Device server.")] = "ws://127.0.0.1:8080/xiaozhi/v1/",
    out: Annotated[Path, typer.Option(help="WAV file for what is heard.")] = Path("device.wav"),
    abort_after: Annotated[
        float | None, typer.Option(help="Press the button after so many seconds.")
    ] = None,
) -> None:
    """Be a simulated voice device: receive, decode, save, and count late frames."""
    if (session is None) == (text is None):
        _fail("give either --session or --text", 2)
    _run(lambda: commands.device(url, session, text, out, abort_after))


@app.command()
def doctor(redis: RedisUrl = None, state: State = None) -> None:
    """Say what is installed, calibrate the voices, and how to get what is missing."""
    settings = _settings(redis_url=redis, state=state)
    _run(lambda: commands.doctor(settings))


@app.command()
def demo(
    out: Annotated[Path, typer.Option(help="Folder for everything the demo makes.")] = Path("out"),
    port: Annotated[int | None, typer.Option(help="Port to listen on.")] = None,
    stay: Annotated[bool, typer.Option(help="Stay up after the story.")] = False,
) -> None:
    """Narrate a story to HLS and to a simulated device at once, and print the figures."""
    settings = _settings(port=port)
    _run(lambda: commands.demo(settings, out, Console(), stay=stay))


@app.command()
def version() -> None:
    """Print the version."""
    print(json.dumps({"rhapsode": __version__}))  # noqa: T201 - its whole purpose


def _log_lines() -> None:
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty()),
        ],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")


def main() -> None:
    """Run the command line."""
    _log_lines()
    app()
