"""When each written word sounds, from the times of its phonemes."""

import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import pairwise

from ...codecs.records import Word


@dataclass(frozen=True, slots=True)
class Sound:
    """One phoneme and when it sounds, in seconds."""

    phoneme: str
    start_s: float
    end_s: float


def timed_words(
    text: str, sounds: list[Sound], phonemes_of: Callable[[str], str]
) -> tuple[Word, ...]:
    """Return the text's words with their times; empty if words and sounds cannot be matched.

    An engine runs some words together ("of the") and speaks others as several ("42"), so the spaces
    between phonemes do not count words: the phonemes of each word alone are aligned with those that
    were spoken.
    """
    voiced = [sound for sound in sounds if _letters(sound.phoneme)]
    written = [word for word in text.split() if any(char.isalnum() for char in word)]
    phonemes_of_words = [_letters(phonemes_of(word)) for word in written]
    if not voiced or not written or not all(phonemes_of_words):
        return ()
    spoken = "".join(_letters(sound.phoneme)[0] for sound in voiced)
    positions = _aligned(spoken, "".join(phonemes_of_words))
    words: list[Word] = []
    first = 0
    for word, phonemes in zip(written, phonemes_of_words, strict=True):
        start, end = positions[first], positions[first + len(phonemes)]
        first += len(phonemes)
        if end <= start:
            return ()
        words.append(Word(word, voiced[start].start_s, voiced[end - 1].end_s))
    return tuple(words)


def _letters(phonemes: str) -> str:
    """Return the phonemes that sound, without stress, length and punctuation marks."""
    return "".join(char for char in phonemes if unicodedata.category(char) in ("Ll", "Lu", "Lo"))


def _aligned(spoken: str, expected: str) -> list[int]:
    """Return, for each position in ``expected`` and its end, the matching one in ``spoken``.

    Between matching runs, positions are spread evenly.
    """
    blocks = SequenceMatcher(None, expected, spoken, autojunk=False).get_matching_blocks()
    known = [(0, 0)]
    for block in blocks:
        known += [(block.a, block.b), (block.a + block.size, block.b + block.size)]
    known[-1] = (len(expected), len(spoken))
    positions: list[int] = []
    for (a, b), (next_a, next_b) in pairwise(known):
        positions += [b + (next_b - b) * step // (next_a - a) for step in range(next_a - a)]
    return [*positions, len(spoken)]
