"""The port to voices: text in, speech out, one chunk at a time."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ...codecs.records import VoiceSettings, Word

ANY_LANGUAGE = "*"
"""The language range that every tag matches (RFC 4647, section 2.1)."""
TARGET_LUFS = -16.0
"""Loudness of mastered mono speech (BS.1770-4, gated). A voice's ``gain_db`` leads there."""


class VoiceUnavailableError(Exception):
    """A voice is not installed or not configured; the message says how to get it."""


class VoiceFailedError(Exception):
    """This utterance cannot be spoken by this voice, however often it is tried."""


class VoiceUnreachableError(OSError):
    """A voice does not answer, or not now; worth another try."""


@dataclass(frozen=True, slots=True)
class Utterance:
    """What is to be said, and how."""

    text: str
    settings: VoiceSettings


@dataclass(frozen=True, slots=True)
class Spoken:
    """What a voice made of an utterance."""

    samples: NDArray[np.int16]
    """Mono; none where the text has nothing to say."""
    rate_hz: int
    voice: str
    """The voice that spoke, such as ``piper:joe``."""
    gain_db: float = 0.0
    """Brings this voice's typical speech to `TARGET_LUFS`."""
    degraded: bool = False
    """True where it stood in for the voice that was asked for."""
    words: tuple[Word, ...] = ()
    """Empty where the engine gives no times."""


class Voice(Protocol):
    """A speech engine with one voice, or one that picks among its own by language."""

    @property
    def name(self) -> str:
        """Engine, or engine and voice: ``espeak``, ``piper:joe``."""
        ...

    def speaks(self, language: str) -> bool:
        """Say whether it speaks the language of this BCP 47 tag; asked after ``prepare``."""
        ...

    async def prepare(self) -> None:
        """Load and warm up, so that the first utterance is as quick as the others; idempotent.

        Raises:
            VoiceUnavailableError: it is not installed, or not configured.
            VoiceUnreachableError: its server does not answer.
        """
        ...

    async def speak(self, utterance: Utterance) -> Spoken:
        """Speak; the settings' ``voice`` was looked at by who chose this one.

        Raises:
            VoiceUnavailableError: it is not installed, or not configured.
            VoiceFailedError: it cannot say this, now or later.
            VoiceUnreachableError: worth another try.
        """
        ...

    async def close(self) -> None:
        """Let go of threads, connections and models; nothing may be asked of it afterwards."""
        ...
