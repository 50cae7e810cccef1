"""Any server with OpenAI's ``/audio/speech``: OpenAI, Kokoro-FastAPI, speaches, LocalAI, Groq."""

import asyncio
from typing import Any

import httpx
import numpy as np
from numpy.typing import NDArray

from ...codecs.audio import pcm
from ...codecs.audio.files import AudioFormatError, decode
from ..http_answers import TooMuchError, bounded_body, rest, said, shown, wait_s, worth_another_try
from .running_gain import RunningGain
from .voice import (
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


class OpenAIVoice:
    """Asks for one voice of one server.

    Args:
        base_url: Such as ``https://api.openai.com/v1``; empty: not configured.
        key: Sent as bearer token where there is one, and told to nobody else.
        model: As the server names it.
        voice: As the server names it.
        response_format: ``pcm``, or ``wav`` for servers without it; any other format the server
            answers in is decoded as well.
        gain_db: Brings the voice to -16 LUFS; left out, it is learnt from the first minute.
        timeout_s: Longest silence of the server before it counts as out of reach.
        tries: Requests for one utterance before that.
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
        self._url = f"{base_url.rstrip('/')}/audio/speech" if base_url else ""
        self._shown = shown(self._url)
        self._key = key
        self._request = {"model": model, "voice": voice, "response_format": response_format}
        self._gain = RunningGain()
        self._gain_db = gain_db
        self._tries = tries
        self.name = f"openai:{voice}"
        self._client = httpx.AsyncClient(
            headers={"Authorization": f"Bearer {key}"} if key else {},
            timeout=httpx.Timeout(timeout_s, connect=timeout_s / 2),
        )

    def speaks(self, language: str) -> bool:
        """Say yes: such servers take the language from the text, and name none."""
        return bool(self._url)

    async def prepare(self) -> None:
        if not self._url:
            raise VoiceUnavailableError(
                "no speech server is configured: set RHAPSODE_OPENAI_SPEECH_URL to one such as "
                "https://api.openai.com/v1, and RHAPSODE_OPENAI_SPEECH_KEY"
            )

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
        await self._client.aclose()

    async def _ask(self, body: dict[str, Any]) -> tuple[NDArray[np.int16], int]:
        trouble = ""
        for attempt in range(self._tries):
            response = None
            try:
                async with self._client.stream("POST", self._url, json=body) as response:
                    if response.status_code < 300:
                        return await self._audio(response)
                    trouble = f"status {response.status_code} {await said(response, self._key)}"
                    if not worth_another_try(response.status_code):
                        raise VoiceFailedError(f"{self._shown} refuses: {trouble}")
            except httpx.TransportError as error:
                trouble = str(error) or type(error).__name__
            last = attempt == self._tries - 1
            if last or not await rest(wait_s(response, attempt, FIRST_WAIT_S)):
                break
        raise VoiceUnreachableError(f"{self._shown} does not answer now: {trouble}")

    async def _audio(self, response: httpx.Response) -> tuple[NDArray[np.int16], int]:
        """Return what the server sent, whatever audio it calls it."""
        try:
            body = await bounded_body(response.aiter_bytes(), MAX_BYTES)
        except TooMuchError as error:
            raise VoiceFailedError(f"{self._shown} sent {error} for one chunk") from None
        kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind.startswith("text/") or kind.endswith("json"):
            raise VoiceFailedError(f"{self._shown} answered with {kind} instead of audio")
        if not body:
            raise VoiceUnreachableError(f"{self._shown} answered without audio")
        if self._request["response_format"] == "pcm" and not _is_file(body, kind):
            return pcm.from_bytes(body[: len(body) // 2 * 2]).astype(np.int16), PCM_RATE_HZ
        try:
            return await asyncio.to_thread(decode, body)
        except AudioFormatError as error:
            raise VoiceFailedError(f"{self._shown} sent no audio: {error}") from None


def _is_file(body: bytes, kind: str) -> bool:
    """Say whether the bytes are a file rather than bare samples, whatever was asked for."""
    if body[:4] in (b"RIFF", b"fLaC", b"OggS") or body[:3] == b"ID3" or body[4:8] == b"ftyp":
        return True
    # the sync word of MPEG audio may be two samples as well
    return kind in ("audio/mpeg", "audio/mp3") and body[0] == 0xFF and body[1] >> 5 == 0b111
