"""How often the right title is played: ours beside the original's method and a bare scorer.

Run by hand: ``.venv/bin/python tests/bench/matching.py [--queries FOLDER] [--titles N]``. The
folder holds ``titles.json`` and ``queries.jsonl``; without one, calibration titles are asked for as
they are, which shows that it runs and no more. ``--titles`` adds made titles up to that number.
"""

import argparse
import json
import resource
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
from matching_calibration import calibration_titles
from matching_others import Original, Raw
from matching_padding import made_titles
from rich.console import Console
from rich.table import Table

from rhapsode.codecs.catalogue.answers import Ask, Control, Play
from rhapsode.codecs.catalogue.matching import Catalogue
from rhapsode.codecs.catalogue.titles import Title


@dataclass
class Query:
    """A request and what should become of it."""

    text: str
    expect: Any
    sort: str
    language: str = ""


@dataclass
class Tally:
    """What became of the requests of one class."""

    counts: dict[str, int] = field(default_factory=dict)
    times_ms: list[float] = field(default_factory=list)

    def add(self, outcome: str, took_ms: float) -> None:
        """Count one request."""
        self.counts[outcome] = self.counts.get(outcome, 0) + 1
        self.times_ms.append(took_ms)

    def percent(self, outcome: str) -> str:
        """Return a share of all requests."""
        return f"{100 * self.counts.get(outcome, 0) / max(1, len(self.times_ms)):.1f}"

    def quantile_ms(self, share: float) -> str:
        """Return what so many were faster than."""
        ordered = sorted(self.times_ms)
        return f"{ordered[min(len(ordered) - 1, int(share * len(ordered)))]:.2f}"


Said = tuple[str, tuple[str, ...]]
"""Outcome (play, ask, not found, control:<action>) and the objects it names."""


def ours(catalogue: Catalogue, query: Query) -> Said:
    """Return our answer."""
    answer = catalogue.answer(query.text)
    if isinstance(answer, Control):
        return f"control:{answer.action}", ()
    if isinstance(answer, Play | Ask):
        named = tuple(title.object for title in answer.titles)
        return ("play" if isinstance(answer, Play) else "ask"), named
    return "not found", ()


def judged(query: Query, said: Said, by_object: dict[str, Title]) -> str:
    """Return right, wrong, ask, ask wrong, not found, or accepted (an absent title was played)."""
    outcome, objects = said
    expect = query.expect
    if isinstance(expect, dict) and "control" in expect:
        meant = outcome.replace("control:position", "control:seek")
        if meant == f"control:{expect['control']}":
            return "right"
        return "wrong" if outcome == "play" else "not found"
    if expect is None:
        return {"play": "accepted", "ask": "ask wrong"}.get(outcome, "right")
    if outcome == "play":
        return "right" if _is_meant(expect, by_object[objects[0]]) else "wrong"
    if outcome == "ask":
        meant = any(_is_meant(expect, by_object[each]) for each in objects)
        return "ask" if meant else "ask wrong"
    return "not found" if outcome == "not found" else "wrong"


def _is_meant(expect: Any, title: Title) -> bool:
    if isinstance(expect, str):
        return title.object == expect
    wanted: dict[str, str] = expect["generic"]
    return all(getattr(title, name).lower() == value.lower() for name, value in wanted.items())


def load(folder: str) -> tuple[list[Title], list[Query]]:
    """Return titles and queries of a folder, or a few of our own."""
    if not folder:
        titles = calibration_titles()
        return titles, [Query(f"play {title.title}", title.object, "exact") for title in titles]
    raw = json.loads((Path(folder) / "titles.json").read_text())
    titles = [msgspec.convert(each, Title) for each in raw]
    lines = (Path(folder) / "queries.jsonl").read_text().splitlines()
    rows = [json.loads(line) for line in lines if line.strip()]
    return titles, [
        Query(row["text"], row["expect"], row["class"], row.get("language", "")) for row in rows
    ]


def measure(
    name: str,
    answer: Callable[[Query], Said],
    queries: Sequence[Query],
    by_object: dict[str, Title],
    table: Table,
    misses: list[str],
) -> None:
    """Add the rows of one method to the table."""
    tallies: dict[str, Tally] = {}
    for query in queries:
        started = time.perf_counter()
        said = answer(query)
        took_ms = 1000 * (time.perf_counter() - started)
        outcome = judged(query, said, by_object)
        for sort in (query.sort, "all"):
            tallies.setdefault(sort, Tally()).add(outcome, took_ms)
        if outcome != "right":
            misses.append(
                f"{name} | {query.sort} | {outcome} | {query.text} | {query.expect} | {said}"
            )
    present = Tally()
    for query_sort, tally in tallies.items():
        if query_sort not in {"absent", "generic", "control", "all"}:
            for outcome, count in tally.counts.items():
                present.counts[outcome] = present.counts.get(outcome, 0) + count
            present.times_ms += tally.times_ms
    if present.times_ms:
        tallies["present"] = present
    outcomes = ("right", "wrong", "accepted", "ask", "ask wrong", "not found")
    for sort in sorted(tallies, key=lambda each: (each in {"present", "all"}, each)):
        tally = tallies[sort]
        shares = [tally.percent(each) for each in outcomes]
        times = [tally.quantile_ms(0.5), tally.quantile_ms(0.99)]
        table.add_row(name, sort, str(len(tally.times_ms)), *shares, *times)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--queries", default="")
    parser.add_argument("--titles", type=int, default=0, help="fill the catalogue up to so many")
    parser.add_argument("--only-ours", action="store_true")
    parser.add_argument("--misses", default="", help="file to write what was not right to")
    options = parser.parse_args()
    titles, queries = load(options.queries)
    titles += made_titles(max(0, options.titles - len(titles)))
    by_object = {title.object: title for title in titles}
    before_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    started = time.perf_counter()
    catalogue = Catalogue(titles)
    built_s = time.perf_counter() - started
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    columns = "method class queries right wrong accepted ask ask-wrong not-found p50-ms p99-ms"
    table = Table(
        *columns.split(),
        title=f"{len(titles)} titles, index built in {built_s:.1f} s, peak memory "
        f"{peak_mb:.0f} MB ({peak_mb - before_mb:.0f} MB more than before); shares in %",
    )
    misses: list[str] = []
    measure("ours", lambda query: ours(catalogue, query), queries, by_object, table, misses)
    if not options.only_ours:
        original, raw = Original(titles), Raw(titles)
        for name, method in (("original", original.answer), ("WRatio", raw.answer)):

            def said(query: Query, method: Callable[[str], str | None] = method) -> Said:
                found = method(query.text)
                return ("play", (found,)) if found else ("not found", ())

            measure(name, said, queries, by_object, table, misses)
    Console(width=140).print(table)
    if options.misses:
        Path(options.misses).write_text("\n".join(misses) + "\n")


if __name__ == "__main__":
    main()
