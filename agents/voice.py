"""The port to voices: a chunk's words in, its whole audio out."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ..codecs.records import VoiceSettings, Word


class VoiceUnavailableError(Exception):
    """The voice is not installed or not configured; the message says how to get it."""


class VoiceFailedError(Exception):
    """This utterance cannot be spoken by this voice, however often it is asked."""


class VoiceUnreachableError(OSError):
    """The voice does not answer for now; worth another try."""


@dataclass(frozen=True, slots=True)
class Utterance:
    """What is to be spoken, and how."""

    text: str
    settings: VoiceSettings


@dataclass(frozen=True, slots=True)
class Spoken:
    """What a voice gave."""

    samples: NDArray[np.int16]
    """Mono."""
    rate_hz: int
    voice: str
    gain_db: float = 0.0
    """Brings this voice's speech to -16 LUFS; calibrated once, over 20 s of speech or more."""
    degraded: bool = False
    """True where it is not the voice that was asked for."""
    words: tuple[Word, ...] = ()


class Voice(Protocol):
    """Something that speaks."""

    @property
    def name(self) -> str:
        """Engine and voice, such as ``piper:joe``."""
        ...

    def speaks(self, language: str) -> bool:
        """Say whether it knows the language (a BCP 47 tag)."""
        ...

    async def prepare(self) -> None:
        """Load and warm up; doing it twice does it once.

        Raises:
            VoiceUnavailableError: it is not installed or not configured.
        """
        ...

    async def speak(self, utterance: Utterance) -> Spoken:
        """Return the whole audio of an utterance.

        Raises:
            VoiceUnavailableError: it is not installed or not configured.
            VoiceFailedError: it cannot speak this, whatever is tried.
            VoiceUnreachableError: it does not answer; worth another try.
        """
        ...

    async def close(self) -> None:
        """Let go of models and connections."""
        ...
