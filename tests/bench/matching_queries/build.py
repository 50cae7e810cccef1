"""Write ``titles.json`` and ``queries.jsonl`` from what is in ``source/``.

The queries written by hand come first, as they are; then each small program adds its share, with a
seed of its own, so that a change in one leaves the others as they were. Run it with a plain
``python3 build.py``; the result is the same on every machine.
"""

import dataclasses
import difflib
import json
import random
import re
import unicodedata
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import slips
from catalogue import SOURCE, Title, is_latin, lines, titles
from spoken_numbers import ordinals, ways

HERE = Path(__file__).parent
HAND_WRITTEN = tuple(f"asked_{part}.txt" for part in range(1, 8))
SHARES = {
    "exact": 150, "typo": 170, "asr": 150, "dropped": 90, "roman": 90, "native": 130,
    "number": 170, "absent": 130,
}  # fmt: skip
"""How many queries of a class the programs add."""
BARE = ("typo", "asr", "dropped", "roman", "absent")
SMALL_WORDS = (
    "the",
    "a",
    "an",
    "of",
    "and",
    "in",
    "on",
    "to",
    "is",
    "at",
    "by",
    "with",
    "who",
    "that",
    "his",
    "her",
    "my",
    "our",
    "ki",
    "ka",
    "ke",
    "aur",
    "ani",
    "mattu",
    "ne",
    "hai",
)
SERIES = re.compile(r"\d|Sinbad the Sailor|\bfor [A-Z][a-z]+$")
INDIAN = ("hi", "te", "kn", "ta", "ml", "bn", "mr")
Query = dict[str, Any]


def words(text: str) -> tuple[str, ...]:
    """Return the words of a text without case and punctuation; vowel signs are parts of words."""
    kept = [
        each if unicodedata.category(each)[0] in "LMN" else "" if each in "'\u2019" else " "
        for each in unicodedata.normalize("NFC", text).casefold()
    ]
    return tuple("".join(kept).split())


class Asked:
    """The queries so far: none twice, and none that says the same as another's."""

    def __init__(self, catalogue: list[Title]) -> None:
        self.catalogue = catalogue
        self.queries: list[Query] = []
        self.by_stem = {title.stem: title for title in catalogue}
        self.left_out = {words(line) for line in lines(SOURCE / "left_out.txt")}
        self._said: set[tuple[str, ...]] = set()

    def add(self, text: str, expect: object, kind: str, language: str) -> bool:
        """Add a query unless the same words were asked before; say whether it was added."""
        said = words(text)
        if said in self._said or said in self.left_out:
            return False
        self._said.add(said)
        self.queries.append({"text": text, "expect": expect, "class": kind, "language": language})
        return True


def read_hand_written(asked: Asked) -> None:
    """Add the queries written by hand; a stem that no title has is a mistake in the list.

    Half of those that were written as a bare title are asked for in a phrase.
    """
    rng = random.Random("phrases around bare titles")
    carriers = read_carriers()
    phrases = {word for said in carriers.values() for each in said for word in words(each)}
    for name in HAND_WRITTEN:
        kind = language = ""
        for line in lines(SOURCE / name):
            if line.startswith("## "):
                kind, language = line[3:].split()
                continue
            text, _, answer = line.partition(" >")
            expect = _expected(kind, answer.strip(), asked.by_stem)
            text = text.strip()
            if kind in BARE and not phrases & set(words(text)) and rng.random() < 0.5:
                script = "" if is_latin(text) else " native"
                text = around(rng.choice(carriers[f"{language} any{script}"]), text)
            if not asked.add(text, expect, kind, language):
                raise ValueError(f"{name}: asked twice: {text}")


def _expected(kind: str, answer: str, by_stem: dict[str, Title]) -> object:
    match kind:
        case "absent":
            return None
        case "control":
            return {"control": answer}
        case "generic":
            fields = [*answer.split(" ", 2), "", "", ""][:3]
            names = ("kind", "language", "category")
            slots = zip(names, fields, strict=True)
            return {"generic": {name: field for name, field in slots if field not in ("", "-")}}
        case _:
            return by_stem[answer].object


def read_carriers() -> dict[str, list[str]]:
    """Return the phrases around a title by ``language kind`` and ``language kind native``."""
    carriers: dict[str, list[str]] = {}
    said = list[str]()
    for line in lines(SOURCE / "carriers.txt"):
        if line.startswith("## "):
            said = carriers.setdefault(line[3:], [])
        else:
            said.append(line)
    return carriers


class Generator:
    """Adds the programs' shares to what was written by hand."""

    def __init__(self, asked: Asked) -> None:
        self.asked = asked
        self.carriers = read_carriers()
        self.confusions = slips.confusions()
        self.plain = [title for title in asked.catalogue if self._stands_alone(title)]
        self.indian = [title for title in self.plain if title.language in INDIAN]
        names = (words(name) for title in asked.catalogue for name in title.names())
        self.vocabulary = {word for name in names for word in name}

    def _stands_alone(self, title: Title) -> bool:
        # what is not said plainly by its title alone: parts of a series, one short word, and
        # titles that ask for something else (source/no_slips.txt)
        plain = not SERIES.search(title.stem) and len(title.romanized) > 6
        return plain and title.category != "Phonics" and title.stem not in self._delicate

    _delicate = frozenset(lines(SOURCE / "no_slips.txt"))

    def run(self) -> None:
        """Add every program's share."""
        self._share("exact", self.plain, lambda title, _: title.romanized)
        self._share("typo", self.plain, self._new_words(slips.thumb))
        english = [title for title in self.plain if title.language == "en"]
        self._share("asr", english, self._misheard, 100)
        self._share("asr", self.indian, lambda t, r: slips.misheard_indian(t.romanized, r), 50)
        self._share("roman", self.indian, lambda t, r: slips.respelled(t.romanized, r))
        self._share("dropped", self.plain, self._shortened)
        native = [title for title in self.indian if not is_latin(title.title)]
        self._share("native", native, lambda title, _: title.title, carried="native")
        self._series("number", present=True)
        self._series("absent", present=False)

    def _share(
        self,
        kind: str,
        among: list[Title],
        make: Callable[[Title, random.Random], str | None],
        share: int | None = None,
        carried: str = "",
    ) -> None:
        rng = random.Random(f"{kind} {carried} {len(among)} {share}")
        wanted = share or SHARES[kind]
        for title in rng.sample(among, k=len(among)):
            text = make(title, rng)
            if text is None or self._says_another(text, title):
                continue
            language, carrier = self._carrier(title, rng, carried)
            spoken = around(carrier, text if rng.random() < 0.2 else text.lower())
            wanted -= self.asked.add(spoken, title.object, kind, language)
            if not wanted:
                return
        raise ValueError(f"{kind}: the programs found {wanted} queries too few")

    def _carrier(self, title: Title, rng: random.Random, carried: str) -> tuple[str, str]:
        own = title.language if title.language in INDIAN else "en"
        language = own
        if not carried and rng.random() < 0.3:
            language = rng.choice(("en", "hi")) if own != "en" else rng.choice(INDIAN[:4])
        carrier = rng.choice(self.carriers[f"{language} {title.kind} {carried}".strip()])
        return own if carrier == "{}" else language, carrier

    def _says_another(self, text: str, title: Title) -> bool:
        """Whether ``text`` is within another title, or as close to one: nobody could tell."""
        said = {word for word in words(text) if word not in SMALL_WORDS}
        own = max(_likeness(text, name) for name in title.names())
        return any(
            said <= set(words(name)) or _likeness(text, name, own - 0.06) >= own - 0.06
            for other in self.asked.catalogue
            if other is not title
            for name in other.names()
        )

    def _new_words(
        self, slip: Callable[[str, random.Random], str | None]
    ) -> Callable[[Title, random.Random], str | None]:
        def make(title: Title, rng: random.Random) -> str | None:
            text = slip(title.romanized, rng)
            if text is None:
                return None
            new = set(words(text)) - set(words(title.romanized))
            return None if new & self.vocabulary else text  # a slip that makes another title's word

        return make

    def _misheard(self, title: Title, rng: random.Random) -> str | None:
        return slips.misheard(title.romanized, self.confusions, rng)

    def _shortened(self, title: Title, rng: random.Random) -> str | None:
        return slips.shortened(title.romanized, rng, SMALL_WORDS)

    def _series(self, kind: str, *, present: bool) -> None:
        rng = random.Random(f"{kind} series")
        asked = [
            (stem, numbers, language, phrase)
            for stem, numbers, language, phrase in read_series()
            for _ in range(14)
        ]
        rng.shuffle(asked)
        wanted = SHARES[kind]
        for stem, numbers, language, phrase in asked:
            number = rng.choice(numbers) if present else _missing(numbers, rng)
            text = _with_number(phrase, number, language, rng)
            expect = self.asked.by_stem[stem.format(n=number)].object if present else None
            wanted -= self.asked.add(text, expect, kind, language)
            if not wanted:
                return
        raise ValueError(f"{kind}: the series gave {wanted} queries too few")


def around(carrier: str, text: str) -> str:
    """Put a phrase around a title without saying a word twice where they meet."""
    before, _, after = carrier.partition("{}")
    if before.lower().endswith(" the ") and text.lower().startswith("the "):
        text = text[4:]
    said = after.split()
    if said and said[0] == text.lower().split()[-1]:
        after = after.replace(" " + said[0], "", 1)
    return before + text + after


def _likeness(text: str, name: str, least: float = 0.0) -> float:
    """Return how alike two texts are in letters, 0..1; 0 where it cannot reach ``least``."""
    matcher = difflib.SequenceMatcher(None, " ".join(words(text)), " ".join(words(name)), False)
    if matcher.real_quick_ratio() < least or matcher.quick_ratio() < least:
        return 0.0
    return matcher.ratio()


def read_series() -> Iterator[tuple[str, list[int], str, str]]:
    """Yield each phrase of ``series.txt`` with its series' stem and numbers."""
    stem, numbers = "", list[int]()
    for line in lines(SOURCE / "series.txt"):
        if line.startswith("## "):
            stem, _, members = line[3:].rpartition(" ")
            first, dots, last = members.partition("..")
            known = range(int(first), int(last) + 1) if dots else map(int, members.split(","))
            numbers = list(known)
        elif not line.startswith("#"):
            language, phrase = line.split(" | ")
            yield stem, numbers, language, phrase


def _missing(numbers: list[int], rng: random.Random) -> int:
    gaps = [number for number in range(1, numbers[-1]) if number not in numbers]
    beyond = range(numbers[-1] + 1, numbers[-1] + 12)
    return rng.choice([*gaps, *beyond])


def _with_number(phrase: str, number: int, language: str, rng: random.Random) -> str:
    if "{th}" in phrase:
        return phrase.replace("{th}", rng.choice(ordinals(number)))
    latin = is_latin(phrase.replace("{}", ""))
    said = ways(number, language, latin=latin)
    # an English episode keeps its English number in a sentence of another language
    english = any(word in phrase for word in ("episode", "chapter", "part", "times", "table"))
    return phrase.format(rng.choice(ways(number, "en", latin=True) if latin and english else said))


def main() -> None:
    """Write both files."""
    catalogue = titles()
    asked = Asked(catalogue)
    read_hand_written(asked)
    Generator(asked).run()
    rows = [json.dumps(dataclasses.asdict(title), ensure_ascii=False) for title in catalogue]
    (HERE / "titles.json").write_text("[\n" + ",\n".join(rows) + "\n]\n", encoding="utf-8")
    with (HERE / "queries.jsonl").open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(each, ensure_ascii=False) + "\n" for each in asked.queries)


if __name__ == "__main__":
    main()
