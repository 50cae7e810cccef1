"""Audio frames out of speech, pieces of objects, and silence."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from ..codecs.audio import pcm
from ..codecs.audio.limiter import limit
from ..codecs.hls.grid import AAC_FRAME_SAMPLES, Grid
from ..codecs.records import AudioFrame, ObjectAudio, Speech, Word
from .journal import Description

RECORD_SAMPLES = 24_000
"""Half a second in a record at 48 kHz: 48 KB."""
STEP_SAMPLES = 5 * RECORD_SAMPLES
"""Of a long chunk, mastered in one step: the limiter needs 50 bytes for each."""
VOICE_LUFS = -16.0
"""The loudness that a voice's ``gain_db`` leads to."""
MOST_RAISED_DB = 9.0
"""A quiet recording's noise is raised, too."""
PRE_ROLL_S = 0.5
"""Before what is limited: the limiter releases 30 dB in it."""
POST_ROLL_S = 0.02
"""After it: more than the limiter looks ahead."""
MARGIN_S = 0.32
"""Silence behind the segment of the last words: the AAC encoder waits for two frames (43 ms), and
devices for a group of five 60 ms frames with the resampler's margin (310 ms)."""


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where mastering goes on: the next sample, chunk and object piece."""

    sample: int = 0
    chapter: int = 0
    index: int = 0
    piece: int = 0

    def behind(self, head: Speech) -> "Cursor":
        """Return the cursor behind a chunk."""
        if head.boundary == "chapter":
            return Cursor(self.sample, self.chapter + 1, 0, 0)
        return replace(self, index=head.index + 1)


def frames_of_chunk(
    session: Description, at: Cursor, parts: list[Speech]
) -> Iterator[tuple[tuple[AudioFrame, ...], Cursor]]:
    """Yield the frames of a spoken chunk, a silence or a mark, and the cursor behind them.

    In steps: a chunk's first frame comes alone, before the rest is mastered, so that nobody waits
    for the end of a sentence to hear its beginning; and the rest of a long one takes neither a
    turn nor memory for all of it.
    """
    head = parts[0]
    rate_hz = session.form.sample_rate_hz
    speech = _ChunkSpeech.of(session, parts) if head.rate_hz else None
    del parts  # what was cut and faded stands for them
    samples = speech.samples if speech else round(head.seconds * rate_hz)
    seconds = session.pauses.after_s(head.boundary) if head.kind != "silence" else 0.0
    if head.boundary == "chapter":  # the chunk before the mark has paused already
        seconds = max(0.0, seconds - session.pauses.paragraph_s)
    end = samples + round(seconds * rate_hz)
    offset_s = at.sample / rate_hz - (speech.leading_s if speech else 0.0)
    words = tuple(
        Word(word.text, max(0.0, word.start_s + offset_s), max(0.0, word.end_s + offset_s))
        for word in head.words
    )
    label = _Label(head.seq, head.text, head.item, head.start_char, head.end_char, words)
    behind = at.behind(head)
    starts = (0, *range(RECORD_SAMPLES, end, STEP_SAMPLES))
    for start, stop in pairwise((*starts, end)):
        audio = np.zeros(stop - start, np.int16)
        if speech and start < samples:
            audio[: samples - start] = speech.limited(start, min(stop, samples))
        here = behind if stop == end else at
        frames, at = _frames(session, at, here, audio, label, degraded=head.degraded)
        del audio
        yield frames, at
        label = _Label(head.seq, offset=stop)


@dataclass(slots=True)
class _ChunkSpeech:
    """A chunk's speech, brought to the form's rate as far as it is asked for."""

    session: Description
    samples: int
    """At the form's rate."""
    gain_db: float
    leading_s: float
    """What was cut at its start."""
    _coming: Iterator[pcm.Samples]
    _wide: pcm.Samples
    _first: int = 0
    """The sample that ``_wide`` begins with."""

    @classmethod
    def of(cls, session: Description, parts: Sequence[Speech]) -> "_ChunkSpeech":
        head, constants = parts[0], session.mastering
        raw = pcm.from_bytes(b"".join(part.pcm for part in parts))
        start, end = pcm.sound_span(
            raw, head.rate_hz, constants.edge_keep_s, constants.edge_threshold_dbfs
        )
        faded = pcm.fade_edges(raw[start:end], head.rate_hz, constants.fade_ms)
        rate_hz = session.form.sample_rate_hz
        return cls(
            session,
            pcm.resampled_length(len(faded), head.rate_hz, rate_hz),
            head.gain_db + constants.make_up_db + constants.target_lufs - VOICE_LUFS,
            start / head.rate_hz,
            pcm.resampled(faded, head.rate_hz, rate_hz),
            np.zeros(0, np.int16),
        )

    def limited(self, start: int, end: int) -> pcm.Samples:
        """Return the samples ``[start, end)`` at target loudness, below the ceiling.

        What lies before the pre-roll of an earlier ``start`` is gone.
        """
        rate_hz = self.session.form.sample_rate_hz
        first = max(self._first, start - round(PRE_ROLL_S * rate_hz))
        pieces, held = [self._wide[first - self._first :]], self._first + len(self._wide) - first
        while first + held < end + round(POST_ROLL_S * rate_hz):
            piece = next(self._coming, None)
            if piece is None:
                break
            pieces.append(piece)
            held += len(piece)
        wide = np.concatenate(pieces)
        # a session in no haste waits a while for its next step: with no more than that needs
        self._first = max(first, end - round(PRE_ROLL_S * rate_hz))
        self._wide = wide[self._first - first :].copy()
        return _limited(self.session, wide, start - first, end - first, self.gain_db)


def frames_of_piece(
    session: Description,
    at: Cursor,
    head: Speech,
    piece: ObjectAudio,
    window: Sequence[ObjectAudio],
) -> tuple[tuple[AudioFrame, ...], Cursor]:
    """Return the frames of a piece of an object, and the cursor behind them.

    ``window`` holds the piece and those of its neighbours that there are. Edges are not trimmed.
    An object whose loudness is known is brought to the session's; else levels are not changed, but
    for peaks above the ceiling.
    """
    rate_hz = session.form.sample_rate_hz
    own = pcm.from_bytes(piece.pcm)
    before = [pcm.from_bytes(near.pcm) for near in window if near.piece < piece.piece]
    after = [pcm.from_bytes(near.pcm) for near in window if near.piece > piece.piece]
    start = sum(map(len, before))
    joined = np.concatenate([np.zeros(0, np.int16), *before, own, *after]).astype(np.int16)
    samples = _limited(session, joined, start, start + len(own), _even_db(session, piece.lufs))
    behind = replace(at, piece=piece.piece + 1)
    if piece.object_end:
        pause = pcm.silence(session.pauses.after_s(head.boundary), rate_hz)
        samples = np.concatenate([samples, pause])
        behind = replace(behind, index=head.index + 1)
    degraded = bool(piece.error)
    return _frames(session, at, behind, samples, _Label(head.seq), degraded=degraded)


def _even_db(session: Description, lufs: float) -> float:
    """Return the gain that brings an object of this loudness to the session's."""
    if not lufs or not session.mastering.even_objects:
        return 0.0
    return min(MOST_RAISED_DB, session.mastering.target_lufs - lufs)


def _limited(
    session: Description, samples: pcm.Samples, start: int, end: int, gain_db: float = 0.0
) -> pcm.Samples:
    """Return the samples ``[start, end)`` limited between their neighbours: without a seam."""
    rate_hz = session.form.sample_rate_hz
    first = max(0, start - round(PRE_ROLL_S * rate_hz))
    window = samples[first : end + round(POST_ROLL_S * rate_hz)]
    limited = limit(window, rate_hz, session.mastering.ceiling_dbtp, gain_db)
    return limited[start - first : end - first]


def silence(
    session: Description, at: Cursor, samples: int
) -> tuple[tuple[AudioFrame, ...], Cursor]:
    """Return frames of silence that belong to no chunk."""
    return _frames(session, at, at, np.zeros(samples, np.int16), _Label(-1))


def closing_silence(session: Description, at: Cursor) -> tuple[tuple[AudioFrame, ...], Cursor]:
    """Return the silence that completes the segment and the device packets of the last words."""
    if at.sample == 0:
        return (), at
    form = session.form
    grid = Grid(segment_s=form.segment_s, ramp=form.ramp)
    segment = grid.segment_of((at.sample - 1) // AAC_FRAME_SAMPLES)
    margin = int(MARGIN_S * form.sample_rate_hz)
    end = grid.start(segment + 1) * AAC_FRAME_SAMPLES + margin
    return silence(session, at, end - at.sample)


def ending(session: Description, at: Cursor, error: str) -> tuple[AudioFrame, Cursor]:
    """Return the session's last frame: silence to a whole AAC frame.

    So playlist and decoded audio agree to the sample.
    """
    missing = -at.sample % AAC_FRAME_SAMPLES
    frame = AudioFrame(
        session=session.session,
        first_sample=at.sample,
        samples=missing,
        pcm=bytes(2 * missing),
        chapter=at.chapter,
        index=at.index,
        piece=at.piece,
        last=True,
        error=error,
    )
    return frame, replace(at, sample=at.sample + missing)


@dataclass(frozen=True, slots=True)
class _Label:
    """What a chunk's first frame tells of it."""

    chunk: int
    text: str = ""
    item: int = 0
    start_char: int = 0
    end_char: int = 0
    words: tuple[Word, ...] = ()
    offset: int = 0
    """Samples of the chunk before the frame."""


def _frames(
    session: Description,
    at: Cursor,
    behind: Cursor,
    audio: NDArray[np.int16],
    label: _Label,
    *,
    degraded: bool = False,
) -> tuple[tuple[AudioFrame, ...], Cursor]:
    frames: list[AudioFrame] = []
    for start in range(0, len(audio), RECORD_SAMPLES):
        piece = audio[start : start + RECORD_SAMPLES]
        ends = start + RECORD_SAMPLES >= len(audio)
        cursor = behind if ends else at
        told = label if start == 0 else _Label(label.chunk, offset=label.offset + start)
        frames.append(
            AudioFrame(
                session=session.session,
                first_sample=at.sample + start,
                samples=len(piece),
                pcm=piece.astype("<i2").tobytes(),
                chunk=told.chunk,
                offset=told.offset,
                chapter=cursor.chapter,
                index=cursor.index,
                piece=cursor.piece,
                text=told.text,
                item=told.item,
                start_char=told.start_char,
                end_char=told.end_char,
                degraded=degraded,
                words=told.words,
            )
        )
    return tuple(frames), replace(behind, sample=at.sample + len(audio))
