"""The port to language models: what was asked in, a text to be spoken out, as it is written."""

from collections.abc import AsyncGenerator
from typing import Protocol

STORYTELLER = (
    "You write short texts that are read aloud. Write plain prose in the language {language}: no "
    "headings, no lists, no markup, no remarks about the task. Begin at once with the text itself."
)


class ModelUnavailableError(Exception):
    """The model is not installed or not configured; the message says how to get it."""


class ModelFailedError(Exception):
    """The model refuses or answers nonsense, however often it is asked."""


class ModelUnreachableError(OSError):
    """The model does not answer for now; worth another try."""


class Model(Protocol):
    """Something that writes."""

    @property
    def name(self) -> str:
        """What the model is, with a warning where it is one for demonstrations only."""
        ...

    def write(self, prompt: str, language: str, so_far: str = "") -> AsyncGenerator[str]:
        """Yield the text as it is written, never a part of ``so_far``, which was yielded before.

        Raises:
            ModelUnavailableError: it is not installed or not configured.
            ModelFailedError: it refuses.
            ModelUnreachableError: it does not answer; worth another try, with what came so far.
        """
        ...

    async def close(self) -> None:
        """Let go of models and connections."""
        ...
