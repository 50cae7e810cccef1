"""How far a session is: folded from its events, live or from the log."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import Literal

from ..agents.journal import Journal, UnknownSessionError
from ..agents.pack import grid_of
from ..codecs.encoding import decode
from ..codecs.records import Event
from ..storage.session_index import KnownSession

State = Literal["PENDING", "PROGRESS", "SUCCESS", "FAILURE"]


@dataclass(slots=True, weakref_slot=True)
class Progress:
    """What is known of one session."""

    session: str
    created_ms: int = 0
    target_duration_s: int = 2
    """Of its playlists."""
    open: bool = False
    """True where the session was accepted open; it may be finished by now."""
    paced: bool = False
    """True where production follows the listeners."""
    chars: int = 0
    chars_total: int = 0
    chunks: int = 0
    segments: int = 0
    audio_s: float = 0.0
    """Mastered audio."""
    published_s: float = 0.0
    """Audio the playlist lists."""
    first_segment_ms: int = 0
    """Server time at which the first segment was published; 0 before."""
    finished_ms: int = 0
    last_event_ms: int = 0
    degraded: bool = False
    failed_chunks: int = 0
    """Chunks and objects that could not be sounded to their end: there is silence for them."""
    done: bool = False
    error: str = ""
    extra: dict[str, int] = field(default_factory=dict[str, int])
    """Milliseconds, since acceptance, at which each stage first spoke."""

    def apply(self, event: Event, timestamp_ms: int) -> None:
        """Take an event in; taking it twice changes nothing."""
        self.last_event_ms = max(self.last_event_ms, timestamp_ms)
        self.chars_total = max(self.chars_total, event.chars_total)
        self.degraded = self.degraded or event.degraded
        if self.created_ms:
            self.extra.setdefault(event.stage, timestamp_ms - self.created_ms)
        if event.stage == "master":
            self.chars = max(self.chars, event.chars)
            self.chunks = max(self.chunks, event.count)
            self.failed_chunks = max(self.failed_chunks, event.failed)
            self.audio_s = max(self.audio_s, event.audio_s)
        if event.stage == "publish":
            self.segments = max(self.segments, event.count)
            self.published_s = max(self.published_s, event.audio_s)
            if event.count and not self.first_segment_ms:
                self.first_segment_ms = timestamp_ms
            if event.last:
                self.done, self.error, self.finished_ms = True, event.error, timestamp_ms

    def become(self, other: "Progress") -> None:
        """Take over all that another knows of the session."""
        for each in fields(self):
            setattr(self, each.name, getattr(other, each.name))

    @property
    def state(self) -> State:
        """The seed's word for where the session is."""
        if self.done:
            return "FAILURE" if self.error else "SUCCESS"
        return "PROGRESS" if self.chunks or self.chars_total else "PENDING"

    @property
    def percent(self) -> int | None:
        """Share of the text that is mastered, None while its length is unknown."""
        if self.done and not self.error:
            return 100
        if not self.chars_total:
            return None
        return min(99, 100 * self.chars // self.chars_total)

    @property
    def first_audio_s(self) -> float | None:
        """Seconds from acceptance until the first segment was published, by the log's clock."""
        if not self.first_segment_ms or not self.created_ms:
            return None
        return (self.first_segment_ms - self.created_ms) / 1000

    @property
    def seconds_ahead(self) -> float:
        """Published audio minus what a listener since the first segment would have heard."""
        if not self.first_segment_ms:
            return 0.0
        now_ms = self.last_event_ms or self.first_segment_ms
        return self.published_s - (now_ms - self.first_segment_ms) / 1000

    def as_json(self) -> dict[str, object]:
        """Return the progress as the modern API gives it."""
        return {
            "session_id": self.session,
            "state": self.state,
            "percent": self.percent,
            "chunk_count": self.chunks,
            "segments": self.segments,
            "audio_s": round(self.audio_s, 3),
            "published_s": round(self.published_s, 3),
            "first_audio_s": self.first_audio_s,
            "stage_ms": self.extra,
            "degraded": self.degraded,
            "failed_chunks": self.failed_chunks,
            "open": self.open and not self.done,
            "error": self.error,
        }


async def load_progress(journal: Journal, session: str) -> Progress | None:
    """Return the progress of a session from the log, None if it was never accepted."""
    try:
        description = await journal.describe(session)
    except UnknownSessionError:
        return None
    progress = Progress(
        session,
        created_ms=description.created_ms,
        target_duration_s=grid_of(description.form).target_duration_s,
        open=description.record.open,
        paced=description.record.pace.ahead_s > 0,
    )
    events = journal.of(Event)
    for stage in ("split", "master", "publish"):
        sequence = f"{session}/{stage}"
        state = await events.state(sequence)
        # the first event dates a stage's start, the last has the totals
        for position in sorted({0, max(0, state.next - 1)}):
            for entry in await events.entries(sequence, position, position + 1):
                progress.apply(decode(entry.value or b"", Event), entry.timestamp_ms)
    return progress


async def load_listed(journal: Journal, known: Sequence[KnownSession]) -> list[Progress]:
    """Return the progress of sessions that the index knows, without those the log does not."""
    loaded = await asyncio.gather(*(load_progress(journal, one.session) for one in known))
    return [progress for progress in loaded if progress is not None]
