"""``rhapsode dead``: what was given up, why, and once more."""

from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.table import Table

from ...agents.journal import UnknownSessionError
from ..settings import Settings
from ..tools.dead import drop, find, newest, say_again
from .options import Json, RedisUrl, State
from .running import UsageError, run, services_of, settings_of, show, show_json, wide_console

app = typer.Typer(help="Records that were given up: list, show, say again, drop.")
Name = Annotated[str, typer.Argument(metavar="LETTER", help="As 'dead ls' names it: 3/17.")]


@app.command("ls")
def list_letters(
    redis: RedisUrl = None,
    state: State = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="How many.")] = 20,
    as_json: Json = False,
) -> None:
    """List the newest dead letters."""
    settings = settings_of(redis_url=redis, state=state)
    run(lambda: _list(settings, limit, as_json=as_json))


async def _list(settings: Settings, limit: int, *, as_json: bool) -> int:
    async with services_of(settings) as services:
        found = await newest(services.journal, limit)
    if as_json:
        show_json([letter.as_json() for letter in found])
        return 0
    table = Table("letter", "time", "stage", "session", "record", "reason")
    for letter in found:
        at = datetime.fromtimestamp(letter.timestamp_ms / 1000, UTC)
        record = letter.record
        table.add_row(
            letter.name,
            at.isoformat(sep=" ", timespec="seconds"),
            record.stage,
            record.session,
            f"{record.topic} {record.partition}/{record.offset}",
            record.reason.partition("\n")[0][:120],
        )
    wide_console(160).print(table)
    return 0


@app.command("show")
def show_letter(name: Name, redis: RedisUrl = None, state: State = None) -> None:
    """Print a letter's whole reason, with the traceback where it was a bug."""
    settings = settings_of(redis_url=redis, state=state)
    run(lambda: _show(settings, name))


async def _show(settings: Settings, name: str) -> int:
    async with services_of(settings) as services:
        letter = await find(services.journal, name)
    show_json(letter.as_json())
    show(letter.record.reason)
    return 0


@app.command("retry")
def retry(name: Name, redis: RedisUrl = None, state: State = None, as_json: Json = False) -> None:
    """Say the letter's session again, as a new one: the old one has ended for good."""
    settings = settings_of(redis_url=redis, state=state)
    run(lambda: _retry(settings, name, as_json=as_json))


async def _retry(settings: Settings, name: str, *, as_json: bool) -> int:
    async with services_of(settings) as services:
        letter = await find(services.journal, name)
        if not letter.record.session:
            raise UsageError(
                f"letter {name} belongs to no session: mend what its reason names and send it again"
            )
        try:
            again = await say_again(services.journal, letter.record.session)
        except UnknownSessionError as error:
            raise UsageError(f"{error}: nothing is known of it that could be said") from None
    if as_json:
        show_json({"session_id": again, "of": letter.record.session})
    else:
        show(f"session {letter.record.session} is said again as {again}")
    return 0


@app.command("drop")
def drop_letters(name: Name, redis: RedisUrl = None, state: State = None) -> None:
    """Remove a letter and those of its partition that are older: a log is cut at its beginning."""
    settings = settings_of(redis_url=redis, state=state)
    run(lambda: _drop(settings, name))


async def _drop(settings: Settings, name: str) -> int:
    async with services_of(settings) as services:
        count = await drop(services.journal, await find(services.journal, name))
    show(f"removed: {count}")
    return 0
