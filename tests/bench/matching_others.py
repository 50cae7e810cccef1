"""What matching is measured beside: the original's method, and one scorer of a library alone."""

import difflib
import random
import re
from collections.abc import Sequence
from pathlib import PurePosixPath

from rapidfuzz import fuzz, process

from rhapsode.codecs.catalogue.titles import Title

_LANGUAGES = {
    "hi": ("hindi", "हिंदी"),
    "te": ("telugu", "తెలుగు"),
    "kn": ("kannada", "ಕನ್ನಡ"),
    "en": ("english",),
    "ta": ("tamil",),
}
_GENERIC = ("any song", "some music", "play music", "a song", "something", "a story", "any story")
_CARRIERS = re.compile(
    r"\b(?:please|can you|could you|play|sing|tell|put on|me|the|song|music|story|for|a|an|some)\b"
)
_THRESHOLD = 60.0


class Original:
    """The method of the server this is to replace (its multilingual matcher), with a seed."""

    def __init__(self, titles: Sequence[Title], seed: int = 1) -> None:
        self._titles = list(titles)
        self._chance = random.Random(seed)
        self._texts = [
            [
                text.lower()
                for text in (
                    title.title,
                    title.romanized,
                    *title.alternatives,
                    PurePosixPath(title.object).stem,
                )
                if text
            ]
            for title in titles
        ]

    def answer(self, text: str) -> str | None:
        """Return the object played; it always plays something while it has anything."""
        lower = text.lower()
        language = next(
            (code for code, words in _LANGUAGES.items() if any(word in lower for word in words)), ""
        )
        wanted = " ".join(_CARRIERS.sub(" ", lower).split())
        if not any(word in lower for word in _GENERIC) and wanted:
            best, score = None, 0.0
            for title, texts in zip(self._titles, self._texts, strict=True):
                here = max(fuzz.ratio(wanted, each) for each in texts)
                here += 10.0 if language and title.language == language else 0.0
                if here > score:
                    best, score = title, here
            if best is not None and score >= _THRESHOLD:
                return best.object
        of_language = [title for title in self._titles if language and title.language == language]
        if of_language:
            return self._chance.choice(of_language).object
        names = [title.title.lower() for title in self._titles]
        close = difflib.get_close_matches(wanted, names, n=1, cutoff=0.4) if wanted else []
        if close:
            return self._titles[names.index(close[0])].object
        return self._chance.choice(self._titles).object if self._titles else None


class Raw:
    """rapidfuzz's WRatio over all names, threshold 60, and nothing else."""

    def __init__(self, titles: Sequence[Title]) -> None:
        pairs = [
            (text.lower(), title.object)
            for title in titles
            for text in {title.title, title.romanized, *title.alternatives}
            if text
        ]
        self._names = [name for name, _ in pairs]
        self._objects = [name for _, name in pairs]

    def answer(self, text: str) -> str | None:
        """Return the object played, or None."""
        found = process.extractOne(
            text.lower(), self._names, scorer=fuzz.WRatio, score_cutoff=_THRESHOLD
        )
        return self._objects[found[2]] if found else None
