"""Any server of OpenAI-compatible ``/audio/speech``."""

import httpx
import numpy as np

from .voice import (
    Spoken,
    Utterance,
    VoiceFailedError,
    VoiceUnavailableError,
    VoiceUnreachableError,
)

RATE_HZ = 24_000
"""``pcm`` is 24 kHz signed 16-bit mono (API reference, audio/speech)."""
MAX_BYTES = 2 * RATE_HZ * 120
GAIN_DB = 3.0


class OpenAIVoice:
    """Asks ``POST {base_url}/audio/speech`` for raw PCM."""

    def __init__(
        self,
        base_url: str,
        key: str = "",
        *,
        model: str = "tts-1",
        voice: str = "alloy",
        gain_db: float = GAIN_DB,
    ) -> None:
        self._url = f"{base_url.rstrip('/')}/audio/speech" if base_url else ""
        self._model = model
        self._voice = voice
        self._gain_db = gain_db
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._client = httpx.AsyncClient(
            headers=headers, timeout=httpx.Timeout(30.0, connect=5.0), trust_env=False
        )

    @property
    def name(self) -> str:
        return f"openai:{self._voice}"

    def speaks(self, language: str) -> bool:
        return bool(self._url)  # such servers take the language from the text

    async def prepare(self) -> None:
        if not self._url:
            raise VoiceUnavailableError(
                "no OpenAI-compatible speech server is configured: set RHAPSODE_OPENAI_SPEECH_URL"
            )

    async def speak(self, utterance: Utterance) -> Spoken:
        await self.prepare()
        body = {
            "model": self._model,
            "voice": self._voice,
            "input": utterance.text,
            "speed": utterance.settings.speed,
            "response_format": "pcm",
        }
        try:
            pcm = await self._fetch(body)
        except httpx.TransportError as error:
            raise VoiceUnreachableError(
                f"{self._url} does not answer: {error or type(error).__name__}"
            ) from error
        samples = np.frombuffer(pcm[: len(pcm) // 2 * 2], "<i2").astype(np.int16)
        if not len(samples):
            raise VoiceUnreachableError(f"{self._url} answered without audio")
        return Spoken(samples=samples, rate_hz=RATE_HZ, voice=self.name, gain_db=self._gain_db)

    async def _fetch(self, body: dict[str, object]) -> bytes:
        async with self._client.stream("POST", self._url, json=body) as response:
            status = response.status_code
            if status >= 400:
                text = (await response.aread())[:200].decode(errors="replace")
                said = f"{self._url} answered {status}: {text}"
                if status in (408, 425, 429) or status >= 500:
                    raise VoiceUnreachableError(said)
                raise VoiceFailedError(said)
            pcm = bytearray()
            async for piece in response.aiter_bytes():
                pcm += piece
                if len(pcm) > MAX_BYTES:
                    raise VoiceFailedError(f"{self._url} sent more than two minutes for a chunk")
            return bytes(pcm)

    async def close(self) -> None:
        await self._client.aclose()
