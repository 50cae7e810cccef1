"""What a request in words asks for: its slots, and the words that may name a title."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import takewhile

from .controls import command_of
from .folding import is_native, plain_words, sound, spoken_words, stem
from .numerals import weak_number
from .vocabulary_numbers import NEUTRAL_UNIT, ORDINALS, UNITS
from .words import ADVICE, SPELLINGS, Word, meaning_of

MAX_COUNT = 20
_FEW_WORDS = 4
"""A request to sing or tell that names nothing is short: "sing for me"."""
_OF_THEME = 0.4
"""How much a word of theme counts that may be title or not: "sleepy" in "the sleepy owl"."""


@dataclass(frozen=True, slots=True)
class Slots:
    """What a request says, each empty where it says nothing of it."""

    intent: str = "play"
    """``play`` (a title), ``pick`` (anything that fits), or ``control``."""
    kind: str = ""
    title: str = ""
    """The words that name the title, in Latin letters."""
    language: str = ""
    category: str = ""
    mood: str = ""
    number: str = ""
    """Digits of the first number that says which one."""
    count: int = 1
    control: str = ""
    value: float | None = None


@dataclass(frozen=True, slots=True)
class Request:
    """A request understood: its slots, and its words as titles are compared with them."""

    slots: Slots
    words: tuple[str, ...]
    """All words, as plain words."""
    sounds: tuple[str, ...]
    weights: tuple[float, ...]
    """How much each word is missed in a title that lacks it: 1 in the core, 0 for carriers."""
    core: tuple[int, int]
    """First word of the core, and the one after its last; empty for generic requests."""
    is_native: bool

    @property
    def has_core(self) -> bool:
        return self.core[0] < self.core[1]

    @property
    def is_for_advice(self) -> bool:
        """True where it asks for what the listener may like."""
        return not ADVICE.isdisjoint(self.sounds)


_SHORT_SOUND = 3
"""Words that sound so short have to be spelled as listed: "car" is not Hindi's "kar"."""
_ORDINALS = frozenset(ORDINALS.split())


def titled(request: Request, start: int, end: int) -> Request:
    """Return a request with the words from start to end as its title."""
    inside = range(start, end)
    return replace(
        request,
        slots=replace(request.slots, intent="play", title=" ".join(request.words[start:end])),
        weights=tuple(float(index in inside) for index in range(len(request.words))),
        core=(start, end),
    )


def with_last_as_number(request: Request) -> Request | None:
    """Return a request whose core ends with what may be a number ("... golpo tin") as with one."""
    start, end = request.core
    digits = weak_number(request.words[end - 1])
    if end - start < 2 or not digits or request.words[end - 1].isdigit():
        return None
    words = (*request.words[: end - 1], digits, *request.words[end:])
    sounds = (*request.sounds[: end - 1], digits, *request.sounds[end:])
    title = " ".join(words[start:end])
    slots = replace(request.slots, title=title, number=request.slots.number or digits)
    return replace(request, slots=slots, words=words, sounds=sounds)


class Grammar:
    """How requests are read for a catalogue with these categories."""

    def __init__(self, categories: Iterable[str]) -> None:
        self._phrases: dict[str, list[tuple[tuple[str, ...], str]]] = {}
        for category in sorted(set(categories)):
            phrase = tuple(stem(sound(word)) for word in plain_words(category))
            if phrase:
                self._phrases.setdefault(phrase[0], []).append((phrase, category))
        for phrases in self._phrases.values():
            phrases.sort(key=lambda each: (-len(each[0]), each[1]))

    def read(self, text: str) -> Request:
        """Return what a text of any length and script asks for (its first 400 characters)."""
        words = plain_words(text)
        sounds = tuple(sound(word) for word in words)
        command = command_of(text)
        if command is not None:
            slots = Slots("control", control=command.action, value=command.value)
            return Request(slots, words, sounds, (0.0,) * len(words), (0, 0), is_native(text))
        meanings = self._meanings(sounds, words)
        core = _core(words, sounds, meanings)
        start, end = core
        if core == (0, len(words)) and all(each.is_any() for each in meanings):
            start = end = len(words)  # carriers alone: any of them may be of the title
        weights = tuple(
            1.0
            if start <= index < end
            else _OF_THEME
            if meaning.category or meaning.mood or start == end
            else 0.0
            for index, meaning in enumerate(meanings)
        )
        slots = _slots(text, words, meanings, core)
        return Request(slots, words, sounds, weights, core, is_native(text))

    def is_carried(self, sounds: Sequence[str], *, of_no_kind: bool = False) -> bool:
        """Return whether words (their sounds) are all such as carry requests.

        With ``of_no_kind``, no word may say a kind: "bedtime story" is a sort of title even where
        it is another name of one, "are you sleeping" is not.
        """
        meanings = self._meanings(tuple(sounds))
        return all(each.is_any() and not (of_no_kind and each.kind) for each in meanings)

    def title_spans(self, request: Request) -> list[tuple[int, int]]:
        """Return which words of a request without a core may be a title all the same.

        Only carriers and kinds are taken off, and what is left is three words, or one that says
        more than a kind or a language: "play music" asks for music even where a title is "Music".
        """
        meanings = self._meanings(request.sounds, request.words)
        count = len(meanings)
        carries = [bool(each.is_carrier or each.kind) for each in meanings]
        fronts = takewhile(lambda at: at == 0 or carries[at - 1], range(count))
        backs = list(takewhile(lambda at: at == count or carries[at], range(count, 0, -1)))
        spans = [(start, end) for start in fronts for end in backs if start < end]
        telling = [bool(each.category or each.mood) for each in meanings]
        spans = [span for span in spans if span[1] - span[0] > 2 or any(telling[slice(*span)])]
        return sorted(spans, key=lambda span: (span[0] - span[1], span))

    def _meanings(self, sounds: tuple[str, ...], words: Sequence[str] = ()) -> list[Word]:
        meanings = [meaning_of(each) for each in sounds]
        for index, word in enumerate(words):
            if len(sounds[index]) <= _SHORT_SOUND and word not in SPELLINGS:
                meanings[index] = Word()
        stems = [stem(each) for each in sounds]
        for start, first in enumerate(stems):
            for phrase, category in self._phrases.get(first, ()):
                if tuple(stems[start : start + len(phrase)]) == phrase:
                    for index in range(start, start + len(phrase)):
                        kind = meanings[index].kind
                        meanings[index] = Word(kind=kind, category=category)
                    break
        return meanings


def _core(words: tuple[str, ...], sounds: tuple[str, ...], meanings: list[Word]) -> tuple[int, int]:
    """Return where the title's words are: what is left when both ends are peeled."""
    if _is_generic(words, meanings):
        return 0, 0
    if all(meaning.is_any() for meaning in meanings):
        return 0, len(words)
    start, end = 0, len(words)
    while start < end and meanings[start].is_any():
        start += 1
    while end > start and meanings[end - 1].is_any():
        end -= 1
    return start, end


def _is_generic(words: tuple[str, ...], meanings: list[Word]) -> bool:
    """Return whether no word can name a title: all say what sort of thing is wanted."""
    carried = all(
        meaning.is_any() or weak_number(word) or word == NEUTRAL_UNIT
        for word, meaning in zip(words, meanings, strict=True)
    )
    says_sort = any(
        meaning.is_anything or meaning.kind or meaning.language or meaning.category or meaning.mood
        for meaning in meanings
    )
    sung_or_told = any(meaning.verb_kind for meaning in meanings) and len(words) <= _FEW_WORDS
    has_unit = any(word in UNITS and word != NEUTRAL_UNIT for word in words)
    said_twice = len(set(words)) < len(words)  # as titles do, and requests do not
    return carried and not has_unit and not said_twice and (says_sort or sung_or_told)


def _slots(text: str, words: tuple[str, ...], meanings: list[Word], core: tuple[int, int]) -> Slots:
    start, end = core
    around = [meaning for index, meaning in enumerate(meanings) if not start <= index < end]
    kinds = [each.kind for each in around if each.kind]
    verb_kinds = [each.verb_kind for each in around if each.verb_kind]
    count, number = _count_and_number(text, words, meanings, is_generic=start >= end)
    return Slots(
        intent="play" if start < end else "pick",
        kind=(kinds or verb_kinds or [""])[0],
        title=" ".join(words[start:end]),
        language=next((each.language for each in around if each.language), ""),
        category=next((each.category for each in around if each.category), ""),
        mood=next((each.mood for each in around if each.mood), ""),
        number=number,
        count=count,
    )


def _count_and_number(
    text: str, words: tuple[str, ...], meanings: list[Word], *, is_generic: bool
) -> tuple[int, str]:
    """Return how many are wanted, and which one: "three songs", "the third song", "song 3"."""
    numbers = [index for index, word in enumerate(words) if word.isdigit()]
    if not is_generic:
        return 1, words[numbers[0]] if numbers else ""
    if any(word in _ORDINALS for word in spoken_words(text)):
        return 1, words[numbers[0]] if numbers else ""
    for index, word in enumerate(words):
        digits = weak_number(word)
        if not digits:
            continue
        after_category = index > 0 and bool(meanings[index - 1].category)
        if not after_category and any(meaning.kind for meaning in meanings[index + 1 :]):
            if word.isdigit() or _kind_follows(meanings, index):
                return max(1, min(int(digits), MAX_COUNT)), ""
        elif word.isdigit():
            return 1, word
    return 1, ""


def _kind_follows(meanings: list[Word], index: int) -> bool:
    return index + 1 < len(meanings) and meanings[index + 1].kind is not None
