"""espeak-ng: a robotic voice in 115 languages that answers within milliseconds; the fallback."""

import asyncio
from itertools import accumulate, pairwise

import numpy as np

from ...codecs.records import Word
from .espeak_library import WordEvent, espeak_library
from .voice import Spoken, Utterance, VoiceFailedError, VoiceUnavailableError

GAIN_DB = 4.8
"""American English: -20.9 LUFS over a story of 92 s, -21.0 over 25 s; other languages lie between
-18.7 and -21.7."""
MAX_CHARS = 2_000
WORDS_PER_MINUTE = 175
"""espeak-ng's own rate, at speed 1."""


class EspeakVoice:
    """espeak-ng with its standard voice of each language."""

    name = "espeak"

    def missing(self) -> str:
        try:
            espeak_library()
        except VoiceUnavailableError as error:
            return str(error)
        return ""

    def languages(self) -> tuple[str, ...]:
        return () if self.missing() else espeak_library().languages()

    def speaks(self, language: str) -> bool:
        return not self.missing() and espeak_library().language(language) is not None

    async def prepare(self) -> None:
        await asyncio.to_thread(espeak_library)

    async def speak(self, utterance: Utterance) -> Spoken:
        return await asyncio.to_thread(_speak, utterance)

    async def close(self) -> None:
        """Do nothing: the library (5 MB) stays with the process."""


def _speak(utterance: Utterance) -> Spoken:
    library = espeak_library()
    settings = utterance.settings
    language = library.language(settings.language)
    if language is None:
        raise VoiceFailedError(f"espeak-ng does not speak {settings.language!r}")
    if len(utterance.text) > MAX_CHARS:
        raise VoiceFailedError(
            f"{len(utterance.text)} characters are more than {MAX_CHARS}: split the text"
        )
    samples, events = library.speak(
        utterance.text, language, round(WORDS_PER_MINUTE * settings.speed)
    )
    audible = any(char.isalnum() for char in utterance.text) or bool(np.any(samples))
    return Spoken(
        samples=samples if audible else np.zeros(0, np.int16),
        rate_hz=library.rate_hz,
        voice=EspeakVoice.name,
        gain_db=GAIN_DB,
        words=timed_words(utterance.text, events, len(samples) / library.rate_hz, library.rate_hz),
    )


def timed_words(
    text: str, events: list[WordEvent], length_s: float, rate_hz: int
) -> tuple[Word, ...]:
    """Return the written words with their times.

    A number has several events, of which the first counts. Short words that are spoken as one ("of
    the") have one event together, and share its time in proportion to their letters.
    """
    starts: list[tuple[str, float | None]] = []
    end = 0
    for written in text.split():
        start = text.index(written, end)
        end = start + len(written)
        inside = [event.sample for event in events if start <= event.start_char < end]
        if any(char.isalnum() for char in written):
            starts.append((written, inside[0] / rate_hz if inside else None))
    words: list[Word] = []
    while starts:
        group = [starts.pop(0)]
        while starts and starts[0][1] is None:
            group.append(starts.pop(0))
        end_s = next((start_s for _, start_s in starts if start_s is not None), length_s)
        words += _shared([word for word, _ in group], group[0][1] or 0.0, end_s)
    return tuple(words)


def _shared(words: list[str], start_s: float, end_s: float) -> list[Word]:
    letters = list(accumulate(map(len, words), initial=0))
    # an edge is worked out once, and the last is the next group's own: a sum in steps can land
    # a rounding error behind it
    edges_s = [start_s + (end_s - start_s) * count / letters[-1] for count in letters[:-1]]
    edges_s.append(end_s)
    return [Word(word, *times_s) for word, times_s in zip(words, pairwise(edges_s), strict=True)]
