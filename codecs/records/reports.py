"""What stages report: progress, and records that no retry can mend."""

from typing import ClassVar, Literal

from .record import Record, SequenceRecord, check_session
from .sound import Word


class Event(SequenceRecord, tag="event/1", frozen=True, kw_only=True, omit_defaults=True):
    """Progress reported by a stage: topic ``event``, one sequence a session and stage."""

    TOPIC: ClassVar[str] = "event"

    stage: str
    seq: int
    kind: Literal["text", "chunk", "audio", "segment", "done", "failed"]
    chars: int = 0
    """Characters of the text dealt with so far."""
    chars_total: int = 0
    """Characters of the whole text, 0 while unknown."""
    audio_s: float = 0.0
    count: int = 0
    """Chunks or segments so far."""
    degraded: bool = False
    failed: int = 0
    """Chunks and objects so far that could not be sounded to their end, reported by ``master``."""
    text: str = ""
    """With ``item``, ``start_char``, ``end_char``, ``start_s`` and ``words``: the chunk whose
    audio was made, reported by ``master``."""
    item: int = 0
    start_char: int = 0
    end_char: int = 0
    start_s: float = 0.0
    words: tuple[Word, ...] = ()
    """Seconds from the start of the session."""
    error: str = ""

    @property
    def sequence(self) -> str:
        return f"{self.session}/{self.stage}"

    @property
    def start(self) -> int:
        return self.seq


class DeadLetter(Record, tag="dead-letter/1", frozen=True, kw_only=True, omit_defaults=True):
    """A record that no retry can mend, where it was, and why: topic ``dead-letter``.

    ``session`` is empty where the record was too broken to tell. It has no position: after a crash
    the same letter may be written twice.
    """

    TOPIC: ClassVar[str] = "dead-letter"
    stage: str
    topic: str
    partition: int
    offset: int
    reason: str
    value: bytes = b""
    """The record as it was, cut at 32 KB."""

    def __post_init__(self) -> None:
        if self.session:
            check_session(self.session)
