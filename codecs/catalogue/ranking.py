"""Titles in the order of how well they meet a request."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from rapidfuzz import fuzz

from .folding import plain_words
from .names import Names
from .request import Request
from .scoring import Asked, Name, asked, scores
from .shelves import Shelves
from .titles import Title

_SHORTLIST, _SHORT_SHORTLIST = 40, 16
_MAX_OWNERS = 60
"""Titles looked at of those that share a name."""
_MOST_HITS = 24
"""Titles returned."""
_SAME_SOUND = 3.0
"""Titles within so much of the best have their spelling compared, letter by letter."""
_OTHER_KIND, _OTHER_LANGUAGE, _UNKNOWN_LANGUAGE, _OTHER_CATEGORY = 4.0, 8.0, 2.0, 3.0
_OWN_LANGUAGE = 0.5


@dataclass(frozen=True, slots=True)
class Hit:
    """A title that may be meant."""

    number: int
    score: float
    """0 to 100, less what speaks against it."""
    name: int
    """The name of it that meets the request best."""
    is_title: bool
    """Whether that name is its title, not an alternative."""
    spelling: float = 0.0
    """0 to 1: how far it is spelled as asked for, where the sound alone cannot tell."""


class Ranking:
    """Scores the titles of a catalogue."""

    def __init__(self, titles: Sequence[Title], names: Names, shelves: Shelves) -> None:
        self._titles = titles
        self._names = names
        self._shelves = shelves

    def hits(self, request: Request, language: str) -> list[Hit]:
        """Return titles that may be meant, the best first; ``language`` is the listener's."""
        wanted = asked(request)
        best: dict[int, Hit] = {}
        for name, met in self._scored_names(wanted).items():
            for number, is_title in self._names.owners(name)[:_MAX_OWNERS]:
                value = met - self._against(number, request) + self._for(number, language)
                before = best.get(number)
                if before is None or (value, is_title) > (before.score, before.is_title):
                    best[number] = Hit(number, value, name, is_title)
        ordered = sorted(best.values(), key=self._place)[:_MOST_HITS]
        near = [hit for hit in ordered if hit.score >= ordered[0].score - _SAME_SOUND]
        if len(near) > 1:
            compared = [self._spelled(hit, request) for hit in near]
            ordered = sorted(compared, key=self._place) + ordered[len(near) :]
        return ordered

    def _place(self, hit: Hit) -> tuple[float, float, bool, str]:
        return (
            -round(hit.score, 1),
            -hit.spelling,
            not hit.is_title,
            self._titles[hit.number].object,
        )

    def _scored_names(self, wanted: Asked) -> dict[int, float]:
        core, whole = wanted.readings[0], wanted.readings[-1]
        names = self._names
        near = dict.fromkeys(names.nearest(core, _SHORTLIST))
        if whole != core:
            near.update(dict.fromkeys(names.nearest(whole, _SHORT_SHORTLIST)))
        near.update(dict.fromkeys(names.nearest_bones(core, _SHORT_SHORTLIST)))
        native = wanted.request.is_native
        found = [
            Name(
                names[name],
                names.spelling(name),
                names.was_written(name, native=not native)
                and not names.was_written(name, native=native),
            )
            for name in near
        ]
        return dict(zip(near, scores(wanted, found, names.weight), strict=True))

    def _against(self, number: int, request: Request) -> float:
        slots, title = request.slots, self._titles[number]
        against = 0.0
        if slots.kind and title.kind != slots.kind:
            against += _OTHER_KIND
        if slots.language and title.language != slots.language:
            against += _OTHER_LANGUAGE if title.language else _UNKNOWN_LANGUAGE
        if slots.category and not self._shelves.is_of_category(number, slots.category):
            against += _OTHER_CATEGORY
        return against

    def _for(self, number: int, language: str) -> float:
        own = self._titles[number].language
        return _OWN_LANGUAGE if own and own == language.partition("-")[0] else 0.0

    def _spelled(self, hit: Hit, request: Request) -> Hit:
        title = self._titles[hit.number]
        start, end = request.core
        said = (" ".join(request.words[start:end]), " ".join(request.words))
        texts = {title.title, title.romanized, *title.alternatives} - {""}
        spelled = [" ".join(plain_words(text)) for text in sorted(texts)]
        likeness = max(fuzz.ratio(ours, theirs) for ours in said for theirs in spelled)
        return replace(hit, spelling=round(likeness / 100, 3))
