"""``rhapsode gc``, ``remove`` and ``mend``: what is to go, and what others left in the log."""

import time
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from ...agents.journal import UnknownSessionError
from ...agents.retention import what_is_to_go
from ..services import Services
from ..settings import Settings
from .options import Json, RedisUrl, State
from .running import UsageError, check_session_id, run, services_of, settings_of, show, show_json

Session = Annotated[str, typer.Argument(metavar="SESSION", help="Its id.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only tell what would go, and why.")]


def gc(
    redis: RedisUrl = None, state: State = None, dry_run: DryRun = False, as_json: Json = False
) -> None:
    """Bring log, media and archive within the bounds of the KEEP settings, as workers do."""
    settings = settings_of(redis_url=redis, state=state)
    run(lambda: _gc(settings, dry_run=dry_run, as_json=as_json))


async def _gc(settings: Settings, *, dry_run: bool, as_json: bool) -> int:
    async with services_of(settings) as services:
        before = await _kept(services)
        if dry_run:
            now_ms = int(time.time() * 1000)
            index, retention = services.session_index, services.retention
            removals = [one async for one in what_is_to_go(index, retention, now_ms)]
        else:
            done = await services.retainer.once()
            if done is None:
                raise UsageError(
                    "a worker is cleaning up: it does so every few seconds; "
                    "'rhapsode gc --dry-run' tells what is kept and what would go"
                )
            removals = done
        after = before if dry_run else await _kept(services)
    if as_json:
        rows = [
            {"session": one.session, "what": one.what, "reason": one.reason} for one in removals
        ]
        show_json({"kept": after, "would_go" if dry_run else "went": rows})
        return 0
    for removal in removals:
        show(f"{removal.session}  {removal.what}  {removal.reason}")
    _show_kept(after, settings)
    sessions = sum(one.what == "session" for one in removals)
    media = len(removals) - sessions
    verb = "would go" if dry_run else "went"
    show(f"{verb}: {sessions} sessions, and the media of {media} others")
    return 0


def mend(redis: RedisUrl = None, state: State = None, as_json: Json = False) -> None:
    """Put aside what other programs wrote to the log's own streams, which stand still for it."""
    settings = settings_of(redis_url=redis, state=state)
    run(lambda: _mend(settings, as_json=as_json))


async def _mend(settings: Settings, *, as_json: bool) -> int:
    async with services_of(settings) as services:
        topics = sorted((await services.log.topics()).items())
        places = [(topic, number) for topic, count in topics for number in range(count)]
        found = [await services.log.mend(*place) for place in places]
    rows: list[dict[str, Any]] = [
        {"topic": topic, "partition": number, "put_aside": put_aside}
        for (topic, number), put_aside in zip(places, found, strict=True)
        if put_aside
    ]
    if as_json:
        show_json(rows)
        return 0
    for row in rows:
        show(f"{row['topic']}  partition {row['partition']}  {row['put_aside']} put aside")
    count = sum(row["put_aside"] for row in rows)
    kept = f"{{{settings.namespace}:PARTITION}}:aside:TOPIC"
    show(f"{count} entries of other programs, kept in {kept}" if count else "nothing to mend")
    return 0


async def _kept(services: Services) -> dict[str, Any]:
    trimmer = services.retainer.trimmer
    sizes = await trimmer.sizes()
    times = [await trimmer.oldest_ms(number) for number in sizes]
    totals = await services.session_index.totals()
    return {
        "log_bytes": sum(sizes.values()),
        "log_oldest_ms": min((one for one in times if one is not None), default=None),
        "sessions": totals.sessions,
        "media_bytes": totals.media_bytes,
        "archive_bytes": totals.archive_bytes,
    }


def _show_kept(kept: dict[str, Any], settings: Settings) -> None:
    oldest = ""
    if kept["log_oldest_ms"] is not None:
        at = datetime.fromtimestamp(kept["log_oldest_ms"] / 1000, UTC)
        oldest = f", the oldest record of {at.isoformat(sep=' ', timespec='seconds')}"
    show(
        f"log: {_mb(kept['log_bytes'])} of {_bound(settings.keep_log_mb)}, "
        f"{_hours(settings.keep_log_hours)}{oldest}"
    )
    show(
        f"archived: {_mb(kept['archive_bytes'])} of {_bound(settings.keep_archive_mb)}, "
        f"{_days(settings.keep_archive_days)}; their media {_mb(kept['media_bytes'])} of "
        f"{_bound(settings.keep_media_mb)}, {_days(settings.keep_media_days)}"
    )
    sessions = settings.keep_sessions
    show(f"sessions: {kept['sessions']:,} of {f'{sessions:,}' if sessions else 'any number'}")


def _mb(size_bytes: int) -> str:
    return f"{size_bytes / 1_000_000:,.1f} MB"


def _bound(mb: int) -> str:
    return f"{mb:,} MB" if mb else "any size"


def _hours(hours: float) -> str:
    return f"{hours:g} hours" if hours else "any age"


def _days(days: float) -> str:
    return f"{days:g} days" if days else "any age"


def remove(session: Session, redis: RedisUrl = None, state: State = None) -> None:
    """Remove a session with all that is kept of it; one that is under way is cancelled first."""
    check_session_id(session)
    settings = settings_of(redis_url=redis, state=state)
    run(lambda: _remove(settings, session))


async def _remove(settings: Settings, session: str) -> int:
    async with services_of(settings) as services:
        try:
            await services.sessions.remove(session)
        except UnknownSessionError as error:
            raise UsageError(str(error)) from None
        await services.retainer.once()  # where no worker does
    show(f"session {session} is removed, or will be as soon as it has ended")
    return 0
