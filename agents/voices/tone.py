"""A voice of tones: exact, fast and the same each time; for tests and demonstrations.

It needs no engine and no model, so a stage can be tested with it anywhere. Each word is a sine at a
pitch of its own, so a test can hear which word was said, and when, in audio that went through
mastering and a lossy codec.
"""

import zlib

import numpy as np
from numpy.typing import NDArray

from ...codecs.records import Word
from .voice import ANY_LANGUAGE, Spoken, Utterance, VoiceFailedError

RATE_HZ = 16_000
LEAD_S = 0.1
"""Silence before and after the words of an utterance, as real voices leave it."""
GAP_S = 0.02
"""Silence after each word."""
AMPLITUDE = 4_000


def pitch_hz(word: str) -> float:
    """Return the pitch of a word, 300 to 2190 Hz: one of 64, 30 Hz apart, chosen by its letters."""
    letters = "".join(char for char in word.lower() if char.isalnum())
    return 300.0 + 30.0 * (zlib.crc32(letters.encode()) % 64)


def audible(text: str) -> list[str]:
    """Return the words of a text that make a sound: those with a letter or a digit."""
    return [word for word in text.split() if any(char.isalnum() for char in word)]


class ToneVoice:
    """Says each audible word as a tone, with exact word times; it speaks any language.

    Args:
        word_s: How long each word sounds, in seconds.
        fails_at: An utterance that contains this raises `VoiceFailedError`; never, if empty.
        degraded_at: An utterance that contains this is marked as degraded; never, if empty.
        gain_db: Gain that each utterance reports.
    """

    name = "tone"

    def __init__(
        self,
        *,
        word_s: float = 0.1,
        fails_at: str = "",
        degraded_at: str = "",
        gain_db: float = 0.0,
    ) -> None:
        self.word_s = word_s
        self.fails_at = fails_at
        self.degraded_at = degraded_at
        self.gain_db = gain_db
        self.spoken: list[str] = []
        """Every text it was asked for, in order."""

    def missing(self) -> str:
        return ""

    def languages(self) -> tuple[str, ...]:
        return (ANY_LANGUAGE,)

    def speaks(self, language: str) -> bool:
        return bool(language)

    async def prepare(self) -> None: ...

    async def close(self) -> None: ...

    async def speak(self, utterance: Utterance) -> Spoken:
        self.spoken.append(utterance.text)
        if self.fails_at and self.fails_at in utterance.text:
            raise VoiceFailedError(f"the voice does not say {self.fails_at!r}")
        samples: list[NDArray[np.float64]] = [np.zeros(round(LEAD_S * RATE_HZ))]
        words: list[Word] = []
        start_s = LEAD_S
        times_s = np.arange(round(self.word_s * RATE_HZ)) / RATE_HZ
        for word in audible(utterance.text):
            samples += [
                AMPLITUDE * np.sin(2 * np.pi * pitch_hz(word) * times_s),
                np.zeros(round(GAP_S * RATE_HZ)),
            ]
            words.append(Word(word, start_s, start_s + self.word_s))
            start_s += self.word_s + GAP_S
        samples.append(np.zeros(round(LEAD_S * RATE_HZ)))
        return Spoken(
            samples=np.rint(np.concatenate(samples)).astype(np.int16),
            rate_hz=RATE_HZ,
            voice=self.name,
            gain_db=self.gain_db,
            degraded=bool(self.degraded_at) and self.degraded_at in utterance.text,
            words=tuple(words),
        )
