"""Numbers in titles and requests: which there are, and what they number.

"Chapter 2", "second chapter" and "adhyay do" are one and the same; "Episode 2" is another thing.
So are letters after "letter".
"""

import re
import unicodedata

from .vocabulary_numbers import NEUTRAL_UNIT, NUMBERS, ROMAN, UNITS, WEAK_NUMBERS

Number = tuple[str, str]
"""What is numbered (a unit of ``UNITS``, or "" for nothing or anything) and the digits."""

_ORDINAL = re.compile(r"([0-9])(?:st|nd|rd|th|va|wan|vi)$")


def _by_word(table: dict[str, str]) -> dict[str, str]:
    return {
        unicodedata.normalize("NFKC", word).lower(): meaning
        for meaning, words in table.items()
        for word in words.split()
    }


_STRICT = _by_word(NUMBERS)
_WEAK = _by_word(WEAK_NUMBERS)
_UNITS = _by_word(UNITS)


def number_or_unit(word: str) -> str:
    """Return the digits or the unit a lower-case word (NFKC, any script) stands for, else it."""
    if word in _STRICT:
        return _STRICT[word]
    return _UNITS.get(word) or _ORDINAL.sub(r"\1", word)


def weak_number(word: str) -> str:
    """Return the digits of a word that may be a number, or nothing."""
    return word if word.isdigit() else _WEAK.get(word, "")


def join_numbers(words: list[str]) -> list[str]:
    """Return the words with numbers made one: "20 1" is "21", "chapter number two" "chapter 2"."""
    found: list[str] = []
    for word in words:
        before = found[-1] if found else ""
        if before == NEUTRAL_UNIT and weak_number(word):
            found[-1] = weak_number(word)
        elif before in UNITS and (word in ROMAN or word in _WEAK):
            found.append(ROMAN.get(word) or _WEAK[word])
        elif before.isdigit() and word.isdigit() and (joined := _joined(before, word)):
            found[-1] = joined
        else:
            found.append(word)
    return found


def numbers_of(words: tuple[str, ...]) -> frozenset[Number]:
    """Return the numbers among the words (as ``folding.plain_words`` gives them)."""
    return frozenset(
        (_unit_beside(words, index), word)
        for index, word in enumerate(words)
        if word.isdigit() or (len(word) == 1 and index and words[index - 1] == "letter")
    )


def unspoken(asked: frozenset[Number], there: frozenset[Number]) -> int | None:
    """Return how many of a title's numbers a request leaves out, or None where they contradict.

    Every number asked for must be there, of the same unit unless one names none.
    """
    for unit, digits in asked:
        if not any(
            digits == other and (unit == kind or not unit or not kind) for kind, other in there
        ):
            return None
    return len(there) - len(asked) if len(there) > len(asked) else 0


def _unit_beside(words: tuple[str, ...], index: int) -> str:
    if index and words[index - 1] in UNITS:
        return words[index - 1]
    after = words[index + 1] if index + 1 < len(words) else ""
    last_of_unit = index + 2 < len(words) and words[index + 2].isdigit()
    return after if after in UNITS and not last_of_unit else ""


def _joined(before: str, word: str) -> str:
    """Return two numbers as one where they are said so: 20 1, 1 100, 100 8."""
    first, second = int(before[:4]), int(word[:4])
    if 20 <= first <= 90 and first % 10 == 0 and 1 <= second <= 9:
        return str(first + second)
    if second == 100 and 1 <= first <= 9:
        return str(first * 100)
    return str(first + second) if first == 100 and 1 <= second <= 99 else ""
