"""What a voice costs on this machine, and how loud it is."""

import time
from dataclasses import dataclass

import numpy as np

from ...codecs.audio import pcm
from ...codecs.session import VoiceSettings
from .voice import Utterance, Voice, VoiceFailedError

CALIBRATION_CLAUSE = "Once upon a time,"
CALIBRATION_TEXT = (
    "On the last rock before the open sea there stood a lighthouse.",
    "Every evening the keeper climbed the hundred steps, and wound the clock that turned the lamp.",
    "One winter night a storm came in from the west, and the clock stopped.",
    "She put her hands on the heavy wheel, and pushed until the light began to move.",
    "Out there, somewhere, a fishing boat was looking for the harbor.",
    "In the morning the sea was flat, and the boat lay safe behind the wall.",
)
"""More than 20 s at any voice's pace: fewer seconds tell little about loudness."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """What a voice costs and how loud it is, here and now."""

    real_time_factor: float
    """Seconds of work for a second of speech."""
    loudness_lufs: float
    """Gated loudness of its speech before any gain (BS.1770-4, mono)."""
    first_audio_s: float
    """From a clause to its speech, once warmed up."""


async def calibrate(voice: Voice) -> Calibration:
    """Speak a clause and half a minute of English with a voice, and measure both.

    Raises:
        VoiceUnavailableError: it is not installed, or not configured.
        VoiceFailedError: it cannot speak English.
        VoiceUnreachableError: its server does not answer.
    """
    settings = VoiceSettings(language="en")
    await voice.prepare()
    started_s = time.perf_counter()
    await voice.speak(Utterance(CALIBRATION_CLAUSE, settings))
    first_audio_s = time.perf_counter() - started_s
    started_s = time.perf_counter()
    spoken = [await voice.speak(Utterance(text, settings)) for text in CALIBRATION_TEXT]
    worked_s = time.perf_counter() - started_s
    samples = np.concatenate([part.samples for part in spoken])
    if not len(samples):
        raise VoiceFailedError(f"{voice.name} gave no sound")
    rate_hz = spoken[0].rate_hz
    return Calibration(
        real_time_factor=worked_s * rate_hz / len(samples),
        loudness_lufs=pcm.loudness_lufs(samples, rate_hz),
        first_audio_s=first_audio_s,
    )
