"""Any server with OpenAI's ``/audio/speech``: OpenAI, Kokoro-FastAPI, speaches, LocalAI, Groq."""

import asyncio
from typing import Any

import httpx
import numpy as np
from numpy.typing import NDArray

from ...codecs.audio import pcm
from ...codecs.audio.files import AudioFormatError, decode
from ..http_answers import TooLongError, bounded_body
from ..openai_server import Failures, OpenAIServer
from .running_gain import RunningGain
from .voice import (
    ANY_LANGUAGE,
    Spoken,
    Utterance,
    VoiceFailedError,
    VoiceUnavailableError,
    VoiceUnreachableError,
)

PCM_RATE_HZ = 24_000
"""``pcm`` is 24 kHz signed 16-bit little-endian mono without a header (API reference)."""
MAX_BYTES = 2 * PCM_RATE_HZ * 120
MAX_CHARS = 4096
TIMEOUT_S = 30.0
TRIES = 2
FIRST_WAIT_S = 0.5
NO_SERVER = (
    "no speech server is configured: set RHAPSODE_OPENAI_SPEECH_URL to one such as "
    "https://api.openai.com/v1, and RHAPSODE_OPENAI_SPEECH_KEY"
)


class OpenAIVoice:
    """One voice of one server.

    Args:
        base_url: Such as ``https://api.openai.com/v1``; empty: not configured.
        key: Sent as a bearer token, unless empty, and left out of every message.
        model: As the server names it.
        voice: As the server names it.
        response_format: ``pcm``, or ``wav`` for servers that lack it; whatever else the server
            answers with is decoded too.
        gain_db: Brings the voice to -16 LUFS; None: learnt from its first minute.
        timeout_s: Longest silence of the server before a request counts as failed.
        tries: Most requests for one utterance.
    """

    def __init__(
        self,
        base_url: str,
        key: str = "",
        *,
        model: str = "tts-1",
        voice: str = "alloy",
        response_format: str = "pcm",
        gain_db: float | None = None,
        timeout_s: float = TIMEOUT_S,
        tries: int = TRIES,
    ) -> None:
        self._server = OpenAIServer(
            base_url,
            "audio/speech",
            key,
            timeout_s=timeout_s,
            connect_s=timeout_s / 2,
            failures=Failures(VoiceFailedError, VoiceUnreachableError),
        )
        self._request = {"model": model, "voice": voice, "response_format": response_format}
        self._gain = RunningGain()
        self._gain_db = gain_db
        self._tries = tries
        self.name = f"openai:{voice}"

    def missing(self) -> str:
        return "" if self._server.url else NO_SERVER

    def languages(self) -> tuple[str, ...]:
        return (ANY_LANGUAGE,)

    def speaks(self, language: str) -> bool:
        """Return True if a server is configured: it tells the language from the text."""
        return bool(self._server.url)

    async def prepare(self) -> None:
        if not self._server.url:
            raise VoiceUnavailableError(NO_SERVER)

    async def speak(self, utterance: Utterance) -> Spoken:
        await self.prepare()
        text = utterance.text
        if len(text) > MAX_CHARS:
            raise VoiceFailedError(f"{len(text)} characters are more than {MAX_CHARS}: split it")
        samples, rate_hz = np.zeros(0, np.int16), PCM_RATE_HZ
        if any(char.isalnum() for char in text):
            samples, rate_hz = await self._ask(
                {**self._request, "input": text, "speed": utterance.settings.speed}
            )
        gain_db = self._gain_db
        if gain_db is None:
            gain_db = self._gain.gain_db(samples, rate_hz)
        return Spoken(samples=samples, rate_hz=rate_hz, voice=self.name, gain_db=gain_db)

    async def close(self) -> None:
        await self._server.close()

    async def _ask(self, body: dict[str, Any]) -> tuple[NDArray[np.int16], int]:
        return await self._server.answer(
            self._audio, most_tries=self._tries, first_wait_s=FIRST_WAIT_S, json=body
        )

    async def _audio(self, response: httpx.Response) -> tuple[NDArray[np.int16], int]:
        """Return samples and rate of an answer, in whatever format it is."""
        where = self._server.public_url
        try:
            body = await bounded_body(response.aiter_bytes(), MAX_BYTES)
        except TooLongError as error:
            raise VoiceFailedError(f"{where} sent {error} for one chunk") from None
        kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind.startswith("text/") or kind.endswith("json"):
            raise VoiceFailedError(f"{where} answered with {kind} instead of audio")
        if not body:
            raise VoiceUnreachableError(f"{where} answered without audio")
        if self._request["response_format"] == "pcm" and not _is_file(body, kind):
            return pcm.from_bytes(body[: len(body) // 2 * 2]).astype(np.int16), PCM_RATE_HZ
        try:
            return await asyncio.to_thread(decode, body)
        except AudioFormatError as error:
            raise VoiceFailedError(f"{where} sent no audio: {error}") from None


def _is_file(body: bytes, kind: str) -> bool:
    """Return whether the bytes are an audio file rather than bare samples."""
    if body[:4] in (b"RIFF", b"fLaC", b"OggS") or body[:3] == b"ID3" or body[4:8] == b"ftyp":
        return True
    # two samples may look like the sync word of MPEG audio: only the content type tells
    return kind in ("audio/mpeg", "audio/mp3") and body[0] == 0xFF and body[1] >> 5 == 0b111
