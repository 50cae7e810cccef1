"""From speech and objects to the session's one run of mastered audio."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass, field
from time import monotonic

from ..codecs.records import (
    AudioFrame,
    Chunk,
    Control,
    Event,
    Item,
    ObjectAudio,
    SequenceRecord,
    Speech,
    Word,
)
from .idle import Idle
from .journal import Description, Sequences
from .mastering import Cursor, closing_silence, ending, frames_of_chunk, frames_of_piece, silence
from .speak import is_cancelled

RUN_OUT_S = 0.25
"""An open session whose items have all ended and that gets nothing for so long has run out."""
RUN_OUT_OF_TEXT_S = 1.1
"""The same where a text may still go on: after `split` has cut all there is."""
NEAR_S = 1.0
"""Lead, beyond the segment that is not complete, at which the last words are let out."""
ANYWAY_S = 10.0
"""After so long they are let out however far away the listener may be."""
CANCEL_PIECES = 16
"""Pieces of an object between two looks whether the session was cancelled."""
LISTENING_S = 15.0
"""A listener's report counts for so long: a few target durations."""


@dataclass(slots=True)
class _Run:
    """Where the session's audio goes on; read from its last frame after a restart."""

    at: Cursor = field(default_factory=Cursor)
    events: int = 0
    """Events of this stage so far: chunks below this number are complete."""
    closed: bool = False
    degraded: bool = False
    """Whether a fallback voice was heard so far."""
    parts: list[Speech] = field(default_factory=list[Speech])
    """Delivered parts of the next chunk's speech, so far."""
    cancelled: bool = False
    heard_until_s: float = 0.0
    """Somebody listens until then, as far as was reported."""
    begun_s: float = 0.0
    """When the audio's first sample was heard at the latest, if somebody listened from then on."""
    silent: bool = False
    """True while an open session without items goes on silently."""


@dataclass(frozen=True, slots=True)
class Master:
    """Put chunks in order: trim edges, set pauses, bring to rate and target loudness, limit.

    What it yields for speech and objects is a pure function of the log: the gain is the voice's
    calibrated one, so no state runs from chunk to chunk and a restart needs none. Silence of an
    open session is decided by the frame that is written.
    """

    speech: Sequences[Speech]
    objects: Sequences[ObjectAudio]
    frames: Sequences[AudioFrame]
    events: Sequences[Event]
    control: Sequences[Control]
    chunks: Sequences[Chunk]
    items: Sequences[Item]

    async def __call__(
        self, session: Description, received: AsyncIterator[Speech | ObjectAudio | Control | Idle]
    ) -> AsyncGenerator[tuple[SequenceRecord, ...]]:
        """Yield each chunk's frames together, with an event, as soon as it is its turn."""
        run: _Run | None = None
        async for record in received:
            if run is None:
                run = await self._resume(session)
            if run.closed:
                continue
            if isinstance(record, Idle):
                if output := await self._go_on_silently(session, run, record):
                    yield output
                continue
            if isinstance(record, Control):
                _heed(run, record)
            elif not _collect(run, record):
                continue
            async for output in self._ready(session, run):
                yield output

    async def _resume(self, session: Description) -> _Run:
        (last, reported), cancelled = await asyncio.gather(
            self._written(session), is_cancelled(self.control, session.session)
        )
        run = _Run(
            begun_s=monotonic(),
            events=0 if reported is None else reported.seq + 1,
            degraded=reported is not None and reported.degraded,
            cancelled=cancelled,
        )
        if last is None:
            return run
        run.at = Cursor(last.end, last.chapter, last.index, last.piece)
        run.begun_s -= last.end / session.form.sample_rate_hz
        run.closed = last.last
        run.silent = last.chunk < 0  # or each restart would add a segment of silence
        return run

    async def _written(self, session: Description) -> tuple[AudioFrame | None, Event | None]:
        """Return the last frame and the last event of one moment: another may be writing."""
        sequence = f"{session.session}/master"
        while True:
            reported = await self.events.last(sequence)
            last = await self.frames.last(session.session)
            if last is None and reported is None:
                return None, None
            state = await self.events.state(sequence)
            if state.next == (0 if reported is None else reported.end):
                return last, reported

    async def _ready(
        self, session: Description, run: _Run
    ) -> AsyncGenerator[tuple[SequenceRecord, ...]]:
        """Yield all that can be mastered now, in order."""
        while not run.closed:
            if run.cancelled:
                yield self._ended(session, run, "cancelled")
                return
            parts = await self._next(session, run)
            if not parts:
                return
            head = parts[0]
            if head.seq < run.events:
                run.at = run.at.behind(head)  # it had no sound, so it left no frame
                continue
            if head.kind == "object":
                complete = run.events + 1
                async for output in self._object(session, run, head):
                    yield output
                if run.events < complete and not run.cancelled:
                    return
                continue
            if head.boundary == "end":
                yield self._ended(session, run, head.error, head)
                return
            run.degraded = run.degraded or head.degraded
            _begin(session, run)
            start = run.at.sample
            frames, run.at = await asyncio.to_thread(frames_of_chunk, session, run.at, parts)
            words = frames[0].words if frames else ()
            yield (*frames, self._event(session, run, head, start=start, words=words))

    async def _next(self, session: Description, run: _Run) -> list[Speech]:
        if run.parts:
            parts, run.parts = run.parts, []
            return parts
        at = run.at
        sequence = f"{session.session}/{at.chapter}"
        return await self.speech.records(sequence, at.index, at.index + 1)

    async def _object(
        self, session: Description, run: _Run, head: Speech
    ) -> AsyncGenerator[tuple[SequenceRecord, ...]]:
        """Yield the frames of an object's pieces, as far as they are there.

        A piece is mastered between its neighbours, so that the limiter has no seams.
        """
        sequence = f"{session.session}/{run.at.chapter}"
        window: list[ObjectAudio] = []
        async for piece in self.objects.stream(sequence, max(0, run.at.piece - 1)):
            if piece.index < head.index:
                continue
            window = [*window[-2:], piece]
            ready = [piece] if piece.object_end else []
            ready = [*window[-2:-1], *ready]
            for current in ready:
                if current.piece < run.at.piece:
                    continue
                _begin(session, run)
                frames, run.at = frames_of_piece(session, run.at, head, current, window)
                if current.object_end:
                    run.degraded = run.degraded or bool(current.error)
                    yield (*frames, self._event(session, run, head, error=current.error))
                    return
                yield frames
                if current.piece % CANCEL_PIECES == 0:
                    run.cancelled = await is_cancelled(self.control, session.session)
                    if run.cancelled:
                        return

    async def _go_on_silently(
        self, session: Description, run: _Run, idle: Idle
    ) -> tuple[SequenceRecord, ...]:
        """Return silence for an open session that has run out of items; none where it sleeps.

        First what completes the segment that the last words are in, as soon as its listeners could
        run dry; then in real time while somebody listens.
        """
        lead_s = _lead_s(session, run)
        if not run.silent:
            near = lead_s <= session.form.segment_s + NEAR_S or idle.seconds >= ANYWAY_S
            if not run.at.sample or not near or not await self._has_run_out(session, run, idle):
                return ()
            run.silent = True
            frames, run.at = closing_silence(session, run.at)
            return frames
        if monotonic() > run.heard_until_s:
            run.begun_s = monotonic() - run.at.sample / session.form.sample_rate_hz
            return ()
        missing_s = 2 * session.form.segment_s - lead_s
        if missing_s < session.form.segment_s:
            return ()
        frames, run.at = silence(session, run.at, int(missing_s * session.form.sample_rate_hz))
        return frames

    async def _has_run_out(self, session: Description, run: _Run, idle: Idle) -> bool:
        """Tell whether there is nothing more to sound, as far as anybody has decided."""
        chunks = await self.chunks.state(f"{session.session}/{run.at.chapter}")
        if chunks.next > run.at.index:
            return False  # a voice is at work
        newest = await self.items.last(session.session)
        may_go_on = newest is not None and newest.kind == "text" and not newest.item_end
        return idle.seconds >= (RUN_OUT_OF_TEXT_S if may_go_on else RUN_OUT_S)

    def _ended(
        self, session: Description, run: _Run, error: str, head: Speech | None = None
    ) -> tuple[SequenceRecord, ...]:
        run.closed = True
        frame, run.at = ending(session, run.at, error)
        return (frame, self._event(session, run, head, error=error, last=True))

    def _event(
        self,
        session: Description,
        run: _Run,
        head: Speech | None,
        *,
        start: int = 0,
        words: tuple[Word, ...] = (),
        error: str = "",
        last: bool = False,
    ) -> Event:
        seq = run.events
        run.events += 1
        return Event(
            session=session.session,
            stage="master",
            seq=seq,
            kind="chunk",
            chars=head.chars if head else 0,
            audio_s=run.at.sample / session.form.sample_rate_hz,
            count=seq + (0 if last else 1),
            degraded=run.degraded,
            text=head.text if head else "",
            item=head.item if head else 0,
            start_char=head.start_char if head else 0,
            end_char=head.end_char if head else 0,
            start_s=start / session.form.sample_rate_hz,
            words=words,
            error=error,
            last=last,
        )


def _heed(run: _Run, record: Control) -> None:
    if record.verb == "cancel":
        run.cancelled = True
    else:
        run.heard_until_s = monotonic() + LISTENING_S


def _collect(run: _Run, part: Speech | ObjectAudio) -> bool:
    """Keep a delivered part; tell whether its chunk is whole (if not ours, the log has it)."""
    if isinstance(part, ObjectAudio):
        # one that was mastered with those before it asks for nothing
        return (part.chapter, part.piece) >= (run.at.chapter, run.at.piece)
    in_turn = (part.chapter, part.index) == (run.at.chapter, run.at.index)
    if in_turn and part.part == len(run.parts):
        run.parts.append(part)
    if part.part + 1 < part.parts:
        return False
    if len(run.parts) != part.parts or not in_turn:
        run.parts.clear()
    return True


def _begin(session: Description, run: _Run) -> None:
    """Note that something is heard from now on: who ran dry waited for it."""
    run.silent = False
    behind_s = -_lead_s(session, run)
    if behind_s > 0:
        run.begun_s += behind_s


def _lead_s(session: Description, run: _Run) -> float:
    """Return the seconds of audio ahead of somebody who has listened from the beginning."""
    return run.at.sample / session.form.sample_rate_hz - (monotonic() - run.begun_s)
