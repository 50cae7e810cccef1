"""Check the catalogue and the queries, and count them: ``python3 check.py`` ends with 1 on a fault.

Nothing but Python is needed, and nothing of the package is imported: these files must be right
whatever reads them.
"""

import json
import sys
import unicodedata
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
LANGUAGES = frozenset(("en", "hi", "te", "kn", "ta", "ml", "bn", "mr", "sa"))
"""``sa`` is Sanskrit: slokas, and requests that are nothing but a sloka's name."""
TITLE_FIELDS = ["object", "title", "romanized", "alternatives", "kind", "language", "category"]
NAMES = ("title", "romanized")
QUERY_FIELDS = ["text", "expect", "class", "language"]
CONTROLS = frozenset(
    (
        "next",
        "previous",
        "pause",
        "resume",
        "stop",
        "repeat",
        "shuffle",
        "volume_up",
        "volume_down",
        "volume",
        "sleep",
        "seek",
    )
)
LEAST = {
    "exact": 150, "typo": 150, "asr": 150, "dropped": 150, "roman": 150, "native": 150,
    "number": 150, "absent": 400, "generic": 150, "control": 150,
}  # fmt: skip
LEAST_QUERIES = 2400
LEAST_TITLES = 1200
MOST_ALTERNATIVES = 4
MOST_LETTERS = 120

Row = dict[str, Any]


def plain(text: str) -> str:
    """Return a text's letters, vowel signs and figures, so that only what is said counts."""
    kept = (
        each if unicodedata.category(each)[0] in "LMN" else "" if each in "'\u2019" else " "
        for each in unicodedata.normalize("NFC", text).casefold()
    )
    return " ".join("".join(kept).split())


def title_faults(titles: list[Row]) -> Iterator[str]:
    """Yield what is wrong with the catalogue."""
    objects = Counter(title["object"] for title in titles)
    yield from (
        f"{name}: {count} titles have this object" for name, count in objects.items() if count > 1
    )
    if len(titles) < LEAST_TITLES:
        yield f"{len(titles)} titles, {LEAST_TITLES} wanted"
    for title in titles:
        if list(title) != TITLE_FIELDS:
            yield f"{title}: the fields are {TITLE_FIELDS}"
            continue
        name, top = title["object"], title["object"].split("/")[0]
        if {"music": "music", "stories": "story"}.get(top) != title["kind"]:
            yield f"{name}: a {title['kind']} in {top}/"
        if title["language"] not in LANGUAGES or len(title["alternatives"]) > MOST_ALTERNATIVES:
            yield f"{name}: unknown language, or more than {MOST_ALTERNATIVES} alternatives"
        if not title["romanized"].isascii() or not all(
            map(plain, (title["title"], title["romanized"]))
        ):
            yield f"{name}: romanized is Latin, and no name is empty"


def query_faults(titles: list[Row], queries: list[Row]) -> Iterator[str]:
    """Yield what is wrong with the queries."""
    objects = {title["object"] for title in titles}
    said = Counter(plain(query["text"]) for query in queries)
    yield from (f"{text}: asked {count} times" for text, count in said.items() if count > 1)
    names: dict[str, set[str]] = {}
    for title in titles:
        for name in (title["title"], title["romanized"], *title["alternatives"]):
            names.setdefault(plain(name), set()).add(title["object"])
    for query in queries:
        text = query["text"]
        if list(query) != QUERY_FIELDS or query["language"] not in LANGUAGES:
            yield f"{query}: the fields are {QUERY_FIELDS}, and the language is one of ours"
        elif not plain(text) or len(text) > MOST_LETTERS or text != text.strip():
            yield f"{text!r}: empty, padded, or longer than {MOST_LETTERS} letters"
        elif (fault := _expectation_fault(query, titles, objects, names)) is not None:
            yield f"{text}: {fault}"


def _expectation_fault(
    query: Row, titles: list[Row], objects: set[str], names: dict[str, set[str]]
) -> str | None:
    kind, expect = query["class"], query["expect"]
    called = names.get(plain(query["text"]), set())
    match expect:
        case None:
            fault = kind != "absent" or called
            return f"absent, and the name of {sorted(called)}" if fault else None
        case str():
            if kind in ("absent", "generic", "control") or kind not in LEAST:
                return f"an object in class {kind}"
            return None if expect in objects and called <= {expect} else f"not (only) {expect}"
        case {"control": control}:
            return None if kind == "control" and control in CONTROLS else f"control {control}"
        case {"generic": dict(slots)}:
            fits = any(slots.items() <= title.items() for title in titles)
            known = set(slots) <= {"kind", "language", "category"}
            return None if kind == "generic" and known and fits else f"no title fits {slots}"
        case _:
            return f"not an expectation: {expect}"


def counts(queries: list[Row]) -> Iterator[str]:
    """Yield the counts by class and language as lines of a table."""
    languages = [name for name, _ in Counter(query["language"] for query in queries).most_common()]
    both = Counter((query["class"], query["language"]) for query in queries)
    yield f"{'class':9}" + "".join(f"{name:>6}" for name in languages) + f"{'all':>6}"
    for kind in LEAST:
        row = [both[kind, name] for name in languages]
        yield f"{kind:9}" + "".join(f"{each:6}" for each in row) + f"{sum(row):6}"
    row = [sum(both[kind, name] for kind in LEAST) for name in languages]
    yield f"{'all':9}" + "".join(f"{each:6}" for each in row) + f"{sum(row):6}"


def main() -> int:
    """Print faults and counts; return the exit code."""
    titles: list[Row] = json.loads((HERE / "titles.json").read_text(encoding="utf-8"))
    text = (HERE / "queries.jsonl").read_text(encoding="utf-8")
    queries: list[Row] = [json.loads(line) for line in text.splitlines()]
    faults = [*title_faults(titles), *query_faults(titles, queries)]
    by_class = Counter(query["class"] for query in queries)
    faults += [
        f"{kind}: {by_class[kind]}, {least} wanted"
        for kind, least in LEAST.items()
        if by_class[kind] < least
    ]
    if len(queries) < LEAST_QUERIES:
        faults.append(f"{len(queries)} queries, {LEAST_QUERIES} wanted")
    by_language = Counter(title["language"] for title in titles)
    by_kind = Counter(title["kind"] for title in titles)
    sys.stdout.write(f"{len(titles)} titles: {dict(by_kind)}, {dict(by_language)}\n")
    sys.stdout.writelines(f"{line}\n" for line in counts(queries))
    sys.stdout.writelines(f"fault: {fault}\n" for fault in faults)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
