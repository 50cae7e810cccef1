"""Google Translate's speech through the protocol gTTS speaks; text leaves this machine."""

import asyncio
import base64
import random
import re
import time

import httpx
import numpy as np
from gtts import gTTS  # pyright: ignore[reportMissingTypeStubs]
from gtts.lang import tts_langs  # pyright: ignore[reportMissingTypeStubs]

from ..codecs.audio_file import decode
from ..codecs.pcm import resample
from ..codecs.wire import MalformedError
from .voice import Spoken, Utterance, VoiceFailedError, VoiceUnreachableError

GAIN_DB = 0.0
RATE_HZ = 24_000
MAX_PART_CHARS = 100
REQUESTS_PER_S = 2.0
TRIES = 4
SLOW_BELOW = 0.8
_AUDIO = re.compile(r'jQ1olc","\[\\"(.*?)\\"\]')
_LANGUAGES: frozenset[str] = frozenset(tts_langs())


def parts_of(text: str) -> list[str]:
    """Cut a text into parts of at most 100 characters at words, which is all the service takes."""
    parts: list[str] = []
    for word in text.split():
        while len(word) > MAX_PART_CHARS:
            parts.append(word[:MAX_PART_CHARS])
            word = word[MAX_PART_CHARS:]
        if parts and len(parts[-1]) + 1 + len(word) <= MAX_PART_CHARS:
            parts[-1] = f"{parts[-1]} {word}"
        elif word:
            parts.append(word)
    return parts


class GttsVoice:
    """Packages requests as gTTS does and sends them itself: kept alive, bounded, at a gentle rate."""

    name = "gtts"

    def __init__(self, base_url: str = "", *, requests_per_s: float = REQUESTS_PER_S) -> None:
        self._base_url = base_url.rstrip("/")
        self._spacing_s = 1.0 / requests_per_s
        self._next_s = 0.0
        self._client = httpx.AsyncClient(
            timeout=httpx.Timeout(10.0, connect=5.0), trust_env=False, follow_redirects=False
        )

    def speaks(self, language: str) -> bool:
        return _code(language) is not None

    async def prepare(self) -> None:
        """Need nothing: the first request opens the connection."""

    async def speak(self, utterance: Utterance) -> Spoken:
        code = _code(utterance.settings.language)
        if code is None:
            raise VoiceFailedError(f"gTTS does not speak {utterance.settings.language!r}")
        pieces = [await self._part(part, code, utterance) for part in parts_of(utterance.text)]
        if not pieces:
            raise VoiceFailedError("there is nothing to speak")
        return Spoken(
            samples=np.concatenate(pieces), rate_hz=RATE_HZ, voice=self.name, gain_db=GAIN_DB
        )

    async def _part(self, text: str, code: str, utterance: Utterance) -> np.ndarray:
        tld = utterance.settings.accent
        request = gTTS(
            text,
            tld=tld,
            lang=code,
            slow=utterance.settings.speed < SLOW_BELOW,
            lang_check=False,
            pre_processor_funcs=[],
            tokenizer_func=lambda whole: [whole],
        )
        (body,) = request.get_bodies()
        base = self._base_url or f"https://translate.google.{tld}"
        answer = await self._post(f"{base}/_/TranslateWebserverUi/data/batchexecute", body)
        found = _AUDIO.search(answer)
        if found is None:
            raise VoiceUnreachableError("gTTS answered without audio")
        try:
            samples, rate_hz = decode(base64.b64decode(found.group(1)))
        except (MalformedError, ValueError) as error:
            raise VoiceUnreachableError(f"gTTS sent broken audio: {error}") from None
        return resample(samples, rate_hz, RATE_HZ)

    async def _post(self, url: str, body: str) -> str:
        headers = {
            "Content-Type": "application/x-www-form-urlencoded;charset=utf-8",
            "Referer": "http://translate.google.com/",
            "User-Agent": "Mozilla/5.0 (X11; Linux x86_64) rhapsode",
        }
        trouble = ""
        for attempt in range(TRIES):
            await self._wait_turn()
            try:
                response = await self._client.post(url, content=body, headers=headers)
            except httpx.TransportError as error:
                trouble = str(error) or type(error).__name__
            else:
                if response.status_code == 200:
                    return response.text
                trouble = f"status {response.status_code}"
                if response.status_code not in (429, 500, 502, 503, 504):
                    raise VoiceFailedError(f"gTTS refuses: {trouble}")
            # jitter, so that several workers do not come back together
            await asyncio.sleep(self._spacing_s * 2**attempt * random.uniform(0.5, 1.0))  # noqa: S311
        raise VoiceUnreachableError(f"gTTS does not answer after {TRIES} tries: {trouble}")

    async def _wait_turn(self) -> None:
        now = time.monotonic()
        turn = max(now, self._next_s)
        self._next_s = turn + self._spacing_s
        await asyncio.sleep(turn - now)

    async def close(self) -> None:
        await self._client.aclose()


def _code(language: str) -> str | None:
    for candidate in (language, language.partition("-")[0].lower()):
        if candidate in _LANGUAGES:
            return candidate
    return None
