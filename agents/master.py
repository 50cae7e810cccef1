"""From speech and objects to the session's one run of mastered audio."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass, replace
from time import monotonic

import msgspec

from ..codecs.records import (
    AudioFrame,
    Chunk,
    Control,
    Event,
    Item,
    ObjectAudio,
    Segment,
    SequenceRecord,
    Speech,
    Word,
)
from .backlog import PackingBacklog
from .idle import Idle
from .journal import Description, Sequences
from .master_cursor import behind_silent, written
from .master_run import MasterRun
from .mastering import Cursor, closing_silence, ending, frames_of_chunk, frames_of_piece, silence
from .pace import granted_s
from .speak import is_cancelled
from .turns import CodecTurns, Turns, needed_from

RUN_OUT_S = 0.25
"""An open session whose items have all ended and that gets nothing for so long has run out."""
RUN_OUT_OF_TEXT_S = 1.1
"""The same where a text may still go on: after `split` has cut all there is."""
NEAR_S = 1.0
"""Lead, beyond the segment that is not complete, at which the last words are let out."""
ANYWAY_S = 10.0
"""After so long they are let out however far away the listener may be."""
STEP_PIECES = 2
"""Pieces of an object that are mastered in a turn."""
LOOK_EVERY_PIECES = 8
"""Between two looks whether the session was cancelled."""


@dataclass(frozen=True, slots=True)
class Master:
    """Put chunks in order: trim edges, set pauses, bring to rate and target loudness, limit.

    What it yields for speech and objects is a pure function of the log: the gain is the voice's
    calibrated one, so no state runs from chunk to chunk and a restart needs none. Silence of an
    open session is decided by the frame that is written.
    """

    turns: Turns
    speech: Sequences[Speech]
    objects: Sequences[ObjectAudio]
    frames: Sequences[AudioFrame]
    events: Sequences[Event]
    control: Sequences[Control]
    chunks: Sequences[Chunk]
    items: Sequences[Item]
    segments: Sequences[Segment]

    async def __call__(
        self, session: Description, received: AsyncIterator[Speech | ObjectAudio | Control | Idle]
    ) -> AsyncGenerator[tuple[SequenceRecord, ...]]:
        """Yield each chunk's frames in its turn: the first alone, the last ones with an event."""
        run: MasterRun | None = None
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
                run.heed(record)
            elif not run.collect(record):
                continue
            del record  # who waits for a turn holds as little sound as may be
            async for output in self._ready(session, run):
                yield output
                del output
            if run.closed:
                return
            run.caught_up = True

    async def given_up(
        self, session: Description, record: Speech | ObjectAudio | Control, reason: str
    ) -> tuple[SequenceRecord, ...]:
        """Return what ends the session where its audio is."""
        run = await self._resume(session)
        return () if run.closed else self._ended(session, run, reason)

    async def _resume(self, session: Description) -> MasterRun:
        (last, reported), cancelled = await asyncio.gather(
            written(self.frames, self.events, session.session),
            is_cancelled(self.control, session.session),
        )
        run = MasterRun(
            PackingBacklog(session, self.segments),
            begun_s=monotonic(),
            events=0 if reported is None else reported.seq + 1,
            degraded=reported is not None and reported.degraded,
            failed=0 if reported is None else reported.failed,
            failure="" if reported is None else reported.error,
            cancelled=cancelled,
        )
        if session.record.pace.ahead_s:
            run.granted_s = await granted_s(self.control, session)
        if last is not None:
            run.at = Cursor(last.end, last.chapter, last.index, last.piece)
            run.last_chunk, run.last_chunk_sample = last.chunk, last.first_sample - last.offset
            run.begun_s -= last.end / session.form.sample_rate_hz
            run.closed, run.silent = last.last, last.chunk < 0  # each restart would add a silence
        return run

    async def _ready(
        self, session: Description, run: MasterRun
    ) -> AsyncGenerator[tuple[SequenceRecord, ...]]:
        """Yield all that could be mastered when this was called."""
        # what comes meanwhile is handed over by itself: else a voice that is always a little ahead
        # would keep this record in hand for as long as the session goes on
        bounds: dict[int, int] = {}
        while not run.closed:
            await self._in_its_turn(session, run)
            if run.cancelled:
                yield self._ended(session, run, "cancelled")
                return
            parts = await self._next(session, run, bounds)
            if not parts:
                return
            head = parts[0]
            if head.seq < run.events:
                run.at = await behind_silent(self.objects, run.at, head)
                continue
            if head.kind == "object":
                complete = run.events + 1
                async for output in self._object(session, run, head):
                    yield output
                    del output
                if run.events < complete and not run.cancelled:
                    return
                continue
            if head.boundary == "end":
                # a session of which nothing could be said has failed
                silent = run.failure if not run.at.sample else ""
                yield self._ended(session, run, head.error or silent, head)
                return
            chunk = self._chunk(session, run, parts)
            del parts  # their sound is held once, by what masters it
            async for output in chunk:
                yield output
                del output
            # much may be spoken already, and the next record comes behind all of it
            run.cancelled = run.cancelled or await is_cancelled(self.control, session.session)

    async def _in_its_turn(self, session: Description, run: MasterRun) -> None:
        """Wait for packing, and where the session is well ahead for those that are less so."""
        await run.packing.sample(run.at.sample)
        if run.at.sample:
            turns = CodecTurns(self.turns, session, run.heard_from_s())
            if turns.has_time(run.at.sample):
                run.parts = []  # the log has them, too
                await turns.reach(run.at.sample)

    async def _chunk(
        self, session: Description, run: MasterRun, parts: list[Speech]
    ) -> AsyncGenerator[tuple[SequenceRecord, ...]]:
        """Yield a chunk's frames by steps, the last one with its event."""
        head = parts[0]
        if head.error and not run.at.sample:  # before the first sound nobody needs a silence
            parts = [msgspec.structs.replace(head, kind="silence", seconds=0.0)]
        run.degraded = run.degraded or head.degraded
        run.begin(session.form.sample_rate_hz)
        start = run.start_of(head)
        turns = CodecTurns(self.turns, session, run.heard_from_s() if start else None)
        at = replace(run.at, sample=start)
        steps = frames_of_chunk(session, at, parts)
        del parts
        words, ends = tuple[Word, ...](), False
        while not ends:
            output, at = await turns.run(needed_from(session.form, at.sample), next, steps)
            turns = replace(turns, heard_from_s=run.heard_from_s())  # the rest is in no haste
            words = words or (output[0].words if output else ())
            ends = (at.chapter, at.index) != (head.chapter, head.index)
            if at.sample <= run.at.sample and not ends:
                continue  # it was written before a restart
            run.at = at
            if ends:
                event = run.event(session, head, start=start, words=words, error=head.error)
                output = (*output, event)
            yield output

    async def _next(
        self, session: Description, run: MasterRun, bounds: dict[int, int]
    ) -> list[Speech]:
        if run.parts:
            parts, run.parts = run.parts, []
            return parts
        at, sequence = run.at, f"{session.session}/{run.at.chapter}"
        if at.chapter not in bounds:
            bounds[at.chapter] = (await self.speech.state(sequence)).next
        if at.index >= bounds[at.chapter]:
            return []
        return await self.speech.records(sequence, at.index, at.index + 1)

    async def _object(
        self, session: Description, run: MasterRun, head: Speech
    ) -> AsyncGenerator[tuple[SequenceRecord, ...]]:
        """Yield the frames of the pieces there are, each mastered between its neighbours."""
        end = (await self.objects.state(f"{session.session}/{run.at.chapter}")).next
        complete, at = run.events + 1, -1
        granted = run.granted_s * session.form.sample_rate_hz
        while at < run.at.piece and run.events < complete and run.at.sample < granted:
            await self._in_its_turn(session, run)  # with nothing in memory
            at = run.at.piece
            async for output in self._pieces(session, run, head, min(end, at + STEP_PIECES + 1)):
                yield output
                del output
            if at % LOOK_EVERY_PIECES < STEP_PIECES:
                run.cancelled = await is_cancelled(self.control, session.session)
                if run.cancelled:
                    return

    async def _pieces(
        self, session: Description, run: MasterRun, head: Speech, end: int
    ) -> AsyncGenerator[tuple[SequenceRecord, ...]]:
        """Yield the frames of the next pieces; of the last one only where its object ends."""
        sequence, at = f"{session.session}/{run.at.chapter}", run.at.piece
        read = await self.objects.records(sequence, max(0, at - 1), end)
        window = [piece for piece in read if piece.index >= head.index]
        for number, piece in enumerate(window):
            if piece.piece < at or not (window[number + 1 :] or piece.object_end):
                continue  # it is mastered between its neighbours
            run.begin(session.form.sample_rate_hz)
            near = window[max(0, number - 1) : number + 2]
            frames, run.at = frames_of_piece(session, run.at, head, piece, near)
            if piece.object_end:
                run.degraded = run.degraded or bool(piece.error)
                yield (*frames, run.event(session, head, error=piece.error))
                return
            yield frames

    async def _go_on_silently(
        self, session: Description, run: MasterRun, idle: Idle
    ) -> tuple[SequenceRecord, ...]:
        """Return silence for an open session that has run out of items; none where it sleeps.

        First what completes the segment that the last words are in, as soon as its listeners could
        run dry; then in real time while somebody listens.
        """
        lead_s = run.lead_s(session.form.sample_rate_hz)
        if not run.silent:
            ahead_s = session.record.pace.ahead_s
            if ahead_s:  # else a pause for its pace would be taken for the end of its items
                near = lead_s <= min(session.form.segment_s + NEAR_S, ahead_s / 2)
            else:
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

    async def _has_run_out(self, session: Description, run: MasterRun, idle: Idle) -> bool:
        """Tell whether there is nothing more to sound, as far as anybody has decided."""
        chunks = await self.chunks.state(f"{session.session}/{run.at.chapter}")
        if chunks.next > run.at.index:
            return False  # a voice is at work
        newest = await self.items.last(session.session)
        may_go_on = newest is not None and newest.kind == "text" and not newest.item_end
        return idle.seconds >= (RUN_OUT_OF_TEXT_S if may_go_on else RUN_OUT_S)

    def _ended(
        self, session: Description, run: MasterRun, error: str, head: Speech | None = None
    ) -> tuple[SequenceRecord, ...]:
        run.closed = True
        frame, run.at = ending(session, run.at, error)
        return (frame, run.event(session, head, error=error, last=True))
