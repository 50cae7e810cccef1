"""Any server with OpenAI's ``/chat/completions``: OpenAI, Ollama, vLLM, llama.cpp, and others."""

import json
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, aclosing
from typing import Any, cast

import httpx
from httpx_sse import EventSource, SSEError

from ..http_answers import tries
from ..openai_server import Failures, OpenAIServer
from .model import STORYTELLER, ModelFailedError, ModelUnavailableError, ModelUnreachableError

CONNECT_S = 5.0
SILENT_S = 60.0
"""Longest silence before the first word, or between two."""
MAX_CHARS = 50_000
"""An hour of speech: a model that writes more would never stop."""
TRIES = 2
FIRST_WAIT_S = 1.0
CONTINUE = "Go on from the very next word; repeat nothing of what you wrote."


class OpenAIModel:
    """Streams the words of one model as they are written, without its reasoning.

    Args:
        base_url: Such as ``http://localhost:11434/v1`` (Ollama).
        key: Sent as a bearer token, unless empty, and left out of every message.
        model: As the server names it.
        silent_s: Longest silence of the server before it counts as unreachable.
    """

    def __init__(
        self, base_url: str, key: str = "", model: str = "", *, silent_s: float = SILENT_S
    ) -> None:
        self._server = OpenAIServer(
            base_url,
            "chat/completions",
            key,
            timeout_s=silent_s,
            connect_s=min(CONNECT_S, silent_s),
            failures=Failures(ModelFailedError, ModelUnreachableError),
        )
        self._model = model

    @property
    def name(self) -> str:
        return self._model or "openai-compatible"

    async def write(self, prompt: str, language: str, so_far: str = "") -> AsyncGenerator[str]:
        if not self._model:
            raise ModelUnavailableError(
                f"no model is named for {self._server.public_url}: set RHAPSODE_LLM_MODEL"
            )
        left = MAX_CHARS - len(so_far)
        thoughts = Thoughts()
        body = self._body(prompt, language, so_far)
        with self._server.told():
            async with aclosing(self._contents(body)) as contents:
                async for content in contents:
                    words = thoughts.spoken(content)[:left]
                    left -= len(words)
                    if words:
                        yield words
                    if left <= 0:
                        return
        if held_back := thoughts.rest()[:left]:
            yield held_back

    async def close(self) -> None:
        await self._server.close()

    def _body(self, prompt: str, language: str, so_far: str) -> dict[str, Any]:
        messages = [
            {"role": "system", "content": STORYTELLER.format(language=language)},
            {"role": "user", "content": prompt},
        ]
        if so_far:
            messages += [
                {"role": "assistant", "content": so_far},
                {"role": "user", "content": CONTINUE},
            ]
        return {"model": self._model, "messages": messages, "stream": True}

    async def _contents(self, body: dict[str, Any]) -> AsyncGenerator[str, None]:
        """Yield what each event adds, to the end of the answer.

        Raises:
            ModelUnreachableError: the answer breaks off.
        """
        async with (
            aclosing(await self._answer(body)) as response,
            aclosing(self._events(response)) as contents,
        ):
            async for content in contents:
                yield content

    async def _answer(self, body: dict[str, Any]) -> httpx.Response:
        """Return an answer whose body is still to be read, and to be closed by the caller.

        Only this far is tried again: once words were yielded, another answer would repeat them.
        """
        async for attempt in tries(TRIES, FIRST_WAIT_S):
            with attempt:
                request = self._server.client.build_request("POST", self._server.url, json=body)
                response = await self._server.client.send(request, stream=True)
                async with AsyncExitStack() as on_error:
                    on_error.push_async_callback(response.aclose)
                    await self._server.check(response)
                    on_error.pop_all()
                return response
        raise AssertionError("the last try returns or raises")

    async def _events(self, response: httpx.Response) -> AsyncGenerator[str, None]:
        finished = False
        try:
            async for event in EventSource(response).aiter_sse():
                if event.data == "[DONE]":
                    return
                content, ends = self._content(event.data)
                finished = finished or ends
                if content:
                    yield content
        except SSEError as error:
            raise ModelFailedError(f"{self._server.public_url} does not stream: {error}") from None
        if not finished:  # as some servers end, without [DONE]
            raise ModelUnreachableError(
                f"{self._server.public_url} stopped in the middle of its answer"
            )

    def _content(self, data: str) -> tuple[str, bool]:
        """Return the words of one event, and whether the answer ends with it.

        ``content`` may be null or absent, ``choices`` empty (a count of tokens), and reasoning is
        in fields of its own.

        Raises:
            ModelFailedError: it is not an event of a chat, or it reports an error.
        """
        try:
            event = json.loads(data)
        except ValueError:
            raise ModelFailedError(
                f"{self._server.public_url} streams no JSON: {data[:100]!r}"
            ) from None
        if not isinstance(event, dict):
            raise ModelFailedError(f"{self._server.public_url} streams no chat: {data[:100]!r}")
        if "error" in event:
            raise ModelFailedError(
                f"{self._server.public_url} breaks off: {json.dumps(event['error'])[:200]}"
            )
        choice = _first(cast("dict[str, Any]", event).get("choices"))
        delta = choice.get("delta")
        content = _first([delta]).get("content")
        return content if isinstance(content, str) else "", bool(choice.get("finish_reason"))


def _first(items: Any) -> dict[str, Any]:
    """Return the first item of a list if it is an object, else an empty one."""
    if isinstance(items, list) and items and isinstance(items[0], dict):
        return cast("dict[str, Any]", items[0])
    return {}


class Thoughts:
    """Leaves out what is between ``<think>`` and ``</think>``, wherever the deltas are cut."""

    def __init__(self) -> None:
        self._held = ""
        self._thinking = False

    def spoken(self, delta: str) -> str:
        """Return what can be said now; what may be the beginning of a tag is held back."""
        self._held += delta
        words = ""
        while True:
            tag = "</think>" if self._thinking else "<think>"
            before, found, after = self._held.partition(tag)
            if not found:
                break
            words += "" if self._thinking else before
            self._held, self._thinking = after, not self._thinking
        lengths = range(min(len(tag) - 1, len(self._held)), 0, -1)
        held_chars = next((n for n in lengths if self._held.endswith(tag[:n])), 0)
        sure_chars = len(self._held) - held_chars
        if not self._thinking:
            words += self._held[:sure_chars]
        self._held = self._held[sure_chars:]
        return words

    def rest(self) -> str:
        """Return what was held back at the end: it began no tag after all."""
        words = "" if self._thinking else self._held
        self._held = ""
        return words
