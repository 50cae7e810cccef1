"""How long things are kept, and what is to go first."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass, replace
from typing import Literal

from ..storage.session_index import KnownSession, SessionIndex, Totals

PAGE = 100


@dataclass(frozen=True, slots=True)
class Retention:
    """Bounds of what is kept; 0 is no bound.

    The log keeps the newest records; before it lets go of any they are archived. A session ends to
    be where its archive goes, and its media go with it at the latest.
    """

    log_bytes: int = 0
    log_age_s: float = 0.0
    media_bytes: int = 0
    media_age_s: float = 0.0
    archive_bytes: int = 0
    archive_age_s: float = 0.0
    sessions: int = 0


@dataclass(frozen=True, slots=True)
class Removal:
    """Something that is to go, and why."""

    session: str
    what: Literal["media", "session"]
    reason: str
    media_bytes: int
    archive_bytes: int


async def what_is_to_go(
    index: SessionIndex, retention: Retention, now_ms: int
) -> AsyncGenerator[Removal]:
    """Yield what is beyond the bounds, of the oldest sessions first.

    Only sessions that the log has forgotten go: what may still be worked on is none of them.
    """
    totals, after = await index.totals(), ""
    while page := await index.oldest(PAGE, after=after):
        after = page[-1].session  # it may be gone when the next page is read: see below
        kept = ""
        for known in page:
            removal = _of(known, totals, retention, now_ms) if known.ended_ms else None
            if removal is None or removal.what == "media":
                kept = known.session
            if removal is not None:
                yield removal
                totals = _without(totals, removal)
        if kept != after and await index.get(after) is None:
            after = kept  # empty where the whole page is gone: then the next one is the first
        if page[-1].created_ms > _newest_to_look_at(totals, retention, now_ms):
            return


def _of(known: KnownSession, totals: Totals, retention: Retention, now_ms: int) -> Removal | None:
    age_s = (now_ms - known.ended_ms) / 1000

    def removal(what: Literal["media", "session"], reason: str) -> Removal:
        archived = known.archive_bytes if what == "session" else 0
        return Removal(known.session, what, reason, known.media_bytes, archived)

    whole = {
        f"ended more than {_period(retention.archive_age_s)} ago": 0
        < retention.archive_age_s
        < age_s,
        f"more than {retention.sessions:,} sessions are kept": 0
        < retention.sessions
        < totals.sessions,
        f"the archive is over {_size(retention.archive_bytes)}": known.archive_bytes > 0
        and 0 < retention.archive_bytes < totals.archive_bytes,
    }
    media = {
        f"ended more than {_period(retention.media_age_s)} ago": 0 < retention.media_age_s < age_s,
        f"media are over {_size(retention.media_bytes)}": 0
        < retention.media_bytes
        < totals.media_bytes,
    }
    for reason, holds in whole.items():
        if holds:
            return removal("session", reason)
    for reason, holds in media.items():
        if holds and known.media_bytes:
            return removal("media", reason)
    return None


def _without(totals: Totals, removal: Removal) -> Totals:
    return replace(
        totals,
        sessions=totals.sessions - (removal.what == "session"),
        media_bytes=totals.media_bytes - removal.media_bytes,
        archive_bytes=totals.archive_bytes - removal.archive_bytes,
    )


def _newest_to_look_at(totals: Totals, retention: Retention, now_ms: int) -> float:
    """Return the time of creation after which nothing can be beyond a bound."""
    over = (
        0 < retention.sessions < totals.sessions
        or 0 < retention.archive_bytes < totals.archive_bytes
        or 0 < retention.media_bytes < totals.media_bytes
    )
    if over:
        return float("inf")
    ages_s = [age_s for age_s in (retention.media_age_s, retention.archive_age_s) if age_s]
    return now_ms - 1000 * min(ages_s) if ages_s else 0.0


def _period(seconds: float) -> str:
    return f"{seconds / 86_400:g} days" if seconds >= 86_400 else f"{seconds / 3600:g} hours"


def _size(size_bytes: int) -> str:
    return f"{size_bytes / 1_000_000:,.0f} MB"
