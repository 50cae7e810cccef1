"""From a request in words to what is played: the catalogue answers.

A wrong title is worse than none: what is not found is said to be so, and what might be one of two
is asked. How the thresholds came about is told in ``docs/catalogue.md``.
"""

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import islice

import numpy as np

from .answers import (
    MAX_CANDIDATES,
    Answer,
    Ask,
    Candidate,
    Control,
    NotFound,
    Play,
    not_allowed,
)
from .folding import plain_words, sound
from .names import Names
from .numerals import numbers_of
from .ranking import Hit, Ranking
from .request import Grammar, Request, Slots, titled, with_last_as_number
from .shelves import Allow, Pool, Shelves
from .taste import Taste
from .titles import Title

PLAY_STRENGTH = 67.0
"""From here on a title is played, unless another one is as near."""
ASK_STRENGTH = 57.0
"""Below this a title is not even asked about."""
MARGIN = 3.0
"""Titles nearer to each other than this are asked about."""
RIVAL_WITHIN = 25.0
"""What may be asked about beside the best is no farther behind than this."""
MAX_ASKED = 3

_SHARED_BY = 4
"""A name of so many titles is a sort of title, and any of them is meant."""
_EXACT = 99.5
_MOST_NUMBERED = 1_000
"""Titles of a sort whose numbers are looked at."""
_LEAD_SHARE, _MOST_LEAD = 0.25, 32.0
"""How much of the lead over the next title counts beside the score itself."""


class Catalogue:
    """Titles that can be asked for; never changed, so one may replace another at any moment."""

    def __init__(self, titles: Iterable[Title]) -> None:
        by_object = {title.object: title for title in titles}
        self.titles: tuple[Title, ...] = tuple(by_object[name] for name in sorted(by_object))
        self._names = Names(self.titles)
        self._shelves = Shelves(self.titles)
        self._ranking = Ranking(self.titles, self._names, self._shelves)
        self._grammar = Grammar(title.category for title in self.titles)
        self._carried = frozenset(
            key
            for key, is_main in self._names.listed()
            if self._grammar.is_carried(key.split(" "), of_no_kind=not is_main)
        )

    def __len__(self) -> int:
        return len(self.titles)

    def answer(
        self,
        text: str,
        *,
        language: str = "",
        heard: Sequence[str] = (),
        allow: Allow | None = None,
    ) -> Answer:
        """Return what to do about a request, always the same for the same arguments.

        Args:
            text: the request, in any language and script; its first 400 characters count.
            language: what the listener speaks (BCP 47); preferred among what fits alike.
            heard: objects played before, the oldest first.
            allow: which titles this listener may hear; others are neither played nor named.
        """
        request = self._grammar.read(text)
        slots = request.slots
        if slots.intent == "control":
            reason = "every word of it is part of this control"
            return Control(slots=slots, reason=reason, action=slots.control, value=slots.value)
        if not request.words:
            return NotFound(slots=slots, reason="the request has neither letters nor digits")
        if not request.has_core:
            whole = self._as_title(request)
            if whole is None:
                return self._pick(request, language, heard, allow)
            request = whole
        return self._find(request, language, heard, allow)

    def of_objects(self, objects: Iterable[str]) -> list[Title]:
        """Return the titles of these files, in their order; who has none is left out."""
        found: list[Title] = []
        for name in objects:
            place = bisect_left(self.titles, name, key=lambda title: title.object)
            found += [title for title in self.titles[place : place + 1] if title.object == name]
        return found

    def search(self, text: str, count: int = 10) -> list[tuple[Title, float]]:
        """Return the titles nearest to a text with their scores (0 to 100), the best first."""
        request = self._grammar.read(text)
        if not request.words:
            return []
        request = request if request.has_core else titled(request, 0, len(request.words))
        hits = self._ranking.hits(request, "")[:count]
        return [(self.titles[hit.number], _shown(hit.score)) for hit in hits]

    def _as_title(self, request: Request) -> Request | None:
        """Return a request of nothing but carriers as one for the title that it spells, if any."""
        for start, end in self._grammar.title_spans(request):
            if " ".join(request.sounds[start:end]) in self._carried:
                return titled(request, start, end)
        return None

    def _pick(
        self, request: Request, language: str, heard: Sequence[str], allow: Allow | None
    ) -> Answer:
        """Answer a request that names no title: anything that fits."""
        slots = request.slots
        pool, remark = self._shelves.pool(slots, language)
        seed = " ".join(request.sounds)
        if slots.number:
            pool = self._numbered(pool, slots)
        taste = Taste(self.of_objects(heard)) if request.is_for_advice else Taste(())
        liked = taste.narrowed(pool, self.titles, heard, allow)
        titles = self._shelves.choose(liked, slots.count, heard, allow, seed)
        # where all that is liked was heard already, nothing is picked for being liked
        because = taste.reason(titles[0]) if titles and liked is not pool else ""
        if because:
            remark = f"it is of {because}, which was heard most, and was not heard yet"
        wanted = " ".join(request.words)
        if not titles:
            if len(pool):
                return not_allowed(slots, wanted)
            return NotFound(slots=slots, reason="nothing fits all of it", wanted=wanted)
        reason = f"it names no title: one of the {len(pool)} that fit, by what was heard before"
        return Play(
            slots=slots,
            titles=titles,
            score=100.0,
            because=because,
            reason=f"{reason}; {remark}" if remark else reason,
            candidates=tuple(Candidate(title.object, 100.0) for title in titles[:MAX_CANDIDATES]),
        )

    def _numbered(self, pool: Pool, slots: Slots) -> Pool:
        """Return the titles with this number of a sort, or else the one in this place."""
        listed: list[int] = pool[:_MOST_NUMBERED].tolist()
        numbers = [
            {digits for _, digits in numbers_of(plain_words(self.titles[each].title))}
            for each in listed
        ]
        with_it = [each for each, has in zip(listed, numbers, strict=True) if slots.number in has]
        if with_it or (slots.category and any(numbers)):
            return np.array(with_it, np.int64)
        place = int(slots.number) - 1
        return pool[place : place + 1] if place >= 0 else pool[:0]

    def _find(
        self, request: Request, language: str, heard: Sequence[str], allow: Allow | None
    ) -> Answer:
        """Answer a request for a title."""
        hits = self._ranking.hits(request, language)
        counted = with_last_as_number(request)
        if counted is not None:
            numbered = self._ranking.hits(counted, language)
            if numbered and numbered[0].score >= (hits[0].score if hits else 0.0):
                request, hits = counted, numbered
        allowed = [hit for hit in hits if allow is None or allow(self.titles[hit.number])]
        best = allowed[0].score if allowed else 0.0
        if hits and hits[0].score >= max(ASK_STRENGTH, best + MARGIN):
            return not_allowed(request.slots, request.slots.title)
        if not allowed:
            return self._not_found(request, "no title is like it", allowed)
        sort = self._sort_of_title(allowed[0], allowed)
        if sort:
            return self._any_of(sort, request, heard)
        return self._judge(request, heard, allowed)

    def _judge(self, request: Request, heard: Sequence[str], hits: list[Hit]) -> Answer:
        """Play the best of the hits, ask about it, or take none of them."""
        first = self._of_series(hits, request, heard)
        rivals = list(islice((hit for hit in hits if self._is_rival(first, hit)), MAX_ASKED - 1))
        lead = first.score - rivals[0].score if rivals else first.score
        strength = first.score + _LEAD_SHARE * min(max(lead, 0.0), _MOST_LEAD)
        if strength >= PLAY_STRENGTH and (lead >= MARGIN or _is_spelled_out(first, rivals[0])):
            return self._play(first, f"ahead of the next title by {lead:.1f}", request, hits)
        near = [hit for hit in rivals if first.score - hit.score <= RIVAL_WITHIN]
        if strength < ASK_STRENGTH or not near:
            return self._not_found(request, "no title is near enough", hits)
        return Ask(
            slots=request.slots,
            titles=tuple(self.titles[hit.number] for hit in (first, *near)),
            score=_shown(first.score),
            reason=f"another title is behind by {first.score - near[0].score:.1f} only",
            candidates=self._candidates(hits),
        )

    def _sort_of_title(self, first: Hit, hits: list[Hit]) -> list[Hit]:
        """Return the titles that share an alternative that is asked for exactly, if many do."""
        if first.is_title or first.score < _EXACT:
            return []
        same = [hit for hit in hits if hit.name == first.name]
        return same if len(same) >= _SHARED_BY else []

    def _any_of(self, same: list[Hit], request: Request, heard: Sequence[str]) -> Answer:
        pool = np.array(sorted(hit.number for hit in same), np.int64)
        titles = self._shelves.choose(pool, 1, heard, None, " ".join(request.sounds))
        return Play(
            slots=request.slots,
            titles=titles,
            score=_shown(same[0].score),
            reason=f"one of {len(same)} titles that go by this name, by what was heard before",
            candidates=self._candidates(same),
        )

    def _of_series(self, hits: list[Hit], request: Request, heard: Sequence[str]) -> Hit:
        """Return the best hit, or the first part not heard of a series asked for as a whole."""
        first = hits[0]
        if numbers_of(request.words) or not _is_numbered(self._title_words(first)):
            return first
        series = self._unnumbered(first)
        parts = [hit for hit in hits if self._unnumbered(hit) == series]
        parts.sort(key=lambda hit: _number_key(self._title_words(hit)))
        known = set(heard)
        fresh = [hit for hit in parts if self.titles[hit.number].object not in known]
        return replace((fresh or parts)[0], score=first.score)

    def _is_rival(self, first: Hit, other: Hit) -> bool:
        """Return whether another hit is another song, not the same one in another recording."""
        if other.number == first.number:
            return False
        words = self._title_words(first)
        series = _is_numbered(words) and self._unnumbered(first) == self._unnumbered(other)
        return self._title_words(other) != words and not series

    def _title_words(self, hit: Hit) -> tuple[str, ...]:
        title = self.titles[hit.number]
        return tuple(sound(word) for word in plain_words(title.title))

    def _unnumbered(self, hit: Hit) -> tuple[str, ...]:
        return tuple(word for word in self._title_words(hit) if not word.isdigit())

    def _play(self, hit: Hit, reason: str, request: Request, hits: list[Hit]) -> Play:
        return Play(
            slots=request.slots,
            titles=(self.titles[hit.number],),
            score=_shown(hit.score),
            reason=reason,
            candidates=self._candidates(hits),
        )

    def _not_found(self, request: Request, reason: str, hits: list[Hit]) -> NotFound:
        return NotFound(
            slots=request.slots,
            reason=reason,
            wanted=request.slots.title,
            best_score=_shown(hits[0].score) if hits else 0.0,
            candidates=self._candidates(hits),
        )

    def _candidates(self, hits: list[Hit]) -> tuple[Candidate, ...]:
        return tuple(
            Candidate(self.titles[hit.number].object, _shown(hit.score))
            for hit in hits[:MAX_CANDIDATES]
        )


def _is_spelled_out(first: Hit, second: Hit) -> bool:
    """Return whether the first is spelled as asked for, and the second only sounds so."""
    return first.score >= _EXACT and first.spelling == 1.0 > second.spelling


def _shown(score: float) -> float:
    return round(min(max(score, 0.0), 100.0), 1)


def _number_key(words: tuple[str, ...]) -> tuple[int, ...]:
    return tuple(int(word) for word in words if word.isdigit())


def _is_numbered(words: tuple[str, ...]) -> bool:
    """Return whether a title is a part of a series: "Chapter 2 ...", "... 2"."""
    return words[-1].isdigit() or any(unit for unit, _ in numbers_of(words))
