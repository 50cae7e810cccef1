"""How far the mastering of one session is, and how far ahead of its listeners."""

import math
from dataclasses import dataclass, field
from time import monotonic, time

from ..codecs.records import Control, Event, ObjectAudio, Speech, Word
from .backlog import PackingBacklog
from .journal import Description
from .mastering import Cursor

LISTENING_S = 15.0
"""A listener's report counts for so long: a few target durations."""


@dataclass(slots=True)
class MasterRun:
    """Where the session's audio goes on; read from its last frame after a restart."""

    packing: PackingBacklog
    at: Cursor = field(default_factory=Cursor)
    events: int = 0
    """Events of this stage so far: chunks below this number are complete."""
    last_chunk: int = -1
    """Of the frame that was the last one at a restart."""
    last_chunk_sample: int = 0
    """The first one of that chunk."""
    closed: bool = False
    degraded: bool = False
    """Whether a fallback voice was heard so far."""
    failed: int = 0
    """Chunks and objects so far that could not be sounded to their end."""
    failure: str = ""
    """Why, of the last one that is known."""
    parts: list[Speech] = field(default_factory=list[Speech])
    """Delivered parts of the next chunk's speech, so far."""
    granted_s: float = math.inf
    """Of a session with a pace: up to which second there may be sound of its objects."""
    caught_up: bool = False
    """True once all was mastered that was there when the run began."""
    cancelled: bool = False
    heard_until_s: float = 0.0
    """Somebody listens until then, as far as was reported."""
    begun_s: float = 0.0
    """When the audio's first sample was heard at the latest, if somebody listened from then on."""
    silent: bool = False
    """True while an open session without items goes on silently."""

    def heed(self, record: Control) -> None:
        """Take a request of the session's owner, or a report of a listener."""
        if record.verb == "cancel":
            self.cancelled = True
        elif record.verb == "produce":
            self.granted_s = max(self.granted_s, record.until_s)
        elif record.verb == "listening":
            self.heard_until_s = monotonic() + LISTENING_S

    def collect(self, part: Speech | ObjectAudio) -> bool:
        """Keep a delivered part; tell whether there may be something to master.

        There is where the chunk is whole (if not here, the log has it), unless it was mastered with
        those before it: then the next record follows at once, or acknowledging would stay behind.
        """
        if isinstance(part, ObjectAudio):
            # one that was mastered with those before it asks for nothing
            return (part.chapter, part.piece) >= (self.at.chapter, self.at.piece)
        if self.caught_up and (part.chapter, part.index) < (self.at.chapter, self.at.index):
            return False
        in_turn = (part.chapter, part.index) == (self.at.chapter, self.at.index)
        if in_turn and part.part == len(self.parts):
            self.parts.append(part)
        if part.part + 1 < part.parts:
            return False
        if len(self.parts) != part.parts or not in_turn:
            self.parts.clear()
        return True

    def start_of(self, head: Speech) -> int:
        """Return a chunk's first sample: a restart may have come between two of its steps."""
        return self.last_chunk_sample if self.last_chunk == head.seq else self.at.sample

    def begin(self, rate_hz: int) -> None:
        """Note that something is heard from now on: who ran dry waited for it."""
        self.silent = False
        behind_s = -self.lead_s(rate_hz)
        if behind_s > 0:
            self.begun_s += behind_s

    def heard_from_s(self) -> float:
        """Return the Unix time at which the audio's first sample was heard at the latest."""
        return time() - monotonic() + self.begun_s

    def lead_s(self, rate_hz: int) -> float:
        """Return the seconds of audio ahead of somebody who has listened from the beginning."""
        return self.at.sample / rate_hz - (monotonic() - self.begun_s)

    def event(
        self,
        session: Description,
        head: Speech | None,
        *,
        start: int = 0,
        words: tuple[Word, ...] = (),
        error: str = "",
        last: bool = False,
    ) -> Event:
        """Return the event that says that a chunk is complete, or all of the session."""
        seq = self.events
        self.events += 1
        self.failed += bool(error) and not last
        self.failure = error or self.failure
        rate_hz = session.form.sample_rate_hz
        return Event(
            session=session.session,
            stage="master",
            seq=seq,
            kind="chunk",
            chars=head.chars if head else 0,
            audio_s=self.at.sample / rate_hz,
            count=seq + (0 if last else 1),
            degraded=self.degraded,
            failed=self.failed,
            text=head.text if head else "",
            item=head.item if head else 0,
            start_char=head.start_char if head else 0,
            end_char=head.end_char if head else 0,
            start_s=start / rate_hz,
            words=words,
            error=error,
            last=last,
        )
