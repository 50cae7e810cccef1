"""espeak-ng in process: about 100 languages, instant, robotic; the voice that never fails."""

import asyncio
import ctypes
import functools
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..codecs.records import Word
from .voice import Spoken, Utterance, VoiceFailedError, VoiceUnavailableError

GAIN_DB = 3.1
"""Measured over 60 s of an English story at 175 words a minute: -19.1 LUFS."""
WORDS_PER_MINUTE = 165
_AUDIO_OUTPUT_SYNCHRONOUS = 2
_INITIALIZE_DONT_EXIT = 0x8000
_CHARS_UTF8 = 1
_RATE = 1
_EVENT_END = 0
_EVENT_WORD = 1
_ALIASES = {"zh": "cmn", "zh-cn": "cmn", "zh-tw": "cmn", "nb": "nb", "no": "nb", "en": "en-us"}


class _Event(ctypes.Structure):
    """``espeak_EVENT`` of speak_lib.h."""

    _fields_ = (
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", ctypes.c_char * 8),
    )


_CALLBACK = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event)
)


@dataclass(slots=True)
class _Heard:
    pieces: list[bytes] = field(default_factory=list[bytes])
    words: list[tuple[int, int, int]] = field(default_factory=list[tuple[int, int, int]])
    """(first character, from 1; characters; milliseconds)."""


class _Library:
    """The one espeak-ng of the process; it keeps global state, so one call at a time."""

    def __init__(self) -> None:
        try:
            import espeakng_loader  # noqa: PLC0415 - an extra
        except ImportError:
            raise VoiceUnavailableError(
                "espeak-ng is not installed: pip install 'rhapsode[espeak]'"
            ) from None
        self._library: Any = ctypes.CDLL(espeakng_loader.get_library_path())
        data = espeakng_loader.get_data_path().encode()
        self.rate_hz: int = self._library.espeak_Initialize(
            _AUDIO_OUTPUT_SYNCHRONOUS, 0, data, _INITIALIZE_DONT_EXIT
        )
        if self.rate_hz <= 0:
            raise VoiceUnavailableError("espeak-ng could not read its data: install it again")
        self._heard = _Heard()
        self._callback = _CALLBACK(self._hear)  # kept, or it would be collected while in use
        self._library.espeak_SetSynthCallback(self._callback)

    def _hear(self, samples: Any, count: int, events: Any) -> int:
        if samples and count > 0:
            self._heard.pieces.append(ctypes.string_at(samples, 2 * count))
        at = 0
        while events[at].type != _EVENT_END:
            event = events[at]
            if event.type == _EVENT_WORD:
                self._heard.words.append((event.text_position, event.length, event.audio_position))
            at += 1
        return 0

    def has(self, name: str) -> bool:
        return self._library.espeak_SetVoiceByName(name.encode()) == 0

    def speak(self, text: str, name: str, words_per_minute: int) -> _Heard:
        if not self.has(name):
            raise VoiceFailedError(f"espeak-ng has no voice for the language {name!r}")
        self._heard = _Heard()
        self._library.espeak_SetParameter(_RATE, words_per_minute, 0)
        data = text.encode()
        status = self._library.espeak_Synth(data, len(data) + 1, 0, 1, 0, _CHARS_UTF8, None, None)
        if status != 0:
            raise VoiceFailedError(f"espeak-ng could not speak this text (status {status})")
        self._library.espeak_Synchronize()
        return self._heard


@functools.cache
def _library() -> _Library:
    return _Library()


class EspeakVoice:
    """Speaks any language espeak-ng knows, with word times."""

    name = "espeak"

    def __init__(self) -> None:
        self._lock = asyncio.Lock()

    def speaks(self, language: str) -> bool:
        try:
            return _library().has(_voice_name(language))
        except VoiceUnavailableError:
            return False

    async def prepare(self) -> None:
        await asyncio.to_thread(_library)

    async def speak(self, utterance: Utterance) -> Spoken:
        settings = utterance.settings
        async with self._lock:
            library = await asyncio.to_thread(_library)
            heard = await asyncio.to_thread(
                library.speak,
                utterance.text,
                _voice_name(settings.language),
                round(WORDS_PER_MINUTE * settings.speed),
            )
        samples = np.frombuffer(b"".join(heard.pieces), np.int16)
        return Spoken(
            samples=samples,
            rate_hz=library.rate_hz,
            voice=self.name,
            gain_db=GAIN_DB,
            words=_words(utterance.text, heard, len(samples) / library.rate_hz),
        )

    async def close(self) -> None:
        """Hold nothing that the process does not share."""


def _voice_name(language: str) -> str:
    lowered = language.lower()
    return _ALIASES.get(lowered, lowered)


def _words(text: str, heard: _Heard, seconds: float) -> tuple[Word, ...]:
    starts = [start_ms / 1000 for _, _, start_ms in heard.words]
    ends = [*starts[1:], seconds]
    return tuple(
        Word(text[position - 1 : position - 1 + length], start, end)
        for (position, length, _), start, end in zip(heard.words, starts, ends, strict=False)
    )
