"""Spellings made to meet: plain words, their sound, and the consonants alone.

Three keys of a text, each coarser than the one before: *plain* (NFKC, lower case, Latin letters,
no marks), *sound* (what Indian-language Latin spellings and speech recognisers confuse is one
letter) and *skeleton* (consonants without voicing, for what was written in another script).
"""

import re
import unicodedata
from functools import lru_cache

from anyascii import anyascii

from .brahmic import is_brahmic, romanize_word
from .numerals import join_numbers, number_or_unit
from .vocabulary_numbers import UNITS

MAX_CHARS = 400
"""What is folded of a text: no title or request of sense is longer."""
MAX_WORDS = 40

_ASCII_WORDS = re.compile(r"[a-z0-9]+")
_LATIN_OR_DIGITS = re.compile(r"[a-z]+|[0-9]+")
_APOSTROPHES = dict.fromkeys(map(ord, "'`\u2018\u2019\u00b4\u02bc\u200c\u200d\u00ad"))
"""Inside words: "don't" is "dont"; joiners have no sound."""

_SOUNDS = tuple(
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        (r"tch|chh|ch", "C"),
        (r"^kn", "n"),
        (r"^wr", "r"),
        (r"igh", "i"),
        (r"ph", "f"),
        (r"ck|q", "k"),
        (r"x", "ks"),
        (r"c(?=[eiy])", "s"),
        (r"c", "k"),
        (r"zh", "j"),
        (r"([kgjtdbsrw])h+", r"\1"),
        (r"z", "j"),
        (r"w", "v"),
        (r"aa+", "a"),
        (r"ee+|ea|ie|ii+", "i"),
        (r"oo+|ou|uu+", "u"),
        (r"oa", "o"),
        (r"a[iy]|e[iy]", "e"),
        (r"a[uw]", "o"),
        (r"(?<=[^aeiou])y(?![aeiou])", "i"),
        (r"(?<=.)y$", "i"),
        (r"m(?=[^aeioumy])", "n"),
        (r"(.)\1+", r"\1"),
        (r"(?<=..[^aeiou])e$|(?<=.)h$", ""),
    )
)
_SILENT_IN_SKELETON = re.compile(r"(?<=.)[aeiouyh]")
_UNVOICED = str.maketrans("bdgcjzvfeiouy", "ptksssppaaaaa")
"""Tamil writes no voicing, and Bengali has b for v; a first vowel is just a vowel."""


def plain_words(text: str) -> tuple[str, ...]:
    """Return the words of a text in any script as Latin letters or digits, at most ``MAX_WORDS``.

    Digits are those of any script, numbers in words are digits, and words for units ("adhyay") are
    English ones; a run of letters and a run of digits are words of their own.
    """
    words: list[str] = []
    for word in spoken_words(text):
        words += latin_words(number_or_unit(word))
    return tuple(join_numbers([_short_number(word) for word in words[:MAX_WORDS]]))


@lru_cache(maxsize=20_000)
def sound(word: str) -> str:
    """Return the sound of a plain word: lower-case letters without aspiration and length.

    Numbers and units stay as they are; so does a word that nothing would be left of.
    """
    if word.isdigit() or word in UNITS:
        return word
    folded = word
    for pattern, replacement in _SOUNDS if len(word) > 1 else ():
        folded = pattern.sub(replacement, folded)
    return folded.lower() or word


@lru_cache(maxsize=20_000)
def skeleton(sounded: str) -> str:
    """Return the consonants of a word's sound, without voicing; numbers stay as they are."""
    if sounded.isdigit():
        return sounded
    return _SILENT_IN_SKELETON.sub("", sounded).translate(_UNVOICED)


def stem(sounded: str) -> str:
    """Return a word's sound without the plural's s, and the silent e before it ("tales")."""
    if len(sounded) <= 3 or not sounded.endswith("s"):
        return sounded
    return sounded[:-2] if len(sounded) > 4 and sounded[-2] == "e" else sounded[:-1]


def sounds_of(words: str) -> frozenset[str]:
    """Return the sounds of all words of a text."""
    return frozenset(sound(word) for each in words.split() for word in plain_words(each))


def is_native(text: str) -> bool:
    """Return whether a text is in a script other than Latin."""
    return any(ord(char) > 0x36F and char.isalpha() for char in text[:MAX_CHARS])


def spoken_words(text: str) -> list[str]:
    """Return the words of a text (its first ``MAX_CHARS``) in their own script, in lower case.

    Cut at everything that is neither letter, mark nor digit.
    """
    normal = unicodedata.normalize("NFKC", text[:MAX_CHARS]).translate(_APOSTROPHES)
    if normal.isascii():
        return _ASCII_WORDS.findall(normal.lower())
    marked = "".join(
        char.lower() if unicodedata.category(char)[0] in "LMN" else " " for char in normal
    )
    return marked.split()


def latin_words(word: str) -> list[str]:
    """Return what a spoken word is in Latin letters and ASCII digits; "mp3" is two."""
    return _LATIN_OR_DIGITS.findall(_latin(word))


def _latin(word: str) -> str:
    if word.isascii():
        return word
    pieces: list[str] = []
    run = ""
    for char in word:
        decimal = unicodedata.decimal(char, None)
        if is_brahmic(char) and decimal is None:
            run += char
            continue
        pieces.append(romanize_word(run))
        run = ""
        pieces.append(str(decimal) if decimal is not None else anyascii(char).lower())
    pieces.append(romanize_word(run))
    return "".join(pieces)


def _short_number(word: str) -> str:
    return (word.lstrip("0") or "0")[:9] if word.isdigit() else word
