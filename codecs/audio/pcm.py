"""PCM as signed 16-bit mono samples: rate, edges, gain, cutting and joining.

Every function is pure and one-shot; the same samples give the same samples. Levels are dBFS, so
0 dB is full scale (32768).
"""

from collections.abc import Iterable, Iterator
from typing import TypeAlias

import numpy as np
import soxr
from numpy.typing import NDArray

from .loudness import gated_lufs, step_powers

Samples: TypeAlias = NDArray[np.int16]
Signal: TypeAlias = NDArray[np.float32]

SAMPLE_RATE_HZ = 48_000
"""Default rate of a session's mastered PCM and of its HLS renditions."""

FULL_SCALE = 32_768

_TRIM_BELOW_PEAK_DB = 45.0
"""Breath and fricatives lie up to about this far below a voice's peak."""

_TRIM_WINDOW_S = 0.005


def from_bytes(pcm: bytes) -> Samples:
    """Return s16le bytes as samples.

    Raises:
        ValueError: they are an odd number.
    """
    if len(pcm) % 2:
        raise ValueError(f"{len(pcm)} bytes are not whole 16-bit samples")
    return np.frombuffer(pcm, dtype="<i2")


def to_bytes(samples: Samples) -> bytes:
    """Return samples as s16le bytes."""
    return samples.astype("<i2").tobytes()


def to_int16(signal: Signal) -> Samples:
    """Round a signal at 16-bit scale, clipping what is beyond."""
    return np.clip(np.rint(signal), -FULL_SCALE, FULL_SCALE - 1).astype(np.int16)


def silence(seconds: float, rate_hz: int) -> Samples:
    """Return digital silence."""
    return np.zeros(round(seconds * rate_hz), dtype=np.int16)


def resample(samples: Samples, from_hz: int, to_hz: int) -> Samples:
    """Return the same sound at another rate (soxr HQ: linear phase, -100 dB aliases).

    In floating point: soxr's own 16-bit output may be dithered, and so differ between runs.
    """
    if from_hz == to_hz:
        return samples
    return np.concatenate([np.zeros(0, np.int16), *resampled(samples, from_hz, to_hz)])


def resampled(samples: Samples, from_hz: int, to_hz: int) -> Iterator[Samples]:
    """Yield what `resample` returns, as it is asked for: about a quarter of a second at a time."""
    if from_hz == to_hz:
        yield samples
        return
    stream = soxr.ResampleStream(from_hz, to_hz, 1, dtype="float32", quality="HQ")
    missing = resampled_length(len(samples), from_hz, to_hz)
    step = max(1, from_hz // 4)  # soxr keeps 20 bytes for each sample it is given at a time
    for start in range(0, len(samples), step):
        last = start + step >= len(samples)
        piece = samples[start : start + step].astype(np.float32)
        fine = to_int16(stream.resample_chunk(piece, last=last))
        missing -= len(fine)
        yield np.append(fine, np.zeros(missing, np.int16)) if last and missing else fine


def resampled_length(samples: int, from_hz: int, to_hz: int) -> int:
    """Return how many samples `resample` makes of so many."""
    return (2 * samples * to_hz + from_hz) // (2 * from_hz)


def resample_signal(signal: Signal, from_hz: int, to_hz: int) -> Signal:
    """Return a floating-point signal at another rate, neither rounded nor clipped."""
    if not len(signal):
        return signal
    return soxr.resample(signal, from_hz, to_hz, quality="HQ")


def peak_dbfs(samples: Samples) -> float:
    """Return the level of the largest sample; minus infinity for silence."""
    highest, lowest = int(np.max(samples, initial=0)), int(np.min(samples, initial=0))
    return to_db(max(highest, -lowest) / FULL_SCALE)


def to_db(amplitude: float) -> float:
    """Return an amplitude as decibels; minus infinity for 0."""
    return float(20 * np.log10(amplitude)) if amplitude > 0 else float("-inf")


def from_db(level_db: float) -> float:
    """Return decibels as an amplitude."""
    return 10.0 ** (level_db / 20)


def apply_gain_db(samples: Samples, gain_db: float) -> Samples:
    """Return the samples at another level; what would go beyond full scale is clipped."""
    if gain_db == 0.0:
        return samples
    return to_int16(samples * np.float32(from_db(gain_db)))


def true_peak_dbtp(samples: Samples, rate_hz: int) -> float:
    """Return the level of the highest point between samples, 4x oversampled (BS.1770-4, annex 2).

    Minus infinity for silence.
    """
    highest = np.max(oversampled(samples.astype(np.float32), rate_hz), initial=0.0)
    return max(to_db(float(highest) / FULL_SCALE), peak_dbfs(samples))


def loudness_lufs(samples: Samples, rate_hz: int) -> float:
    """Return the gated integrated loudness (BS.1770-4); minus infinity where nothing is audible.

    Sound shorter than a gating block of 400 ms is measured as one block.
    """
    return gated_lufs(step_powers(samples, rate_hz))


def oversampled(signal: Signal, rate_hz: int) -> Signal:
    """Return the magnitude at 4 times the rate: 4 points from each sample on."""
    fine = np.abs(resample_signal(signal, rate_hz, 4 * rate_hz))
    return np.pad(fine, (0, max(0, 4 * len(signal) - len(fine))))[: 4 * len(signal)]


def trim_edges(
    samples: Samples, rate_hz: int, keep_s: float = 0.05, threshold_dbfs: float = -50.0
) -> Samples:
    """Cut silence at both ends down to ``keep_s``, never into a word.

    Silent is a 5 ms window whose RMS is below the threshold *and* 45 dB below the peak, so a quiet
    voice keeps its fricatives. Sound that has no such windows is left whole; silence all through
    becomes ``keep_s`` of it.
    """
    start, end = sound_span(samples, rate_hz, keep_s, threshold_dbfs)
    return samples[start:end]


def sound_span(
    samples: Samples, rate_hz: int, keep_s: float = 0.05, threshold_dbfs: float = -50.0
) -> tuple[int, int]:
    """Return the samples ``[start, end)`` that ``trim_edges`` would keep."""
    window = max(1, round(_TRIM_WINDOW_S * rate_hz))
    keep = round(keep_s * rate_hz)
    level_db = min(threshold_dbfs, peak_dbfs(samples) - _TRIM_BELOW_PEAK_DB)
    padded = np.pad(samples, (0, -len(samples) % window)).reshape(-1, window)
    blocks = (padded[start : start + 1_000] for start in range(0, len(padded), 1_000))
    powers = [np.mean(block.astype(np.float32) ** 2, axis=1) for block in blocks]
    power = np.concatenate([np.zeros(0, np.float32), *powers])
    loud = np.flatnonzero(power > (from_db(level_db) * FULL_SCALE) ** 2)
    if not len(loud):
        return 0, min(keep, len(samples))
    start = max(0, int(loud[0]) * window - keep)
    return start, min(len(samples), (int(loud[-1]) + 1) * window + keep)


def fade_edges(samples: Samples, rate_hz: int, fade_ms: float = 5.0) -> Samples:
    """Fade both ends in and out by a raised cosine, so that joins do not click."""
    length = min(round(fade_ms * rate_hz / 1000), len(samples) // 2)
    if length == 0:
        return samples
    ramp = (0.5 - 0.5 * np.cos(np.pi * (np.arange(length) + 0.5) / length)).astype(np.float32)
    faded = samples.copy()
    faded[:length] = to_int16(faded[:length] * ramp)
    faded[-length:] = to_int16(faded[-length:] * ramp[::-1])
    return faded


def join(parts: Iterable[bytes]) -> bytes:
    """Return s16le pieces as one."""
    return b"".join(parts)


def split_records(pcm: bytes, max_samples: int) -> list[bytes]:
    """Cut s16le PCM into pieces of ``max_samples``, the last one shorter; no PCM gives no piece.

    Raises:
        ValueError: the bytes are half a sample, or the pieces would be empty.
    """
    if len(pcm) % 2:
        raise ValueError(f"{len(pcm)} bytes are not whole 16-bit samples")
    if max_samples < 1:
        raise ValueError(f"pieces of {max_samples} samples: choose at least 1")
    size = 2 * max_samples
    return [pcm[start : start + size] for start in range(0, len(pcm), size)]
