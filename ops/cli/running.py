"""How a command runs: its settings, its services, its exit status, its errors in one sentence."""

import asyncio
import errno
import json
import sys
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, NoReturn, TypeVar

import typer
import uvloop
from rich.console import Console

from ...agents.voices.voice import VoiceFailedError
from ...codecs.archive import DamagedPieceError
from ...codecs.encoding import MalformedError
from ...codecs.records import check_session
from ...storage.log import LogError, UnreachableError
from ...storage.objects.store import ObjectsRefusedError, ObjectsUnreachableError
from ...storage.redis.embedded import EmbeddedValkeyError
from ..run.addresses import log_folder, port_problem
from ..run.log_server import log_server
from ..run.up import StartFailedError
from ..services import Services
from ..settings import Settings
from ..settings_reading import SettingsError, read_settings
from ..tools.demo import DemoFailedError
from ..tools.replay import ReplayError
from ..tools.say import SpeakingFailedError

T = TypeVar("T")
OF_THE_MACHINE = frozenset((errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN))
INTERRUPTED = 130
"""Exit status of a command that Ctrl-C ended, by the shells' custom: 128 and the signal."""


class UsageError(Exception):
    """The command cannot be done as it was given; the message says what to do."""


USERS_MISTAKES = (
    SettingsError,
    MalformedError,
    SpeakingFailedError,
    DemoFailedError,
    ReplayError,
    StartFailedError,
    EmbeddedValkeyError,
    ObjectsRefusedError,
    ObjectsUnreachableError,
    DamagedPieceError,
    LogError,
    UsageError,
)


def fail(message: str, status: int = 1) -> NoReturn:
    """Tell the user what is wrong and end; status 2 where the command was used wrongly."""
    tell(message)
    raise typer.Exit(status)


def tell(message: str) -> None:
    """Tell the user something that is not the command's result."""
    sys.stderr.write(f"rhapsode: {message}\n")
    sys.stderr.flush()


def show(line: str) -> None:
    """Print a line of the command's result."""
    try:
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()
    except OSError as error:
        raise UsageError(f"the result cannot be written: {error.strerror}") from None


def show_json(value: object) -> None:
    """Print the command's result as one line of JSON."""
    show(json.dumps(value, ensure_ascii=False))


def show_rows(rows: list[tuple[str, str]]) -> None:
    """Print names and values in two columns."""
    width = max(len(name) for name, _ in rows)
    for name, value in rows:
        show(f"  {name:<{width}}  {value}")


def wide_console(least: int) -> Console:
    """Return a console that does not fold a table to fit a pipe's 80 columns."""
    console = Console()
    return console if console.is_terminal else Console(width=least)


def run(make: Callable[[], Coroutine[Any, Any, int | None]]) -> NoReturn:
    """Run a command's coroutine; a user's mistake is a sentence, a bug is a traceback."""
    try:
        status = uvloop.run(make())
    except UnreachableError as error:
        fail(
            f"{str(error).rstrip('.')}: start the server ('rhapsode up' runs one), or give the URL "
            "of another with --redis"
        )
    except USERS_MISTAKES as error:
        fail(str(error))
    except OSError as error:
        if error.errno in OF_THE_MACHINE:
            fail(f"{error.strerror}: this machine, or 'ulimit', gives too little to run")
        if error.filename is None:
            raise
        fail(f"cannot use {error.filename}: {error.strerror}; choose another path")
    except VoiceFailedError as error:
        fail(f"the voice cannot be loaded: {error}; choose another one with RHAPSODE_VOICES")
    except MemoryError:
        fail("out of memory: this machine, or 'ulimit', gives too little to run")
    except KeyboardInterrupt:
        raise typer.Exit(INTERRUPTED) from None
    raise typer.Exit(status or 0)


def settings_of(**chosen: Any) -> Settings:
    """Return the settings with what was chosen on the command line."""
    try:
        return read_settings(**chosen)
    except SettingsError as error:
        fail(str(error), 2)


@asynccontextmanager
async def services_of(settings: Settings) -> AsyncGenerator[Services]:
    """Yield services on a log that is there, for which an embedded server is started if need be.

    Raises:
        UsageError: nothing was ever written in the state folder: looking must not create it.
    """
    if not settings.redis_url and not log_folder(settings).is_dir():
        raise UsageError(
            f"there is no log below {settings.state}: start one with 'rhapsode up', or name "
            "another folder with --state, or a server with --redis"
        )
    async with log_server(settings) as (reachable, _):
        services = Services(reachable)
        try:
            yield services
        finally:
            await services.close()


def check_port(settings: Settings) -> None:
    """See that the gateway can listen where it is told to.

    Raises:
        UsageError: it cannot; the message says what to choose instead.
    """
    problem = port_problem(settings)
    if problem:
        raise UsageError(problem)


def check_session_id(session: str) -> None:
    """See that the session id is one; it becomes part of paths and keys.

    Raises:
        UsageError: it is none.
    """
    try:
        check_session(session)
    except ValueError as error:
        raise UsageError(str(error)) from None


async def unless_stopped(stopping: asyncio.Event, work: Coroutine[Any, Any, T]) -> T | None:
    """Await the work; cancel it and return None if the event comes first."""
    working = asyncio.create_task(work)
    waiting = asyncio.create_task(stopping.wait())
    try:
        await asyncio.wait([working, waiting], return_when=asyncio.FIRST_COMPLETED)
        return await working if working.done() else None
    finally:
        working.cancel()
        waiting.cancel()
        await asyncio.gather(working, waiting, return_exceptions=True)
