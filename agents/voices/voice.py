"""The port to voices: text in, speech out, one chunk at a time."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ...codecs.records import Word
from ...codecs.session import VoiceSettings
from ..turns import NOW, Due
from .speakable import speakable

ANY_LANGUAGE = "*"
"""The language range that every tag matches (RFC 4647, section 2.1)."""
TARGET_LUFS = -16.0
"""Loudness of mastered mono speech (BS.1770-4, gated). A voice's ``gain_db`` leads there."""


class VoiceUnavailableError(Exception):
    """A voice is not installed or not configured; the message says how to get it."""


class VoiceFailedError(Exception):
    """This voice cannot speak this utterance, however often it is tried."""


class VoiceUnreachableError(OSError):
    """A voice does not answer, or not now; worth another try."""


@dataclass(frozen=True, slots=True)
class Utterance:
    """What is to be said, and how."""

    text: str
    """Without what engines cannot take: `speakable` is applied to whatever is passed in."""
    settings: VoiceSettings
    due: Due = NOW
    """When it is to be heard: what is due first is spoken first."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "text", speakable(self.text))


@dataclass(frozen=True, slots=True)
class Spoken:
    """What a voice made of an utterance."""

    samples: NDArray[np.int16]
    """Mono; empty where the text has nothing to say."""
    rate_hz: int
    voice: str
    """The voice that spoke, such as ``piper:joe``."""
    gain_db: float = 0.0
    """Brings this voice's typical speech to `TARGET_LUFS`."""
    degraded: bool = False
    """True if it stood in for the voice that was asked for."""
    words: tuple[Word, ...] = ()
    """Each audible word with its start and end in seconds; empty if the engine gives no times."""


class Voice(Protocol):
    """A speech engine with one voice, or one that chooses among its own by language."""

    @property
    def name(self) -> str:
        """Engine, or engine and voice: ``espeak``, ``piper:joe``."""
        ...

    def missing(self) -> str:
        """Return what to install or configure before it can speak; empty if nothing is missing.

        Cheap: it loads no model and asks no server.
        """
        ...

    def languages(self) -> tuple[str, ...]:
        """Return the BCP 47 tags it speaks, or `ANY_LANGUAGE` alone; cheap, like ``missing``."""
        ...

    def speaks(self, language: str) -> bool:
        """Return whether it speaks the language of this BCP 47 tag; cheap, like ``missing``."""
        ...

    async def prepare(self) -> None:
        """Load and warm up, so that the first utterance is as fast as the others; idempotent.

        Raises:
            VoiceUnavailableError: it is not installed, or not configured.
            VoiceUnreachableError: its server does not answer.
        """
        ...

    async def speak(self, utterance: Utterance) -> Spoken:
        """Speak; ``settings.voice`` is ignored, because the caller has chosen this voice by it.

        Raises:
            VoiceUnavailableError: it is not installed, or not configured.
            VoiceFailedError: it cannot say this, now or later.
            VoiceUnreachableError: worth another try.
        """
        ...

    async def close(self) -> None:
        """Release threads, connections and models; the voice cannot be used afterwards."""
        ...
