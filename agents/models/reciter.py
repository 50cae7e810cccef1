"""A model that recites a script: for tests and demonstrations of everything behind a model."""

from collections.abc import AsyncGenerator

from .model import ModelFailedError


class Reciter:
    """Writes the same text whatever the prompt, and resumes wherever it is asked to.

    Args:
        script: The whole text.
        delta_chars: Characters in each piece it yields.
        fails_at: Offset in the script, in characters, at which it fails; never, if negative.
    """

    name = "reciter"

    def __init__(self, script: str, *, delta_chars: int = 6, fails_at: int = -1) -> None:
        self.script = script
        self.delta_chars = delta_chars
        self.fails_at = fails_at
        self.prompts: list[tuple[str, str]] = []
        """(prompt, language) of each request, in order."""

    async def write(self, prompt: str, language: str, so_far: str = "") -> AsyncGenerator[str]:
        self.prompts.append((prompt, language))
        if not self.script.startswith(so_far):
            raise ModelFailedError("the text so far is not the beginning of the script")
        for start in range(len(so_far), len(self.script), self.delta_chars):
            if 0 <= self.fails_at <= start:
                raise ModelFailedError("the model lost the thread")
            yield self.script[start : start + self.delta_chars]

    async def close(self) -> None: ...
