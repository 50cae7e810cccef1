"""The port of a recogniser: from sound to words."""

from dataclasses import dataclass
from typing import Protocol

from ...codecs.audio.pcm import Samples

RATE_HZ = 16_000


class RecogniserFailedError(Exception):
    """It cannot make words of this sound, however often it is asked; the message says why."""


class RecogniserUnavailableError(Exception):
    """It cannot work as it is set up; the message says what to install or to set."""


class RecogniserUnreachableError(OSError):
    """It does not answer now."""


@dataclass(frozen=True, slots=True)
class Recognised:
    """What was said."""

    text: str
    language: str = ""
    """BCP 47, where the recogniser tells."""


class Recogniser(Protocol):
    """Makes words of what somebody says."""

    @property
    def name(self) -> str:
        """For logs and messages, such as ``whisper:tiny.en``."""
        ...

    def missing(self) -> str:
        """Return what there is to do before it can work, empty where it can."""
        ...

    async def prepare(self) -> None:
        """Load what it needs.

        Raises:
            RecogniserUnavailableError, RecogniserUnreachableError: it cannot work (now).
        """
        ...

    async def recognise(self, sound: Samples, language: str) -> Recognised:
        """Return the words in an utterance.

        Args:
            sound: 16 kHz mono, int16, up to two minutes.
            language: BCP 47, what the listener usually speaks; empty where nobody knows.

        Raises:
            RecogniserFailedError, RecogniserUnavailableError, RecogniserUnreachableError: no words.
        """
        ...

    async def close(self) -> None:
        """End what it has started."""
        ...
