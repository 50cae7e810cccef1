"""Controls in words: next, louder, stop in ten minutes."""

import re
from dataclasses import dataclass

from .folding import latin_words, sound, spoken_words
from .numerals import number_or_unit, weak_number
from .vocabulary_controls import CONTROL_FILLERS, CONTROLS, HALVES, ONE, TIME_UNITS
from .vocabulary_words import CARRIERS, KINDS

MAX_CONTROL_WORDS = 12
_FEW_WORDS = 6
"""Words that only carry are passed over in controls no longer than this."""
MAX_TIME_S = 24 * 3600.0
_DEFAULT_SEEK_S = 15.0
_NUMBER, _TIME = "#", "T"
_BELOW_ZERO = re.compile(r"(?:^|\s)[-\u2212]\s*\d")


@dataclass(frozen=True, slots=True)
class Command:
    """A control and what it is set to."""

    action: str
    """One of ``next previous pause resume stop repeat shuffle volume_up volume_down volume mute
    sleep seek position``."""
    value: float | None = None
    """Percent for ``volume``; seconds for ``sleep``, ``seek`` (from here, back where negative) and
    ``position`` (from the beginning)."""


def _sounds(words: str) -> frozenset[str]:
    return frozenset(key for word in words.split() if (key := _key(word)))


def _key(word: str) -> str:
    return sound("".join(latin_words(word)))


_UNIT_SECONDS = {
    key: int(seconds) for seconds, words in TIME_UNITS.items() for key in _sounds(words)
}
_FILLERS = _sounds(CONTROL_FILLERS)
_HALVES = _sounds(HALVES)
_ONE = _sounds(ONE)


def _phrase(said: str) -> tuple[str, ...]:
    words: list[str] = []
    for piece in said.split():
        words += [piece] if piece in {_NUMBER, _TIME} else [_key(w) for w in spoken_words(piece)]
    return tuple(words)


_ACTIONS = {
    _phrase(said): action for action, phrases in CONTROLS.items() for said in phrases.split("|")
}
_BARE_ACTIONS = {
    tuple(word for word in phrase if word not in _FILLERS): action
    for phrase, action in reversed(_ACTIONS.items())
    if any(word not in _FILLERS for word in phrase)
}


_INDIAN = (words for language, words in CARRIERS.items() if language != "en")
_CARRIERS = (
    _FILLERS.union(*map(_sounds, (*_INDIAN, *KINDS.values(), "play go to one it this that make")))
) - _sounds("me in on se")
"""Words that add nothing to a control."""


def _core(phrase: tuple[str, ...]) -> tuple[str, ...]:
    """Return the words of a phrase that make it this control: "next paata pettu" is "next"."""
    return tuple(word for word in phrase if word not in _CARRIERS)


_CORES = {core: action for phrase, action in reversed(_ACTIONS.items()) if (core := _core(phrase))}


def command_of(text: str) -> Command | None:
    """Return the control that a request is, where all of its words say so."""
    words = spoken_words(text)
    if not 0 < len(words) <= MAX_CONTROL_WORDS:
        return None
    as_said = tuple(_key(word) for word in words)
    for phrase, value in ((as_said, None), _with_amount(words)):
        bare = tuple(word for word in phrase if word not in _FILLERS)
        action = _ACTIONS.get(phrase) or _BARE_ACTIONS.get(bare)
        if action is None and len(words) <= _FEW_WORDS:
            action = _CORES.get(_core(phrase))
        if action is not None:
            return _command(action, 0.0 if _BELOW_ZERO.search(text) else value)
    return None


def _command(action: str, value: float | None) -> Command:
    bounded = _bounded(action, value)
    if action in {"forward", "rewind"} and bounded is not None:
        return Command("seek", bounded if action == "forward" else -bounded)
    return Command(action, bounded)


def _bounded(action: str, value: float | None) -> float | None:
    if action == "volume":
        return None if value is None else min(value, 100.0)
    if action in {"forward", "rewind"}:
        return _DEFAULT_SEEK_S if value is None else min(value, MAX_TIME_S)
    if action in {"sleep", "position"}:
        return None if value is None else min(value, MAX_TIME_S)
    return None


def _with_amount(words: list[str]) -> tuple[tuple[str, ...], float | None]:
    """Return the words' sounds with the first number or length of time as ``#`` or ``T``."""
    phrase: list[str] = []
    value: float | None = None
    index = 0
    while index < len(words):
        amount, used, is_time = _amount(words, index)
        if used:
            phrase.append(_TIME if is_time else _NUMBER)
            value = amount if value is None else value
            index += used
            continue
        phrase.append(_key(words[index]))
        index += 1
    return tuple(phrase), value


def _amount(words: list[str], index: int) -> tuple[float, int, bool]:
    """Return number or seconds, how many words say it (0: none), and whether it is a time."""
    rest = words[index : index + 4]
    keys = [_key(word) for word in rest]
    if keys[0] in _HALVES:
        gap = 1 + (len(keys) > 2 and keys[1] in _ONE)
        if len(keys) > gap and keys[gap] in _UNIT_SECONDS:
            return _UNIT_SECONDS[keys[gap]] / 2, gap + 1, True
    number, used = _number(rest)
    if not used and keys[0] in _ONE:
        number, used = 1, 1
        if len(keys) == 1 or keys[1] not in _UNIT_SECONDS:
            return 0.0, 0, False
    if not used:
        return 0.0, 0, False
    if len(keys) > used and keys[used] in _UNIT_SECONDS:
        return float(number * _UNIT_SECONDS[keys[used]]), used + 1, True
    is_strict = number_or_unit(rest[0]).isdigit()
    return (float(number), used, False) if is_strict else (0.0, 0, False)


def _number(words: list[str]) -> tuple[int, int]:
    """Return the number that words begin with and how many say it: "thirty five" is two."""
    number = _digits(number_or_unit(words[0])) or _digits(weak_number(words[0]))
    if number is None:
        return 0, 0
    if len(words) > 1 and 20 <= number <= 90 and number % 10 == 0 and not words[0].isdigit():
        second = None if words[1] == "second" else _digits(number_or_unit(words[1]))
        if second is not None and 1 <= second <= 9:
            return number + second, 2
    return number, 1


def _digits(word: str) -> int | None:
    digits = "".join(latin_words(word)[:1]) if word.isdigit() else ""
    return int(digits[:6]) if digits.isdigit() else None
