"""The names that titles go by, each once, with the titles that have it and how rare its words are.

A name is kept as its words' sounds: what titles share ("nursery rhyme") is kept once.
"""

import math
from collections.abc import Iterator, Sequence
from itertools import accumulate
from pathlib import PurePosixPath

import numpy as np

from .folding import is_native, plain_words, skeleton, sound, sounds_of
from .index import TrigramIndex
from .titles import Title

MAX_NAME_WORDS = 20
_SMALL_WORDS = sounds_of(
    "the a an of and or to in on at for is it my me you i we with by from "
    "ka ki ke ko se mein aur hai na re o e te ni ra la yo ye wo"
)
_SMALL_WEIGHT = 0.4
_SMALLEST_COLLECTION = 200
"""Below so many names, how often a word comes says little about how rare it is."""


class Names:
    """All names of a catalogue's titles, by number."""

    def __init__(self, titles: Sequence[Title]) -> None:
        owners: dict[str, list[int]] = {}
        scripts: dict[str, int] = {}
        spellings: dict[str, str] = {}
        for number, title in enumerate(titles):
            for text, is_main in _texts(title):
                words = plain_words(text)[:MAX_NAME_WORDS]
                key = " ".join(sound(word) for word in words)
                if not key:
                    continue
                owned = owners.setdefault(key, [])
                if not owned or owned[-1] >> 1 != number:
                    owned.append(number << 1 | is_main)
                spellings.setdefault(key, " ".join(words))
                scripts[key] = scripts.get(key, 0) | (2 if is_native(text) else 1)
        self._keys = list(owners)
        self._spellings = list(spellings.values())
        self._starts = np.array([0, *accumulate(map(len, owners.values()))], np.int64)
        self._owners = np.array([each for owned in owners.values() for each in owned], np.int64)
        self._scripts = bytes(scripts.values())
        self._weights = _word_weights(self._keys)
        self._unknown = _weight(0, len(self._keys))
        self._by_sound = TrigramIndex(self._keys)
        self._by_bones = TrigramIndex([_bones(key) for key in self._keys])

    def __getitem__(self, name: int) -> str:
        return self._keys[name]

    def spelling(self, name: int) -> str:
        """Return the words (plain) of which the name is the sounds."""
        return self._spellings[name]

    def owners(self, name: int) -> list[tuple[int, bool]]:
        """Return the numbers of the titles with this name, and whether it is their title."""
        owned = self._owners[self._starts[name] : self._starts[name + 1]]
        return [(int(each) >> 1, bool(each & 1)) for each in owned]

    def nearest(self, sounds: str, count: int) -> list[int]:
        """Return the names whose sound is nearest."""
        return self._by_sound.nearest(sounds, count)

    def nearest_bones(self, sounds: str, count: int) -> list[int]:
        """Return the names whose consonants are nearest."""
        return self._by_bones.nearest(_bones(sounds), count)

    def listed(self) -> Iterator[tuple[str, bool]]:
        """Yield each name, and whether it is somewhere the title."""
        for name, key in enumerate(self._keys):
            yield key, any(is_main for _, is_main in self.owners(name))

    def was_written(self, name: int, *, native: bool) -> bool:
        """Return whether the name was written in a script other than Latin, or in Latin."""
        return bool(self._scripts[name] & (2 if native else 1))

    def weight(self, word: str) -> float:
        """Return how rare a word (its sound) is among the names, about 0.4 to 12."""
        return self._weights.get(word, self._unknown)


def _texts(title: Title) -> list[tuple[str, bool]]:
    """Return the title's names, the main ones first."""
    file = PurePosixPath(title.object).stem
    return [
        (title.title, True),
        (title.romanized, True),
        *((each, False) for each in title.alternatives),
        (file, False),
    ]


def _bones(key: str) -> str:
    return " ".join(skeleton(word) for word in key.split(" "))


def _word_weights(keys: Sequence[str]) -> dict[str, float]:
    frequencies: dict[str, int] = {}
    for key in keys:
        for word in set(key.split(" ")):
            frequencies[word] = frequencies.get(word, 0) + 1
    found = {word: _weight(count, len(keys)) for word, count in sorted(frequencies.items())}
    found.update(dict.fromkeys(sorted(_SMALL_WORDS), _SMALL_WEIGHT))
    return found


def _weight(count: int, names: int) -> float:
    return round(math.log(1 + max(names, _SMALLEST_COLLECTION) / (count + 1)), 3)
