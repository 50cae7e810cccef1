"""What a listener likes, by what was heard, and what that recommends."""

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from .shelves import Allow, Pool
from .titles import Title
from .vocabulary_words import LANGUAGES

REMEMBERED = 50
"""How much of the history counts."""
KEPT_A_TITLE = 0.9
"""What was heard counts for so much of what was heard after it: tastes change."""
LANGUAGE_COUNTS = 0.5
"""Beside a category: most of what is heard is in one language anyway."""


class Taste:
    """How often, and how lately, titles of each sort were heard.

    Args:
        heard: What was heard, the oldest first.
    """

    def __init__(self, heard: Sequence[Title]) -> None:
        self._categories: defaultdict[tuple[str, str], float] = defaultdict(float)
        self._languages: defaultdict[str, float] = defaultdict(float)
        weight = 1.0
        for title in reversed(heard[-REMEMBERED:]):
            if title.category:
                self._categories[title.kind, title.category] += weight
            if title.language:
                self._languages[title.language] += LANGUAGE_COUNTS * weight
            weight *= KEPT_A_TITLE

    def __bool__(self) -> bool:
        """Tell whether anything is known."""
        return bool(self._categories or self._languages)

    def worth(self, title: Title) -> float:
        """Return how much a title is like what was heard."""
        return self._of_category(title) + self._languages.get(title.language, 0.0)

    def narrowed(
        self, pool: Pool, titles: Sequence[Title], heard: Sequence[str], allow: Allow | None
    ) -> Pool:
        """Return what of a pool is new and most like what was heard; all of it where nothing is."""
        known = set(heard)
        numbers: list[int] = pool.tolist() if self else []
        worth = {
            each: self.worth(titles[each])
            for each in numbers
            if titles[each].object not in known and (allow is None or allow(titles[each]))
        }
        most = max(worth.values(), default=0.0)
        best = [each for each, of_it in worth.items() if of_it == most]
        return np.array(best, np.int64) if most > 0 else pool

    def reason(self, title: Title) -> str:
        """Return the sort of a title that was heard most: its category, or its language."""
        if self._of_category(title) > 0:
            return title.category
        if self._languages.get(title.language, 0.0) > 0:
            return (
                LANGUAGES[title.language].split()[0].title() if title.language in LANGUAGES else ""
            )
        return ""

    def _of_category(self, title: Title) -> float:
        return self._categories.get((title.kind, title.category), 0.0)
