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
    totals, after = await index.totals(), None
    while page := await index.oldest(PAGE, after=after):
        for known in page:
            removal = _of(known, totals, retention, now_ms) if known.ended_ms else None
            if removal is not None:
                yield removal
                totals = _without(totals, removal)
        after = page[-1].position
        if after.created_ms > _newest_to_look_at(totals, retention, now_ms):
            return


def _of(known: KnownSession, totals: Totals, retention: Retention, now_ms: int) -> Removal | None:
    age_s = (now_ms - known.ended_ms) / 1000
    reason = ""
    if 0 < retention.archive_age_s < age_s:
        reason = f"ended more than {_period(retention.archive_age_s)} ago"
    elif 0 < retention.sessions < totals.sessions:
        reason = f"more than {retention.sessions:,} sessions are kept"
    elif known.archive_bytes and 0 < retention.archive_bytes < totals.archive_bytes:
        reason = f"the archive is over {_size(retention.archive_bytes)}"
    if reason:
        return Removal(known.session, "session", reason, known.media_bytes, known.archive_bytes)
    if known.media_bytes and 0 < retention.media_age_s < age_s:
        reason = f"ended more than {_period(retention.media_age_s)} ago"
    elif known.media_bytes and 0 < retention.media_bytes < totals.media_bytes:
        reason = f"media are over {_size(retention.media_bytes)}"
    return Removal(known.session, "media", reason, known.media_bytes, 0) if reason else None


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
