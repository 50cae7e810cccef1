"""A chat model that is asked which title a request means: any server with OpenAI's API."""

import json
import re
from typing import Any

import httpx

from ...codecs.catalogue.titles import Title
from ..http_answers import bounded_body
from ..openai_server import Failures, OpenAIServer
from .model import ModelFailedError, ModelUnavailableError, ModelUnreachableError
from .openai import Thoughts

TASK = (
    "Somebody asks a voice device to play something. Recognised speech may be misheard, misspelled "
    "or romanised. Below are titles, each with a number. Answer with the number of the title that "
    "is meant, or with 0 if none of them is. Titles of one series, and those that differ in a word "
    "that matters, are different titles. Answer with the number alone."
)
_NUMBER_ALONE = re.compile(
    r"[^\w-]*(?:(?:number|title|answer|option)\b[^\w-]*)?(\d{1,3})[^\w-]*", re.IGNORECASE
)
SILENT_S = 4.0
CONNECT_S = 2.0
MAX_ANSWER_BYTES = 100_000
MAX_TOKENS = 2_000
"""Some models think before they answer."""


class OpenAIChooser:
    """Fulfils `agents.choose.Chooser`.

    Args:
        base_url: Such as ``http://localhost:11434/v1`` (Ollama).
        key: Sent as a bearer token, unless empty.
        model: As the server names it.
    """

    def __init__(self, base_url: str, key: str = "", model: str = "") -> None:
        self._server = OpenAIServer(
            base_url,
            "chat/completions",
            key,
            timeout_s=SILENT_S,
            connect_s=CONNECT_S,
            failures=Failures(ModelFailedError, ModelUnreachableError),
        )
        self._model = model

    @property
    def name(self) -> str:
        return self._model or "openai-compatible"

    async def choose(self, text: str, titles: tuple[Title, ...]) -> Title | None:
        if not self._model:
            raise ModelUnavailableError(
                f"no model is named for {self._server.public_url}: set RHAPSODE_LLM_MODEL"
            )
        listed = "\n".join(
            f"{number}. {_line(title)}" for number, title in enumerate(titles, start=1)
        )
        asked = f"{listed}\n\nThe request: {json.dumps(text, ensure_ascii=False)}"
        body = {
            "model": self._model,
            "messages": [
                {"role": "system", "content": TASK},
                {"role": "user", "content": asked},
            ],
            "temperature": 0,
            "max_tokens": MAX_TOKENS,
        }
        said = await self._server.answer(self._said, most_tries=1, first_wait_s=0.0, json=body)
        number = _number(said)
        if number is None or not 0 <= number <= len(titles):
            raise ModelFailedError(f"{self.name} names no title: {said[:100]!r}")
        return titles[number - 1] if number else None

    async def close(self) -> None:
        await self._server.close()

    async def _said(self, response: httpx.Response) -> str:
        raw = await bounded_body(response.aiter_bytes(), MAX_ANSWER_BYTES)
        try:
            said: Any = json.loads(raw)["choices"][0]["message"]["content"]
        except (ValueError, LookupError, TypeError, RecursionError):
            said = None
        if not isinstance(said, str):
            raise ModelFailedError(f"{self._server.public_url} answers no chat: {raw[:100]!r}")
        return said


def _line(title: Title) -> str:
    others = ", ".join(title.alternatives[:3])
    return f"{title.title} ({others})" if others else title.title


def _number(said: str) -> int | None:
    """Return the number that is all that is said; what is said in a sentence may mean anything."""
    thoughts = Thoughts()
    found = _NUMBER_ALONE.fullmatch(thoughts.spoken(said) + thoughts.rest())
    return int(found.group(1)) if found else None
