"""``rhapsode keys``: who may use the gateway from beyond this machine."""

from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.table import Table

from ...storage.access_keys import AccessKey
from ..callers import new_key
from ..settings import Settings
from .options import Json, RedisUrl, State
from .running import UsageError, run, services_of, settings_of, show, show_json, wide_console

app = typer.Typer(help="API keys, which the gateway asks for beyond this machine.")
Name = Annotated[str, typer.Argument(metavar="NAME", help="What you call it, such as a client.")]
KeyId = Annotated[str, typer.Argument(metavar="ID", help="As 'keys ls' names it.")]
Chars = Annotated[int, typer.Option(min=0, help="Characters of text a day; 0 for any number.")]
AtOnce = Annotated[int, typer.Option(min=0, help="Unfinished sessions; 0 for any number.")]

KeptMb = Annotated[int, typer.Option(min=0, help="Megabytes that are kept of it; 0: no bound.")]


@app.command("add")
def add(
    name: Name,
    redis: RedisUrl = None,
    state: State = None,
    chars_a_day: Chars = 0,
    sessions_at_once: AtOnce = 0,
    kept_mb: KeptMb = 0,
    as_json: Json = False,
) -> None:
    """Make a key and print it: it is shown this once."""
    if not name.strip() or len(name) > 100:
        raise typer.BadParameter("a name has 1 to 100 characters")
    settings = settings_of(redis_url=redis, state=state)
    key, text = new_key(
        name.strip(), chars_a_day=chars_a_day, sessions_at_once=sessions_at_once, kept_mb=kept_mb
    )
    run(lambda: _add(settings, key, text, as_json=as_json))


async def _add(settings: Settings, key: AccessKey, text: str, *, as_json: bool) -> int:
    async with services_of(settings) as services:
        await services.access_keys.add(key)
    if as_json:
        show_json({"id": key.id, "name": key.name, "key": text})
    else:
        show(text)
    return 0


@app.command("ls")
def list_keys(redis: RedisUrl = None, state: State = None, as_json: Json = False) -> None:
    """List the keys there are, without what lets anybody in: that is not kept."""
    settings = settings_of(redis_url=redis, state=state)
    run(lambda: _list(settings, as_json=as_json))


async def _list(settings: Settings, *, as_json: bool) -> int:
    async with services_of(settings) as services:
        keys = await services.access_keys.all()
    if as_json:
        fields = ("id", "name", "created_ms", "chars_a_day", "sessions_at_once", "kept_mb")
        show_json([{name: getattr(key, name) for name in fields} for key in keys])
        return 0
    table = Table("id", "name", "made", "characters a day", "sessions at once", "MB kept")
    for key in keys:
        made = datetime.fromtimestamp(key.created_ms / 1000, UTC)
        table.add_row(
            key.id,
            key.name,
            made.isoformat(sep=" ", timespec="seconds"),
            str(key.chars_a_day or "any"),
            str(key.sessions_at_once or "any"),
            str(key.kept_mb or "any"),
        )
    wide_console(100).print(table)
    return 0


@app.command("revoke")
def revoke(key_id: KeyId, redis: RedisUrl = None, state: State = None) -> None:
    """Make a key worthless, with the tokens made from it; gateways notice within 5 s."""
    settings = settings_of(redis_url=redis, state=state)
    run(lambda: _revoke(settings, key_id))


async def _revoke(settings: Settings, key_id: str) -> int:
    async with services_of(settings) as services:
        if not await services.access_keys.revoke(key_id):
            raise UsageError(f"there is no key {key_id[:40]!r}: 'rhapsode keys ls' lists them")
    show(f"key {key_id} is revoked")
    return 0
