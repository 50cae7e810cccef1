"""When each written word sounds, from the times of phonemes."""

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
    """Return the text's words with their times; empty where the sounds cannot be told apart.

    An engine runs words together ("of the") and says others in several ("42"), so spaces between
    phonemes do not count words: each word's own phonemes are laid along those that were spoken.
    """
    voiced = [sound for sound in sounds if _letters(sound.phoneme)]
    written = [word for word in text.split() if any(char.isalnum() for char in word)]
    alone = [_letters(phonemes_of(word)) for word in written]
    if not voiced or not written or not all(alone):
        return ()
    said = "".join(_letters(sound.phoneme)[0] for sound in voiced)
    places = _places(said, "".join(alone))
    words: list[Word] = []
    first = 0
    for word, phonemes in zip(written, alone, strict=True):
        start, end = places[first], places[first + len(phonemes)]
        first += len(phonemes)
        if end <= start:
            return ()
        words.append(Word(word, voiced[start].start_s, voiced[end - 1].end_s))
    return tuple(words)


def _letters(phonemes: str) -> str:
    """Return the phonemes that sound, without stress, length and punctuation."""
    return "".join(char for char in phonemes if unicodedata.category(char) in ("Ll", "Lu", "Lo"))


def _places(said: str, expected: str) -> list[int]:
    """Return, for each place in ``expected`` and for its end, the matching place in ``said``.

    Between matching runs places are spread evenly.
    """
    blocks = SequenceMatcher(None, expected, said, autojunk=False).get_matching_blocks()
    known = [(0, 0)]
    for block in blocks:
        known += [(block.a, block.b), (block.a + block.size, block.b + block.size)]
    known[-1] = (len(expected), len(said))
    places: list[int] = []
    for (a, b), (next_a, next_b) in pairwise(known):
        places += [b + (next_b - b) * step // (next_a - a) for step in range(next_a - a)]
    return [*places, len(said)]
