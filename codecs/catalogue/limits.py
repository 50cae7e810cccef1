"""What a listener may hear, and when: what parents decide."""

import re
from collections.abc import Iterable
from datetime import UTC, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from .titles import Title

MOST_NAMES = 100
MAX_NAME_CHARS = 100
_TIME = re.compile("([01][0-9]|2[0-3]):[0-5][0-9]")


class Limits(msgspec.Struct, frozen=True, omit_defaults=True):
    """Hours and titles of one listener.

    Raises:
        ValueError: a time is none, or the zone is not known, or there are too many names.
    """

    begins: str = ""
    """Local time from which something may be heard, ``07:00``; empty with ``ends`` for always."""
    ends: str = ""
    """Local time from which nothing may; before ``begins`` it is that of the next day."""
    time_zone: str = "UTC"
    """As the IANA names it, such as ``Asia/Kolkata``."""
    only: tuple[str, ...] = ()
    """Titles of these alone: categories, languages, or ``music`` or ``story``; empty for all."""
    never: tuple[str, ...] = ()
    """No titles of these."""

    def __post_init__(self) -> None:
        if bool(self.begins) != bool(self.ends):
            raise ValueError("hours have a beginning and an end: give both or neither")
        for given in (self.begins, self.ends):
            if given and not _TIME.fullmatch(given):
                raise ValueError(f"{given[:20]!r} is no time: write one such as 07:30")
        if self.begins and self.begins == self.ends:
            raise ValueError("hours that end where they begin are none: leave both out for always")
        _zone(self.time_zone)
        if len(self.only) + len(self.never) > MOST_NAMES:
            raise ValueError(f"more than {MOST_NAMES} names")
        if any(not 0 < len(name.strip()) <= MAX_NAME_CHARS for name in (*self.only, *self.never)):
            raise ValueError(f"a name has 1 to {MAX_NAME_CHARS} characters")

    def allows(self, title: Title) -> bool:
        """Tell whether a title may be heard, whatever the time."""
        return self.allows_sort((title.kind, title.category, title.language))

    def allows_sort(self, sort: tuple[str, ...]) -> bool:
        """Tell whether a title of this kind, category and language may be heard."""
        names = _folded(sort)
        if names & _folded(self.never):
            return False
        return not self.only or bool(names & _folded(self.only))

    def open_for_s(self, now_s: float) -> float | None:
        """Return for how many seconds on something may be heard; None: always. 0: not now."""
        if not self.begins:
            return None
        now = datetime.fromtimestamp(now_s, UTC).astimezone(_zone(self.time_zone))
        begins, ends = time.fromisoformat(self.begins), time.fromisoformat(self.ends)
        since_begin = _until(now.time(), begins, back=True)
        since_end = _until(now.time(), ends, back=True)
        if since_begin > since_end:
            return 0.0
        # by the local clock: a night in which it is changed may be an hour longer or shorter
        return _until(now.time(), ends).total_seconds()


def _until(now: time, then: time, *, back: bool = False) -> timedelta:
    """Return the time from now to the next ``then``, or since the last one."""
    day = datetime(2000, 1, 1, tzinfo=UTC)
    first, second = (then, now) if back else (now, then)
    gap = datetime.combine(day, second.replace(tzinfo=None)) - datetime.combine(
        day, first.replace(tzinfo=None)
    )
    return gap % timedelta(days=1)


def _folded(names: Iterable[str]) -> frozenset[str]:
    return frozenset(name.casefold().strip() for name in names if name)


@lru_cache(maxsize=64)
def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(
            f"{name[:60]!r} is no time zone: name one such as UTC, Europe/Berlin or Asia/Kolkata"
        ) from None
