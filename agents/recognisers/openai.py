"""Any server with OpenAI's ``/audio/transcriptions``: OpenAI, speaches, LocalAI, Groq, vLLM."""

import asyncio
import io
import json
import wave
from typing import Any, cast

import httpx

from ...codecs.audio.pcm import Samples, to_bytes
from ..http_answers import bounded_body
from ..openai_server import Failures, OpenAIServer
from .recogniser import (
    RATE_HZ,
    Recognised,
    RecogniserFailedError,
    RecogniserUnavailableError,
    RecogniserUnreachableError,
)

MAX_BYTES = 1_000_000
"""Of an answer."""
TIMEOUT_S = 8.0
TRIES = 2
FIRST_WAIT_S = 0.3
NO_SERVER = (
    "no server for recognition is configured: set RHAPSODE_OPENAI_TRANSCRIPTION_URL to one such as "
    "https://api.openai.com/v1, and RHAPSODE_OPENAI_TRANSCRIPTION_KEY"
)


class OpenAIRecogniser:
    """One model of one server.

    Args:
        base_url: Such as ``https://api.openai.com/v1``; empty: not configured.
        key: Sent as a bearer token, unless empty, and left out of every message.
        model: As the server names it.
        timeout_s: Longest silence of the server before a request counts as failed; all tries of
            one take a second longer at most.
    """

    def __init__(
        self,
        base_url: str,
        key: str = "",
        *,
        model: str = "whisper-1",
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        self._server = OpenAIServer(
            base_url,
            "audio/transcriptions",
            key,
            timeout_s=timeout_s,
            connect_s=timeout_s / 3,
            failures=Failures(RecogniserFailedError, RecogniserUnreachableError),
        )
        self._model = model
        self._most_s = timeout_s + 1.0
        self.name = f"openai:{model}"

    def missing(self) -> str:
        return "" if self._server.url else NO_SERVER

    async def prepare(self) -> None:
        if not self._server.url:
            raise RecogniserUnavailableError(NO_SERVER)

    async def recognise(self, sound: Samples, language: str) -> Recognised:
        await self.prepare()
        fields = {"model": self._model, "response_format": "json"}
        primary = language.partition("-")[0].lower()
        if primary:  # ISO 639-1, API reference
            fields["language"] = primary
        try:
            async with asyncio.timeout(self._most_s):
                answer = await self._ask(fields, _wav(sound))
        except TimeoutError:
            raise RecogniserUnreachableError(
                f"{self._server.public_url} has not answered in {self._most_s:.0f} s"
            ) from None
        text, told = answer.get("text"), answer.get("language")
        if not isinstance(text, str):
            raise RecogniserFailedError(f"{self._server.public_url} answered without a text")
        # some tell a name ("english"), which is no tag
        tag = told if isinstance(told, str) and 2 <= len(told) <= 3 else ""
        return Recognised(text, tag or primary)

    async def close(self) -> None:
        await self._server.close()

    async def _ask(self, fields: dict[str, str], wav: bytes) -> dict[str, Any]:
        return await self._server.answer(
            self._read,
            most_tries=TRIES,
            first_wait_s=FIRST_WAIT_S,
            data=fields,
            files={"file": ("utterance.wav", wav, "audio/wav")},
        )

    async def _read(self, response: httpx.Response) -> dict[str, Any]:
        body = await bounded_body(response.aiter_bytes(), MAX_BYTES)
        try:
            answer = json.loads(body)
        except (ValueError, RecursionError):
            answer = None
        if not isinstance(answer, dict):
            raise RecogniserFailedError(f"{self._server.public_url} answered with no JSON object")
        return cast("dict[str, Any]", answer)


def _wav(sound: Samples) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(RATE_HZ)
        writer.writeframes(to_bytes(sound))
    return file.getvalue()
