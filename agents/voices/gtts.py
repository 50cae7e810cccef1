"""Google Translate's voices, through the protocol of gTTS; the text leaves this machine."""

import asyncio
import base64
import binascii
import re
import time
from collections.abc import Callable
from typing import cast

import httpx
import numpy as np
from gtts import gTTS  # pyright: ignore[reportMissingTypeStubs]
from gtts.lang import tts_langs  # pyright: ignore[reportMissingTypeStubs, reportUnknownVariableType]
from numpy.typing import NDArray

from ...codecs.audio import pcm
from ...codecs.audio.files import AudioFormatError, decode
from ..http_answers import (
    BusyError,
    RefusedError,
    TooLongError,
    bounded_body,
    check_status,
    described,
    tries,
)
from .running_gain import RunningGain
from .voice import Spoken, Utterance, VoiceFailedError, VoiceUnreachableError

RATE_HZ = 24_000
MAX_PART_CHARS = 100
"""The service takes no more in one request."""
REQUESTS_PER_S = 2.0
"""The service answers 429 to more."""
TIMEOUT_S = 10.0
TRIES = 3
FIRST_WAIT_S = 0.5
SLOW_BELOW = 0.8
"""The service has two speeds; below this one the slow one is nearer."""
ACCENTS = frozenset(
    ("com", "co.uk", "com.au", "co.in", "ca", "ie", "co.za", "com.ng", "com.mx", "es", "com.br")
) | frozenset(("pt", "fr", "us", "co.nz", "de", "it", "co.jp"))
"""Google's top-level domains that text may be sent to."""
_MAX_ANSWER_BYTES = 4 * 1024 * 1024
_KEEP_EDGE_S = 0.06  # silence each part keeps at its ends
_audio = re.compile(r'jQ1olc","\[\\"([^"\\]*)\\"\]')
_languages = cast("Callable[[], dict[str, str]]", tts_langs)
_HEADERS = {
    "Content-Type": "application/x-www-form-urlencoded;charset=utf-8",
    "Referer": "http://translate.google.com/",
    "User-Agent": "Mozilla/5.0 (X11; Linux x86_64)",
}


class GttsVoice:
    """Requests as gTTS makes them, rate-limited, over one connection with a verified certificate.

    Args:
        base_url: Sent to instead of Google, for tests with a stand-in.
        requests_per_s: Most requests a second, all utterances together.
        timeout_s: Longest silence of the service before a request counts as failed.
        tries: Most requests for one part.
    """

    name = "gtts"

    def __init__(
        self,
        base_url: str = "",
        *,
        requests_per_s: float = REQUESTS_PER_S,
        timeout_s: float = TIMEOUT_S,
        tries: int = TRIES,
    ) -> None:
        self._base_url = base_url.rstrip("/")
        self._spacing_s = 1.0 / requests_per_s
        self._next_s = 0.0
        self._tries = tries
        self._gain = RunningGain()
        self._known = frozenset(_languages())
        self._client = httpx.AsyncClient(
            headers=_HEADERS, timeout=httpx.Timeout(timeout_s, connect=timeout_s / 2)
        )

    def missing(self) -> str:
        return ""

    def languages(self) -> tuple[str, ...]:
        return tuple(sorted(self._known))

    def speaks(self, language: str) -> bool:
        return self._code(language) is not None

    async def prepare(self) -> None:
        """Do nothing: the first request opens the connection."""

    async def speak(self, utterance: Utterance) -> Spoken:
        settings = utterance.settings
        code = self._code(settings.language)
        if code is None:
            raise VoiceFailedError(f"gTTS does not speak {settings.language!r}")
        if not self._base_url and settings.accent not in ACCENTS:
            known = ", ".join(sorted(ACCENTS))
            raise VoiceFailedError(f"gTTS has no accent {settings.accent!r}; choose one of {known}")
        url = self._base_url or f"https://translate.google.{settings.accent}"
        pieces: list[NDArray[np.int16]] = []
        # the service refuses what has nothing to say
        for part in parts_of(utterance.text) if _is_speakable(utterance.text) else []:
            body = _body(part, code, slow=settings.speed < SLOW_BELOW)
            answer = await self._post(f"{url}/_/TranslateWebserverUi/data/batchexecute", body)
            pieces.append(await asyncio.to_thread(_samples, answer))
        samples = np.concatenate(pieces) if pieces else np.zeros(0, np.int16)
        return Spoken(
            samples=samples,
            rate_hz=RATE_HZ,
            voice=self.name,
            gain_db=self._gain.gain_db(samples, RATE_HZ),
        )

    async def close(self) -> None:
        await self._client.aclose()

    def _code(self, language: str) -> str | None:
        """Return the service's name for a language tag, or for its language without region."""
        known = {code.lower(): code for code in self._known}
        tag = language.lower()
        return known.get(tag) or known.get(tag.partition("-")[0])

    async def _post(self, url: str, body: str) -> str:
        try:
            async for attempt in tries(self._tries, FIRST_WAIT_S):
                with attempt:
                    await self._wait_for_turn()
                    async with self._client.stream("POST", url, content=body) as response:
                        await check_status(response)
                        answer = await bounded_body(response.aiter_bytes(), _MAX_ANSWER_BYTES)
                        return answer.decode(errors="replace")
        except RefusedError as error:
            raise VoiceFailedError(f"gTTS refuses: {error}") from None
        except TooLongError as error:
            raise VoiceFailedError(f"gTTS answered {error}") from None
        except (BusyError, httpx.TransportError) as error:
            raise VoiceUnreachableError(f"gTTS does not answer now: {described(error)}") from None
        raise AssertionError("the last try returns or raises")

    async def _wait_for_turn(self) -> None:
        now_s = time.monotonic()
        turn_s = max(now_s, self._next_s)
        self._next_s = turn_s + self._spacing_s
        await asyncio.sleep(turn_s - now_s)


def parts_of(text: str) -> list[str]:
    """Cut a text into parts of at most 100 characters, between words where that is possible."""
    parts: list[str] = []
    for word in text.split():
        for start in range(0, len(word), MAX_PART_CHARS):
            piece = word[start : start + MAX_PART_CHARS]
            if start == 0 and parts and len(parts[-1]) + 1 + len(piece) <= MAX_PART_CHARS:
                parts[-1] = f"{parts[-1]} {piece}"
            else:
                parts.append(piece)
    return parts


def _is_speakable(text: str) -> bool:
    return any(char.isalnum() for char in text)


def _whole(text: str) -> list[str]:
    return [text]


def _body(text: str, code: str, *, slow: bool) -> str:
    """Return a request's body as gTTS makes it, without its preprocessing, which damages text."""
    request = gTTS(
        text,
        lang=code,
        slow=slow,
        lang_check=False,
        pre_processor_funcs=[],
        tokenizer_func=_whole,
    )
    bodies: list[str] = request.get_bodies()  # pyright: ignore[reportUnknownVariableType]  # untyped
    (body,) = bodies
    return body


def _samples(answer: str) -> NDArray[np.int16]:
    """Return the audio of an answer at 24 kHz, without the silence that MP3 adds at both ends.

    Raises:
        VoiceUnreachableError: there is none, or it is broken; both happen and pass.
    """
    found = _audio.search(answer)
    if found is None:
        raise VoiceUnreachableError("gTTS answered without audio")
    try:
        samples, rate_hz = decode(base64.b64decode(found.group(1), validate=True))
    except (AudioFormatError, binascii.Error) as error:
        raise VoiceUnreachableError(f"gTTS sent broken audio: {error}") from None
    trimmed = pcm.trim_edges(samples, rate_hz, keep_s=_KEEP_EDGE_S)
    return pcm.resample(trimmed, rate_hz, RATE_HZ)
