"""The port to language models: a prompt in, a text to be spoken out, as it is written."""

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
    """The model does not answer, or not now; worth another try."""


class Model(Protocol):
    """Something that writes a text to a prompt."""

    @property
    def name(self) -> str:
        """What the model is, with a warning if it is for demonstrations only."""
        ...

    def write(self, prompt: str, language: str, so_far: str = "") -> AsyncGenerator[str]:
        """Yield the text as it is written, without ``so_far``, which was yielded before a restart.

        Args:
            prompt: What the text is to be about.
            language: BCP 47 tag of the text.
            so_far: The beginning of the text; the model continues from its end.

        Raises:
            ModelUnavailableError: it is not installed or not configured.
            ModelFailedError: it refuses.
            ModelUnreachableError: worth another try, with ``so_far`` extended by what was yielded.
        """
        ...

    async def close(self) -> None:
        """Release models and connections."""
        ...
