"""What every record shares: a session, a sequence, positions on it.

Every record but a dead letter belongs to a *sequence* inside its topic (a session, say) and takes
a half-open range ``[start, end)`` of *positions* there, counted in records, samples or frames as
the class documents. The log appends at a position, so a record that is sent twice is stored once.

Records validate themselves when they are made and when they are decoded.
"""

import re
from functools import lru_cache
from typing import ClassVar

import msgspec

MAX_RECORD_BYTES = 64 * 1024
BYTES_PER_SAMPLE = 2

_session = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")


@lru_cache(maxsize=4_096)  # every record names its session, and the same ones again and again
def check_session(session: str) -> str:
    """Return the session id if it is one; it becomes part of paths and keys.

    Raises:
        ValueError: it is not 1 to 64 letters, digits, ``-`` or ``_``.
    """
    if not _session.fullmatch(session):
        raise ValueError(
            f"session id {session[:80]!r} is not 1 to 64 letters, digits, '-' or '_', the first a "
            "letter or digit"
        )
    return session


class Record(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type"):
    """What every record shares; concrete records name their topic."""

    TOPIC: ClassVar[str] = ""

    session: str

    def __post_init__(self) -> None:
        check_session(self.session)

    @property
    def key(self) -> str:
        """Partition key."""
        return self.session


class SequenceRecord(Record, frozen=True, kw_only=True, omit_defaults=True):
    """A record with a position on a sequence; all but dead letters."""

    KEYED_BY_SEQUENCE: ClassVar[bool] = False
    """True where each of a session's sequences may lie in a partition of its own."""

    JUDGED_BY_START: ClassVar[bool] = False
    """True where writers are not deterministic: of two that begin at one position the first stays,
    whatever their lengths."""

    last: bool = False
    """True for the last record of its sequence."""

    @property
    def sequence(self) -> str:
        """Name of the sequence inside the topic that this record belongs to."""
        return self.session

    @property
    def start(self) -> int:
        """First position this record takes on its sequence."""
        return 0

    @property
    def end(self) -> int:
        """Position after the last one this record takes; equal to ``start`` for a bare end mark."""
        return self.start + 1
