"""What a catalogue answers: play, ask, not found, or a control; each can be logged as it is."""

import msgspec

from .request import Slots
from .titles import Title

MAX_CANDIDATES = 5


class Candidate(msgspec.Struct, frozen=True):
    """A title that was considered."""

    object: str
    score: float
    """0 to 100."""


class _Answer(msgspec.Struct, frozen=True, kw_only=True, tag_field="type"):
    """What every answer says beside its outcome."""

    slots: Slots
    reason: str
    """Why, in a sentence for the log."""
    candidates: tuple[Candidate, ...] = ()
    """The best few titles considered, the best first."""


class Play(_Answer, frozen=True, kw_only=True, tag="play"):
    """These, in this order."""

    titles: tuple[Title, ...]
    score: float = 0.0
    """0 to 100; 100 for a request that names no title and is met in full."""
    because: str = ""
    """Where it is recommended: the sort of title that was heard most."""


class Ask(_Answer, frozen=True, kw_only=True, tag="ask"):
    """Did you mean one of these two or three?"""

    titles: tuple[Title, ...]
    score: float = 0.0


class NotFound(_Answer, frozen=True, kw_only=True, tag="not-found"):
    """Nothing here is what was asked for."""

    wanted: str = ""
    """What was asked for, in Latin letters."""
    best_score: float = 0.0
    until: str = ""
    """Where nothing may be heard now: the local time from which something may."""
    forbidden: bool = False
    """It is there, but this listener may not hear it."""


class Control(_Answer, frozen=True, kw_only=True, tag="control"):
    """Nothing to find: do this to what is playing."""

    action: str
    value: float | None = None


Answer = Play | Ask | NotFound | Control


def not_allowed(slots: Slots, wanted: str) -> NotFound:
    """Return the answer that what was asked for is there, but not for this listener."""
    reason = "it is not allowed to this listener"
    return NotFound(slots=slots, reason=reason, wanted=wanted, forbidden=True)
