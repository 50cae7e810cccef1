"""Titles by kind, language, category and mood, and which of them comes next for a listener."""

from collections.abc import Callable, Collection, Sequence
from zlib import crc32

import numpy as np
import numpy.typing as npt

from .folding import plain_words, sound, sounds_of, stem
from .request import Slots
from .titles import Title
from .vocabulary_themes import MOOD_SIGNS
from .words import THEMES

Allow = Callable[[Title], bool]
Pool = npt.NDArray[np.int64]

_REMEMBERED = 50
"""How much of the history changes what comes next."""
_SIGNS = {
    **THEMES,
    **{
        mood: frozenset(stem(key) for key in sounds_of(words)) for mood, words in MOOD_SIGNS.items()
    },
}
for _theme in THEMES.keys() & MOOD_SIGNS.keys():
    _SIGNS[_theme] = _SIGNS[_theme] | THEMES[_theme]
_BITS = {theme: 1 << place for place, theme in enumerate(sorted(_SIGNS))}
_BITS_OF_STEM: dict[str, int] = {}
for _theme, _stems in _SIGNS.items():
    for _stem in _stems:
        _BITS_OF_STEM[_stem] = _BITS_OF_STEM.get(_stem, 0) | _BITS[_theme]


class Shelves:
    """Titles (ordered by object) by what they are."""

    def __init__(self, titles: Sequence[Title]) -> None:
        self._titles = titles
        self._kinds = np.array([title.kind == "story" for title in titles], np.bool_)
        self._languages, self._language_of = _numbered([title.language for title in titles])
        self._categories, self._category_of = _numbered([title.category for title in titles])
        self._signs = np.array([_signs(title) for title in titles], np.int64)
        self._resolved = _resolved(self._categories)

    def is_of_category(self, number: int, category: str) -> bool:
        """Return whether a title stands in a category, named as the catalogue or we name it."""
        return self._titles[number].category in self._names_of(category)

    def pool(self, slots: Slots, language: str) -> tuple[Pool, str]:
        """Return the numbers of the titles that fit, and what was not insisted on, in a sentence.

        Kind, language and category are insisted on; a mood that no title shows and the listener's
        own language are not.
        """
        fits = np.ones(len(self._titles), np.bool_)
        if slots.kind:
            fits &= self._kinds == (slots.kind == "story")
        if slots.language:
            fits &= self._language_of == self._languages.get(slots.language, -1)
        if slots.category:
            fits &= self._in_category(slots.category)
        remark = ""
        if slots.mood and slots.mood != slots.category:
            shown = fits & (self._signs & _BITS[slots.mood] != 0)
            if shown.any():
                fits = shown
            else:
                remark = f"no title shows that it is {slots.mood}, so any may come"
        if language and not slots.language:
            # the listener's own, else titles of no language that is known, before foreign ones
            for code in (language.partition("-")[0], ""):
                own = self._language_of == self._languages.get(code, -1)
                if (fits & own).any():
                    fits &= own
                    break
        return np.flatnonzero(fits), remark

    def _in_category(self, category: str) -> npt.NDArray[np.bool_]:
        names = self._names_of(category)
        numbers = [number for name, number in self._categories.items() if name in names]
        stands = np.isin(self._category_of, numbers)
        if stands.any() or category not in _BITS:
            return stands
        return self._signs & _BITS[category] != 0

    def _names_of(self, category: str) -> frozenset[str]:
        return self._resolved.get(category, frozenset()) | {category}

    def choose(
        self, pool: Pool, count: int, heard: Sequence[str], allow: Allow | None, seed: str
    ) -> tuple[Title, ...]:
        """Return up to ``count`` titles of a pool, those not heard first, the same each time.

        Where all were heard, the one longest ago comes first. ``heard`` is the history, oldest
        first; ``seed`` is what else the choice depends on.
        """
        known = set(heard)
        chosen: dict[str, Title] = {}
        history = "\n".join(heard[-_REMEMBERED:])
        for turn in range(min(count, len(pool))):
            start = crc32(f"{turn}\n{seed}\n{history}".encode(errors="replace"))
            title = self._first_fresh(pool, start, known | chosen.keys(), allow)
            if title is None:
                break
            chosen[title.object] = title
        if len(chosen) < count:
            for title in self._longest_ago(pool, heard, allow):
                chosen.setdefault(title.object, title)
                if len(chosen) >= count:
                    break
        return tuple(chosen.values())

    def _first_fresh(
        self, pool: Pool, start: int, known: Collection[str], allow: Allow | None
    ) -> Title | None:
        for step in range(len(pool)):
            title = self._titles[int(pool[(start + step) % len(pool)])]
            if title.object not in known and (allow is None or allow(title)):
                return title
        return None

    def _longest_ago(self, pool: Pool, heard: Sequence[str], allow: Allow | None) -> list[Title]:
        numbers: list[int] = pool.tolist()
        fitting = {self._titles[each].object: self._titles[each] for each in numbers}
        last_first = dict.fromkeys(reversed(heard))
        objects = [each for each in reversed(last_first) if each in fitting]
        return [fitting[each] for each in objects if allow is None or allow(fitting[each])]


def _numbered(values: Sequence[str]) -> tuple[dict[str, int], npt.NDArray[np.int32]]:
    numbers = {value: number for number, value in enumerate(sorted(set(values)))}
    return numbers, np.array([numbers[value] for value in values], np.int32)


def _signs(title: Title) -> int:
    bits = 0
    for text in {title.category, title.title, title.romanized, *title.alternatives}:
        for word in plain_words(text):
            bits |= _BITS_OF_STEM.get(stem(sound(word)), 0)
    return bits


def _resolved(categories: Collection[str]) -> dict[str, frozenset[str]]:
    """Return our names of categories -> the catalogue's own that mean the same."""
    stems = {
        each: frozenset(stem(sound(word)) for word in plain_words(each)) for each in categories
    }
    found: dict[str, frozenset[str]] = {}
    for theme, words in THEMES.items():
        same = frozenset(each for each, own in stems.items() if own and own <= words)
        if same:
            found[theme] = same
    return found
