"""Audio frames out of speech, pieces of objects, and silence."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ..codecs.audio import pcm
from ..codecs.audio.limiter import limit
from ..codecs.hls.grid import AAC_FRAME_SAMPLES, Grid
from ..codecs.records import AudioFrame, ObjectAudio, Speech, Word
from .journal import Description

RECORD_SAMPLES = 24_000
"""Half a second in a record at 48 kHz: 48 KB."""
VOICE_LUFS = -16.0
"""The loudness that a voice's ``gain_db`` leads to."""
PRE_ROLL_S = 0.5
"""Of the piece before: the limiter releases 30 dB in it."""
POST_ROLL_S = 0.02
"""Of the piece after: more than the limiter looks ahead."""
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
) -> tuple[tuple[AudioFrame, ...], Cursor]:
    """Return the frames of a spoken chunk, a silence or a mark, and the cursor behind them."""
    head = parts[0]
    rate_hz = session.form.sample_rate_hz
    if head.rate_hz:
        samples, leading_s = chunk_audio(session, parts)
    else:
        samples, leading_s = pcm.silence(head.seconds, rate_hz), 0.0
    seconds = session.pauses.after_s(head.boundary) if head.kind != "silence" else 0.0
    if head.boundary == "chapter":  # the chunk before the mark has paused already
        seconds = max(0.0, seconds - session.pauses.paragraph_s)
    audio = np.concatenate([samples, pcm.silence(seconds, rate_hz)])
    offset_s = at.sample / rate_hz - leading_s
    words = tuple(
        Word(word.text, max(0.0, word.start_s + offset_s), max(0.0, word.end_s + offset_s))
        for word in head.words
    )
    first = _Label(head.seq, head.text, head.item, head.start_char, head.end_char, words)
    return _frames(session, at, at.behind(head), audio, first, degraded=head.degraded)


def frames_of_piece(
    session: Description,
    at: Cursor,
    head: Speech,
    piece: ObjectAudio,
    window: Sequence[ObjectAudio],
) -> tuple[tuple[AudioFrame, ...], Cursor]:
    """Return the frames of a piece of an object, and the cursor behind them.

    ``window`` holds the piece and those of its neighbours that there are. Edges are not trimmed
    and levels are not changed, but for peaks above the ceiling.
    """
    rate_hz = session.form.sample_rate_hz
    samples = _limited(session, piece, window)
    behind = replace(at, piece=piece.piece + 1)
    if piece.object_end:
        pause = pcm.silence(session.pauses.after_s(head.boundary), rate_hz)
        samples = np.concatenate([samples, pause])
        behind = replace(behind, index=head.index + 1)
    degraded = bool(piece.error)
    return _frames(session, at, behind, samples, _Label(head.seq), degraded=degraded)


def _limited(
    session: Description, piece: ObjectAudio, window: Sequence[ObjectAudio]
) -> NDArray[np.int16]:
    before, own, after = (
        np.concatenate([np.zeros(0, np.int16), *(pcm.from_bytes(p.pcm) for p in group)])
        for group in (
            [p for p in window if p.piece < piece.piece],
            [piece],
            [p for p in window if p.piece > piece.piece],
        )
    )
    rate_hz = session.form.sample_rate_hz
    before = before[-round(PRE_ROLL_S * rate_hz) :]
    after = after[: round(POST_ROLL_S * rate_hz)]
    joined = np.concatenate([before, own, after]).astype(np.int16)
    limited = limit(joined, rate_hz, session.mastering.ceiling_dbtp)
    return limited[len(before) : len(before) + len(own)]


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
        told = label if start == 0 else _Label(label.chunk)
        frames.append(
            AudioFrame(
                session=session.session,
                first_sample=at.sample + start,
                samples=len(piece),
                pcm=piece.astype("<i2").tobytes(),
                chunk=told.chunk,
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


def chunk_audio(session: Description, parts: list[Speech]) -> tuple[NDArray[np.int16], float]:
    """Return a chunk's speech at the form's rate and target loudness, limited.

    The second value is the seconds that were cut at its start.
    """
    head, constants = parts[0], session.mastering
    raw = pcm.from_bytes(b"".join(part.pcm for part in parts)).astype(np.int16)
    start, end = pcm.sound_span(
        raw, head.rate_hz, constants.edge_keep_s, constants.edge_threshold_dbfs
    )
    faded = pcm.fade_edges(raw[start:end], head.rate_hz, constants.fade_ms)
    wide = pcm.resample(faded, head.rate_hz, session.form.sample_rate_hz)
    gain_db = head.gain_db + constants.make_up_db + constants.target_lufs - VOICE_LUFS
    loud = limit(wide, session.form.sample_rate_hz, constants.ceiling_dbtp, gain_db)
    return loud, start / head.rate_hz
