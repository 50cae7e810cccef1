"""A voice of tones and a model that recites: exact, quick, the same each time."""

import zlib
from collections.abc import AsyncGenerator

import numpy as np
from numpy.typing import NDArray

from rhapsode.agents.models.model import ModelFailedError
from rhapsode.agents.voices.voice import Spoken, Utterance, VoiceFailedError
from rhapsode.codecs.records import Word

RATE_HZ = 16_000
LEAD_S = 0.1
"""Silence at both ends of a chunk, as real voices leave it."""
GAP_S = 0.02
LEVEL = 4_000


def pitch_hz(word: str) -> float:
    """Return the pitch a word is said at: one of 64, 30 Hz apart, by its letters."""
    letters = "".join(char for char in word.lower() if char.isalnum())
    return 300.0 + 30.0 * (zlib.crc32(letters.encode()) % 64)


def audible(text: str) -> list[str]:
    """Return the words of a text that have a sound."""
    return [word for word in text.split() if any(char.isalnum() for char in word)]


class ToneVoice:
    """Says each word as a tone of its own pitch, with silence around the whole."""

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

    @property
    def name(self) -> str:
        return "tone"

    def speaks(self, language: str) -> bool:
        return bool(language)

    async def prepare(self) -> None: ...

    async def close(self) -> None: ...

    async def speak(self, utterance: Utterance) -> Spoken:
        self.spoken.append(utterance.text)
        if self.fails_at and self.fails_at in utterance.text:
            raise VoiceFailedError(f"the voice does not say {self.fails_at!r}")
        sounds: list[NDArray[np.float64]] = [np.zeros(round(LEAD_S * RATE_HZ))]
        words: list[Word] = []
        at_s = LEAD_S
        times_s = np.arange(round(self.word_s * RATE_HZ)) / RATE_HZ
        for word in audible(utterance.text):
            sounds += [
                LEVEL * np.sin(2 * np.pi * pitch_hz(word) * times_s),
                np.zeros(round(GAP_S * RATE_HZ)),
            ]
            words.append(Word(word, at_s, at_s + self.word_s))
            at_s += self.word_s + GAP_S
        sounds.append(np.zeros(round(LEAD_S * RATE_HZ)))
        return Spoken(
            samples=np.rint(np.concatenate(sounds)).astype(np.int16),
            rate_hz=RATE_HZ,
            voice="tone",
            gain_db=self.gain_db,
            degraded=bool(self.degraded_at) and self.degraded_at in utterance.text,
            words=tuple(words),
        )


class Reciter:
    """A model that always writes the same, from wherever it is asked to go on."""

    def __init__(self, script: str, *, delta_chars: int = 6, fails_at: int = -1) -> None:
        self.script = script
        self.delta_chars = delta_chars
        self.fails_at = fails_at
        """Offset in the script at which it fails; never, if negative."""
        self.prompts: list[tuple[str, str]] = []
        """(prompt, language) of each time it was asked."""

    @property
    def name(self) -> str:
        return "reciter"

    async def write(self, prompt: str, language: str, so_far: str = "") -> AsyncGenerator[str]:
        self.prompts.append((prompt, language))
        assert self.script.startswith(so_far)
        for start in range(len(so_far), len(self.script), self.delta_chars):
            if 0 <= self.fails_at <= start:
                raise ModelFailedError("the model lost the thread")
            yield self.script[start : start + self.delta_chars]

    async def close(self) -> None: ...
