"""Any server of OpenAI-compatible chat completions: OpenAI, Ollama, vLLM, llama.cpp, …."""

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
from httpx_sse import EventSource, SSEError

from .model import (
    STORYTELLER,
    ModelFailedError,
    ModelUnavailableError,
    ModelUnreachableError,
)

CONNECT_S = 5.0
SILENT_S = 60.0
MAX_CHARS = 50_000
TRY_AGAIN = {408, 409, 425, 429}


class OpenAIModel:
    """Streams ``POST {base_url}/chat/completions``."""

    def __init__(self, base_url: str, key: str = "", model: str = "") -> None:
        self._url = f"{base_url.rstrip('/')}/chat/completions"
        self._model = model
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._client = httpx.AsyncClient(
            headers=headers, timeout=httpx.Timeout(SILENT_S, connect=CONNECT_S), trust_env=False
        )

    @property
    def name(self) -> str:
        return self._model or "openai-compatible"

    async def write(self, prompt: str, language: str, so_far: str = "") -> AsyncIterator[str]:
        if not self._model:
            raise ModelUnavailableError("set RHAPSODE_LLM_MODEL to the model's name")
        written = len(so_far)
        thoughts = _Thoughts()
        try:
            async with self._client.stream(
                "POST", self._url, json=self._body(prompt, language, so_far)
            ) as response:
                await self._check(response)
                async for event in EventSource(response).aiter_sse():
                    if event.data == "[DONE]":
                        return
                    delta = thoughts.spoken(_delta(event.data))
                    if delta:
                        yield delta
                        written += len(delta)
                    if written > MAX_CHARS:
                        return
        except SSEError as error:
            raise ModelFailedError(f"{self._url} does not stream: {error}") from None
        except httpx.TransportError as error:
            raise ModelUnreachableError(
                f"the model at {self._url} does not answer: {error or type(error).__name__}"
            ) from error

    def _body(self, prompt: str, language: str, so_far: str) -> dict[str, Any]:
        messages = [
            {"role": "system", "content": STORYTELLER.format(language=language)},
            {"role": "user", "content": prompt},
        ]
        if so_far:
            messages += [
                {"role": "assistant", "content": so_far},
                {
                    "role": "user",
                    "content": "Go on from the very next word; repeat nothing of what you wrote.",
                },
            ]
        return {"model": self._model, "messages": messages, "stream": True}

    async def _check(self, response: httpx.Response) -> None:
        status = response.status_code
        if status < 400:
            return
        text = (await response.aread())[:300].decode(errors="replace")
        said = f"the model at {self._url} answered {status}: {text}"
        if status in TRY_AGAIN or status >= 500:
            raise ModelUnreachableError(said)
        raise ModelFailedError(said)

    async def close(self) -> None:
        await self._client.aclose()


def _delta(data: str) -> str:
    try:
        choices = json.loads(data).get("choices") or []
    except (ValueError, AttributeError):
        raise ModelFailedError(f"the model's stream is no JSON: {data[:100]!r}") from None
    if not choices:
        return ""  # the chunk that only counts tokens
    content = (choices[0].get("delta") or {}).get("content")
    return content if isinstance(content, str) else ""


class _Thoughts:
    """Leaves out what stands between ``<think>`` and ``</think>``, however it is cut."""

    def __init__(self) -> None:
        self._held = ""
        self._thinking = False

    def spoken(self, delta: str) -> str:
        self._held += delta
        said = ""
        while True:
            mark = "</think>" if self._thinking else "<think>"
            before, found, after = self._held.partition(mark)
            if not found:
                break
            said += "" if self._thinking else before
            self._held, self._thinking = after, not self._thinking
        keep = next(
            (
                n
                for n in range(min(len(mark), len(self._held)), 0, -1)
                if self._held.endswith(mark[:n])
            ),
            0,
        )
        if not self._thinking:
            said += self._held[: len(self._held) - keep]
        self._held = self._held[len(self._held) - keep :]
        return said
