"""How well a title's name meets a request, 0 to 100.

Three views, each fooled by something else: the letters as a whole (fooled by short words), the
share of the request's words that the name has (fooled by long requests of small words), and the
share of the name's words that were said (fooled by one-word names).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from rapidfuzz import fuzz
from rapidfuzz.distance import OSA

from .folding import skeleton
from .numerals import numbers_of, unspoken
from .request import Request
from .vocabulary_numbers import NUMBERS

_LETTERS_SHARE, _ASKED_SHARE, _NAME_SHARE = 0.5, 0.3, 0.2
_EXCHANGED = 0.25
"""What a word counts against a name that was said instead of one it has: another title's mark."""
_LEAST_LIKE = 60.0
"""Words less alike than this (of 100) are different words."""
_SHORT, _LEAST_LIKE_SHORT = 3, 85.0
"""In letters, and what words so short have to be."""
_LEAST_LIKE_NUMBER = 0.7
_NUMBER_WORDS = {digits: words.split()[0] for digits, words in NUMBERS.items()}
_DISTRUST = 1.5
"""Words half alike are less than half as likely to be the same."""
_CONSONANTS_SHARE = 0.65
"""Of consonants and sounds, where one was written in another script: its vowels say less."""
_LEAST_CONSONANTS = 3
_MISHEARD = 0.95
"""What sounds are worth that only a recogniser takes for each other."""
_LOOSE = str.maketrans("bdgzjcfveormy", "ptksssppiulni")
"""One letter for what is misheard: voicing, labials, near vowels, liquids, nasals."""
_SMALL_WORD = 0.5
"""Words of less weight are "the" and "of"; they do not count where words are counted."""
_JOINED_LIKE, _WHOLE_LIKE = 0.86, 0.92
"""Letters so much alike cover each other: cut into more or fewer words, or into as many."""

_MOST_BY_LETTERS, _MOST_BY_PLACE = 14, 6

WordWeight = Callable[[str], float]


@dataclass(frozen=True, slots=True)
class Name:
    """A name of titles as requests are compared with it."""

    sounds: str
    """Its words' sounds, spaces between."""
    spelling: str
    """The same words as they are spelled."""
    other_script: bool
    """Whether the request is written in another script, so that they may meet by consonants."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as names are compared with it; made once for all of them."""

    request: Request
    readings: tuple[str, ...]
    """All words, without the carriers in front, without those behind, and the core alone."""
    joined: tuple[str, ...]
    bones: str
    """Consonants of the core."""
    core: tuple[str, ...]
    numbers: frozenset[tuple[str, str]]


def asked(request: Request) -> Asked:
    """Return the request with what scoring needs of it."""
    start, end = request.core
    spans = ((start, end), (start, len(request.sounds)), (0, end), (0, len(request.sounds)))
    kept = (request.sounds[first:last] for first, last in spans if first < last)
    readings = tuple(dict.fromkeys(" ".join(words) for words in kept))
    return Asked(
        request,
        readings,
        tuple(reading.replace(" ", "") for reading in readings),
        "".join(skeleton(word) for word in request.sounds[start:end]),
        request.sounds[start:end],
        numbers_of(request.words),
    )


def scores(wanted: Asked, names: Sequence[Name], weight: WordWeight) -> list[float]:
    """Return 0 to 100 for each name, given the likeliest first; ``weight`` says how rare a word is.

    0 for names whose numbers are others. The words are compared for those whose letters are
    nearest, and for the first few.
    """
    letters = [_letters(wanted, name) for name in names]
    order = sorted(range(len(names)), key=lambda at: (-letters[at], at))
    compared = {*order[:_MOST_BY_LETTERS], *range(min(_MOST_BY_PLACE, len(names)))}
    return [
        _score(wanted, name, letters[at], weight) if at in compared and letters[at] else 0.0
        for at, name in enumerate(names)
    ]


def _score(wanted: Asked, name: Name, letters: float, weight: WordWeight) -> float:
    if letters >= 0.9999:
        return 100.0
    has, said, exchanged = _coverage(wanted.request, name, weight)
    telling = sum(weight(word) > _SMALL_WORD for word in name.sounds.split(" "))
    said_telling = sum(weight(word) > _SMALL_WORD for word in wanted.core)
    is_cut_otherwise = telling != said_telling
    if letters >= (_JOINED_LIKE if is_cut_otherwise else _WHOLE_LIKE):
        has, said, exchanged = max(has, letters), max(said, letters), 1.0 - letters
    met = _LETTERS_SHARE * letters + _ASKED_SHARE * has + _NAME_SHARE * said
    return 100 * max(0.0, met - _EXCHANGED * exchanged)


def _letters(wanted: Asked, name: Name) -> float:
    """Return how alike request and name are as a whole, 0 to 1; 0 where numbers contradict."""
    words = tuple(name.sounds.split(" "))
    if unspoken(wanted.numbers, numbers_of(words)) is None:
        return 0.0
    joined = "".join(words)
    loose = joined.translate(_LOOSE)
    best = 0.0
    for reading, reading_joined in zip(wanted.readings, wanted.joined, strict=True):
        best = max(
            best,
            fuzz.ratio(reading, name.sounds),
            fuzz.ratio(reading_joined, joined),
            0.98 * fuzz.token_sort_ratio(reading, name.sounds),
            _MISHEARD * fuzz.ratio(reading_joined.translate(_LOOSE), loose),
        )
    reading = " ".join(wanted.request.words[slice(*wanted.request.core)])
    best = max(best, 100 * OSA.normalized_similarity(reading, name.spelling))
    if name.other_script and len(wanted.bones) >= _LEAST_CONSONANTS:
        bones = "".join(skeleton(word) for word in words)
        sounds = fuzz.ratio(wanted.joined[0], joined)
        best = max(best, _mixed(fuzz.ratio(wanted.bones, bones), sounds))
    return best / 100


def _coverage(request: Request, name: Name, weight: WordWeight) -> tuple[float, float, float]:
    """Return what share of the request the name has, of the name was said, and was exchanged.

    The last is how far one word of usual weight was said in place of another, 0 to 1.
    """
    words = name.sounds.split(" ")
    spelled = name.spelling.split(" ")
    theirs = list(zip(words, spelled, strict=True))
    rows = [
        [_alike(ours, each, name.other_script) for each in theirs]
        for ours in zip(request.sounds, request.words, strict=True)
    ]
    has = wanted = unheard = 0.0
    for row, each, share in zip(rows, request.sounds, request.weights, strict=True):
        if share:
            worth = share * weight(each)
            wanted += worth
            has += worth * max(row)
            unheard = max(unheard, worth * (1.0 - max(row)))
    said = whole = unsaid = 0.0
    for index, each in enumerate(words):
        worth, best = weight(each), max(row[index] for row in rows)
        whole += worth
        said += worth * best
        unsaid = max(unsaid, worth * (1.0 - best))
    exchanged = min(1.0, min(unheard, unsaid) * len(words) / whole)
    return has / wanted if wanted else 0.0, said / whole, exchanged


@lru_cache(maxsize=65_536)
def _alike(ours: tuple[str, str], theirs: tuple[str, str], other_script: bool) -> float:
    """Return how likely two words, each by sound and by spelling, are the same, 0 to 1."""
    (heard, spelled), (sounds, spelling) = ours, theirs
    if heard == sounds:
        return 1.0
    if heard.isdigit() or sounds.isdigit():
        return _like_number(spelled, sounds)
    plain = fuzz.ratio(heard, sounds)
    loose = fuzz.ratio(heard.translate(_LOOSE), sounds.translate(_LOOSE))
    alike = max(plain, _MISHEARD * loose, 100 * OSA.normalized_similarity(spelled, spelling))
    if other_script:
        bones, their_bones = skeleton(heard), skeleton(sounds)
        if min(len(bones), len(their_bones)) > 1:
            alike = max(alike, _mixed(fuzz.ratio(bones, their_bones), plain))
    is_short = min(len(spelled), len(spelling)) <= _SHORT
    if alike < (_LEAST_LIKE_SHORT if is_short else _LEAST_LIKE):
        return 0.0
    return (alike / 100) ** _DISTRUST


def _like_number(spelled: str, digits: str) -> float:
    """Return how likely a word is a mistyped number: "sevn" for 7; digits are like themselves."""
    word = _NUMBER_WORDS.get(digits, "")
    if spelled.isdigit() or not word:
        return 0.0
    alike = OSA.normalized_similarity(spelled, word)
    return alike**_DISTRUST if alike >= _LEAST_LIKE_NUMBER else 0.0


def _mixed(consonants: float, sounds: float) -> float:
    return _CONSONANTS_SHARE * consonants + (1 - _CONSONANTS_SHARE) * sounds
