"""espeak-ng in this process, through ctypes (``speak_lib.h`` of espeak-ng 1.52)."""

import ctypes
import importlib
import itertools
import threading
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .voice import VoiceFailedError, VoiceUnavailableError

_SYNCHRONOUS = 2  # espeak_AUDIO_OUTPUT
_DO_NOT_EXIT = 0x8000
_RATE = 1  # espeak_PARAMETER
_BY_CHARACTER = 1  # espeak_POSITION_TYPE
_UTF8 = 1
_LIST_END, _WORD = 0, 1  # espeak_EVENT_TYPE
_TAGS = {"zh": "cmn", "zh-hk": "yue", "en": "en-us"}
"""Language tags for which espeak-ng has another name, or another standard."""


class _Event(ctypes.Structure):
    _fields_ = (
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position_ms", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", ctypes.c_char * 8),
    )


class _Voice(ctypes.Structure):
    _fields_ = (
        ("name", ctypes.c_char_p),
        ("languages", ctypes.c_void_p),
        ("identifier", ctypes.c_char_p),
        ("gender", ctypes.c_ubyte),
        ("age", ctypes.c_ubyte),
        ("variant", ctypes.c_ubyte),
        ("xx1", ctypes.c_ubyte),
        ("score", ctypes.c_int),
        ("spare", ctypes.c_void_p),
    )


_Callback = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event)
)


@dataclass(frozen=True, slots=True)
class WordEvent:
    """Where a word begins."""

    start_char: int
    """Offset in the text, in characters."""
    sample: int
    """Offset in the audio, in samples."""


class EspeakLibrary:
    """The library. A process can have only one, because it keeps its state in globals."""

    def __init__(self, library_path: str, data_path: str) -> None:
        self._library: Any = ctypes.CDLL(library_path)
        self._lock = threading.Lock()
        self._samples: list[NDArray[np.int16]] = []
        self._events: list[WordEvent] = []
        self._callback = _Callback(self._receive)
        self.rate_hz: int = self._library.espeak_Initialize(
            _SYNCHRONOUS, 0, data_path.encode(), _DO_NOT_EXIT
        )
        if self.rate_hz <= 0:
            raise VoiceUnavailableError(
                f"espeak-ng finds no data in {data_path}: reinstall with "
                "pip install --force-reinstall espeakng-loader"
            )
        self._library.espeak_SetSynthCallback(self._callback)
        self._voices = self._list_voices(Path(data_path))

    def language(self, tag: str) -> str | None:
        """Return espeak-ng's name for a BCP 47 tag, or for its language without region."""
        tag = tag.lower()
        for candidate in (tag, tag.partition("-")[0]):
            name = _TAGS.get(candidate, candidate)
            if name in self._voices:
                return name
        return None

    def languages(self) -> tuple[str, ...]:
        """Return the language tags it has a voice for, sorted."""
        return tuple(sorted(self._voices))

    def speak(
        self, text: str, language: str, words_per_minute: int
    ) -> tuple[NDArray[np.int16], list[WordEvent]]:
        """Return the samples at ``rate_hz``, and where each word begins.

        The same text gives slightly different samples each time: the library's noise and phases
        continue from call to call.

        Args:
            text: What `speakable` returned; others can make the library write past its buffers.
            language: What ``language()`` returned.
            words_per_minute: Rate of speech; 175 is normal.

        Raises:
            VoiceFailedError: the library refuses the text.
        """
        data = text.encode()
        with self._lock:
            self._samples, self._events = [], []
            status = self._library.espeak_SetVoiceByName(self._voices[language])
            self._library.espeak_SetParameter(_RATE, words_per_minute, 0)
            status = status or self._library.espeak_Synth(
                data, ctypes.c_size_t(len(data) + 1), 0, _BY_CHARACTER, 0, _UTF8, None, None
            )
            samples, events = self._samples, self._events
        if status != 0:
            raise VoiceFailedError(f"espeak-ng refuses the text (status {status})")
        return np.concatenate(samples) if samples else np.zeros(0, np.int16), events

    def _receive(self, wave: Any, count: int, events: Any) -> int:
        if wave and count > 0:
            self._samples.append(np.ctypeslib.as_array(wave, (count,)).copy())
        index = 0
        while events[index].type != _LIST_END:
            event = events[index]
            if event.type == _WORD:
                self._events.append(WordEvent(event.text_position - 1, event.sample))
            index += 1
        return 0

    def _list_voices(self, data: Path) -> dict[str, bytes]:
        """Return the best voice file for each language tag.

        A voice has a list of tags, each a priority byte (lower is better), the tag and a NUL; a
        zero byte ends the list. Voices whose dictionary is not among the data are left out.
        """
        self._library.espeak_ListVoices.restype = ctypes.POINTER(ctypes.POINTER(_Voice))
        voices = self._library.espeak_ListVoices(None)
        found: dict[str, tuple[int, bytes]] = {}
        for index in itertools.count():
            if not voices[index]:
                return {tag: identifier for tag, (_, identifier) in found.items()}
            voice = voices[index].contents
            identifier: bytes = voice.identifier
            language = identifier.decode().rpartition("/")[2].partition("-")[0]
            address: int = voice.languages
            while (priority := ctypes.c_ubyte.from_address(address).value) != 0:
                tag = ctypes.string_at(address + 1)
                address += len(tag) + 2
                best, _ = found.get(tag.decode().lower(), (priority + 1, b""))
                if priority < best and (data / f"{language}_dict").is_file():
                    found[tag.decode().lower()] = (priority, identifier)
        raise AssertionError("itertools.count() ends")


@cache
def espeak_library() -> EspeakLibrary:
    """Return the library of this process; the first call loads it, which takes about 5 ms.

    Raises:
        VoiceUnavailableError: it is not installed, or cannot be loaded.
    """
    try:
        loader: Any = importlib.import_module("espeakng_loader")
    except ImportError:
        raise VoiceUnavailableError(
            "espeak-ng is not installed: pip install 'rhapsode[espeak]'"
        ) from None
    try:
        return EspeakLibrary(loader.get_library_path(), loader.get_data_path())
    except (OSError, RuntimeError) as error:
        raise VoiceUnavailableError(
            f"espeak-ng cannot be loaded ({error}): reinstall with "
            "pip install --force-reinstall espeakng-loader"
        ) from None
