"""What a word may mean that carries a request, by how it sounds."""

from dataclasses import dataclass
from functools import lru_cache

from .folding import plain_words, sounds_of, stem
from .titles import Kind
from .vocabulary_themes import CATEGORIES, MOODS
from .vocabulary_words import (
    ANYTHING,
    CARRIERS,
    KINDS,
    LANGUAGES,
    MUSIC_VERBS,
    RECOMMENDING,
    STORY_VERBS,
)


@dataclass(frozen=True, slots=True)
class Word:
    """What a word may mean at the ends of a request."""

    is_carrier: bool = False
    is_anything: bool = False
    kind: Kind | None = None
    verb_kind: Kind | None = None
    language: str = ""
    category: str = ""
    mood: str = ""

    def is_any(self) -> bool:
        """Tell whether it may stand for anything but a title."""
        return bool(self.is_carrier or self.kind or self.language or self.category or self.mood)


_CARRIERS = frozenset[str]().union(*(sounds_of(words) for words in CARRIERS.values()))
ADVICE = sounds_of(RECOMMENDING)
"""Sounds of words that ask for what the listener may like."""
_ANYTHING = sounds_of(ANYTHING) | ADVICE
_KINDS: tuple[tuple[Kind, frozenset[str]], ...] = (
    ("music", sounds_of(KINDS["music"])),
    ("story", sounds_of(KINDS["story"])),
)
_VERB_KINDS: tuple[tuple[Kind, frozenset[str]], ...] = (
    ("music", sounds_of(MUSIC_VERBS)),
    ("story", sounds_of(STORY_VERBS)),
)
_LANGUAGES = {key: code for code, words in LANGUAGES.items() for key in sounds_of(words)}
_MOODS = {key: mood for mood, words in MOODS.items() for key in sounds_of(words)}
THEMES = {
    theme: frozenset(stem(key) for key in sounds_of(words)) for theme, words in CATEGORIES.items()
}
"""Categories by their canonical names -> stems of the words that say them."""
_CATEGORIES = {key: theme for theme, stems in THEMES.items() for key in stems}
SPELLINGS = frozenset(
    spelled
    for table in (CARRIERS, KINDS, LANGUAGES, MOODS, CATEGORIES)
    for listed in (*table.values(), ANYTHING, RECOMMENDING)
    for word in listed.split()
    for spelled in plain_words(word)
)
"""Every listed word, as it is spelled."""


@lru_cache(maxsize=20_000)
def meaning_of(sounded: str) -> Word:
    """Return what a word may mean that sounds so."""
    kinds: list[Kind] = [kind for kind, words in _KINDS if sounded in words]
    verb_kinds: list[Kind] = [kind for kind, words in _VERB_KINDS if sounded in words]
    return Word(
        is_carrier=sounded in _CARRIERS or sounded in _ANYTHING,
        is_anything=sounded in _ANYTHING,
        kind=kinds[0] if kinds else None,
        verb_kind=verb_kinds[0] if verb_kinds else None,
        language=_LANGUAGES.get(sounded, ""),
        category=_CATEGORIES.get(stem(sounded), ""),
        mood=_MOODS.get(sounded, ""),
    )
