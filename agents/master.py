"""From speech to the session's one run of mastered audio."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ..codecs.audio import pcm
from ..codecs.records import SAMPLE_RATE_HZ, AudioFrame, Event, SequenceRecord, Speech, Word
from ..codecs.text.sentences import pause_s
from .journal import History

FRAME_SAMPLES = 24_000
"""Half a second in a record: 48 KB."""
AAC_FRAME_SAMPLES = 1024
EDGE_KEEP_S = 0.03
"""Silence left before and after a chunk's speech; what voices add varies and is cut."""
EDGE_THRESHOLD_DBFS = -50.0
FADE_MS = 5
CEILING_DBTP = -2.5
"""Leaves room for what AAC at 96 kbit/s overshoots, so that it decodes under -1.5 dBTP."""

MAKE_UP_DB = 2.0
"""For what the limiter takes from speech: stories by espeak and Joe, at a voice's own gain, came
out 1.7 LU under -16 LUFS, and with this 0.9; more would press peaks harder and gain little."""


@dataclass(slots=True)
class _Cursor:
    """Where the session's audio goes on; read from its last frame after a restart."""

    chapter: int = 0
    index: int = 0
    sample: int = 0
    closed: bool = False
    degraded: bool = False
    """Whether a fallback voice was heard so far."""
    parts: list[Speech] = field(default_factory=list[Speech])


@dataclass(frozen=True, slots=True)
class Master:
    """Put chunks in order: trim edges, set pauses, bring to 48 kHz and target loudness, limit.

    What it yields is a pure function of the speech in the log: the gain is the voice's calibrated
    one, so no state runs from chunk to chunk and a restart needs none.
    """

    speech: History[Speech]
    frames: History[AudioFrame]
    language: str = "en"

    async def __call__(
        self, speeches: AsyncIterator[Speech]
    ) -> AsyncGenerator[tuple[SequenceRecord, ...]]:
        """Yield each chunk's frames together, with an event, as soon as it is its turn."""
        cursor: _Cursor | None = None
        async for part in speeches:
            if cursor is None:
                cursor = await self._resume(part.session)
            # a part that was mastered already asks for what comes after it too: a worker that died
            # there may have left chunks, spoken ahead, that are not delivered again
            if cursor.closed or not _collect(cursor, part):
                continue
            while parts := await self._next(cursor, part.session):
                yield await asyncio.to_thread(_mastered, cursor, parts, self.language)
                _advance(cursor, parts[0])
                if cursor.closed:
                    break

    async def _resume(self, session: str) -> _Cursor:
        last = await self.frames.last(session)
        if last is None:
            return _Cursor()
        events = History(self.frames.log, Event, self.frames.partitions)
        event = await events.last(f"{session}/master")
        cursor = _Cursor(
            chapter=last.chapter,
            index=last.index,
            sample=last.end,
            closed=last.last,
            degraded=event is not None and event.degraded,
        )
        mark = await self.speech.records(f"{session}/{last.chapter}", last.index, last.index + 1)
        _advance(cursor, mark[0])
        return cursor

    async def _next(self, cursor: _Cursor, session: str) -> list[Speech]:
        if cursor.parts:
            parts, cursor.parts = cursor.parts, []
            return parts
        return await self.speech.records(
            f"{session}/{cursor.chapter}", cursor.index, cursor.index + 1
        )


def _collect(cursor: _Cursor, part: Speech) -> bool:
    """Keep a delivered part; say whether its chunk is whole (if not ours, the log has it)."""
    in_turn = (part.chapter, part.index) == (cursor.chapter, cursor.index)
    if in_turn and part.part == len(cursor.parts):
        cursor.parts.append(part)
    if part.part + 1 < part.parts:
        return False
    if len(cursor.parts) != part.parts or not in_turn:
        cursor.parts.clear()
    return True


def _advance(cursor: _Cursor, part: Speech) -> None:
    cursor.closed = part.boundary == "end"
    if part.boundary == "chapter":
        cursor.chapter += 1
        cursor.index = 0
    else:
        cursor.index += 1


def _mastered(cursor: _Cursor, parts: list[Speech], language: str) -> tuple[SequenceRecord, ...]:
    """Return a chunk's frames and its event; moves the cursor's sample position on."""
    head = parts[0]
    cursor.degraded = cursor.degraded or head.degraded
    if head.boundary == "end":
        return _ending(cursor, head)
    if head.rate_hz:
        samples, leading_s = chunk_audio(parts)
    else:
        samples, leading_s = np.zeros(0, np.int16), 0.0
    seconds = pause_s(head.boundary, language)
    if head.boundary == "chapter":
        seconds -= pause_s("paragraph", language)  # the piece before the mark has paused already
    pause = pcm.silence(seconds, SAMPLE_RATE_HZ)
    audio = np.concatenate([samples, pause]).astype("<i2").tobytes()
    offset_s = cursor.sample / SAMPLE_RATE_HZ - leading_s
    words = tuple(
        Word(word.text, max(0.0, word.start_s + offset_s), max(0.0, word.end_s + offset_s))
        for word in head.words
    )
    frames: list[SequenceRecord] = []
    for start in range(0, len(audio), 2 * FRAME_SAMPLES):
        piece = audio[start : start + 2 * FRAME_SAMPLES]
        frames.append(
            AudioFrame(
                session=head.session,
                first_sample=cursor.sample,
                samples=len(piece) // 2,
                pcm=piece,
                chunk=head.seq,
                chapter=head.chapter,
                index=head.index,
                text=head.text if start == 0 else "",
                end_char=head.end_char,
                degraded=head.degraded,
                words=words if start == 0 else (),
            )
        )
        cursor.sample += len(piece) // 2
    return (*frames, _event(cursor, head, last=False))


def _ending(cursor: _Cursor, head: Speech) -> tuple[SequenceRecord, ...]:
    # whole AAC frames, so that playlist and decoded audio agree to the sample
    missing = -cursor.sample % AAC_FRAME_SAMPLES
    frame = AudioFrame(
        session=head.session,
        first_sample=cursor.sample,
        samples=missing,
        pcm=bytes(2 * missing),
        chunk=head.seq,
        chapter=head.chapter,
        index=head.index,
        end_char=head.end_char,
        last=True,
        error=head.error,
    )
    cursor.sample += missing
    return (frame, _event(cursor, head, last=True))


def chunk_audio(parts: list[Speech]) -> tuple[NDArray[np.int16], float]:
    """Return a chunk's speech at 48 kHz and target loudness, and the seconds cut at its start."""
    head = parts[0]
    raw = np.frombuffer(b"".join(part.pcm for part in parts), "<i2").astype(np.int16)
    start, end = pcm.sound_span(raw, head.rate_hz, EDGE_KEEP_S, EDGE_THRESHOLD_DBFS)
    faded = pcm.fade_edges(raw[start:end], head.rate_hz, FADE_MS)
    wide = pcm.resample(faded, head.rate_hz, SAMPLE_RATE_HZ)
    loud = pcm.limit(wide, SAMPLE_RATE_HZ, CEILING_DBTP, head.gain_db + MAKE_UP_DB)
    return loud, start / head.rate_hz


def _event(cursor: _Cursor, head: Speech, *, last: bool) -> Event:
    return Event(
        session=head.session,
        stage="master",
        seq=head.seq,
        kind="chunk",
        chars=head.end_char,
        audio_s=cursor.sample / SAMPLE_RATE_HZ,
        count=head.seq + (0 if last else 1),
        degraded=cursor.degraded,
        error=head.error,
        last=last,
    )
