"""What thresholds make matching sure enough: each title asked for, there and not there.

Titles are in ``matching_calibration.tsv`` (folder, title, alternatives), and none of them is in
the test set. Five times a fifth of them is taken out of the catalogue and asked for all the same:
whatever is then played is wrong. Run by hand:
``.venv/bin/python tests/bench/matching_calibration.py``.
"""

import argparse
import json
import random
from collections import Counter
from pathlib import Path
from typing import Any

from matching_errors import CARRIERS, ERRORS, exchanged
from matching_padding import made_titles
from rich.console import Console

from rhapsode.codecs.catalogue import matching
from rhapsode.codecs.catalogue.answers import Answer, Ask, Play
from rhapsode.codecs.catalogue.matching import Catalogue
from rhapsode.codecs.catalogue.titles import Title, read_metadata

FOLDS = 5


def calibration_titles() -> list[Title]:
    """Return the titles of the file, as a catalogue has them."""
    folders: dict[str, dict[str, Any]] = {}
    for line in Path(__file__).with_suffix(".tsv").read_text().splitlines():
        folder, title, alternatives = line.split("\t")
        names = [each for each in alternatives.split("|") if each]
        entry = {"filename": f"{title}.mp3", "alternatives": names}
        folders.setdefault(folder, {})[title] = entry
    read = [
        read_metadata(folder, json.dumps(all_of).encode()) for folder, all_of in folders.items()
    ]
    return [title for titles, _ in read for title in titles]


def outcome(answer: Answer, wanted: str | None) -> str:
    """Return in a word what became of a request."""
    if isinstance(answer, Play):
        return "right" if answer.titles[0].object == wanted else "wrong"
    if isinstance(answer, Ask):
        there = wanted in [title.object for title in answer.titles]
        return "ask" if there else "ask wrong"
    return "not found" if wanted else "right"


def main() -> None:
    """Print a table for the thresholds as they are, or others."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--titles", type=int, default=0, help="made titles among the others")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--show", default="", help="outcome to show requests of")
    parser.add_argument("--thresholds", nargs=4, type=float)
    options = parser.parse_args()
    if options.thresholds:
        names = ("PLAY_STRENGTH", "ASK_STRENGTH", "MARGIN", "RIVAL_WITHIN")
        for name, value in zip(names, options.thresholds, strict=True):
            setattr(matching, name, value)
    say = Console(width=200, markup=False, highlight=False).print
    chance = random.Random(options.seed)
    titles = calibration_titles()
    chance.shuffle(titles)
    padding = made_titles(options.titles)
    rows: dict[str, Counter[str]] = {}
    for fold in range(FOLDS):
        absent = titles[fold::FOLDS]
        catalogue = Catalogue([*padding, *(title for title in titles if title not in absent)])
        for title in titles:
            for kind, error in ERRORS.items():
                name = chance.choice([title.title, *title.alternatives[:1]])
                text = chance.choice(CARRIERS).format(error(name, chance))
                answer = catalogue.answer(text)
                wanted = None if title in absent else title.object
                word = outcome(answer, wanted)
                rows.setdefault(kind if wanted else "absent", Counter())[word] += 1
                if word == options.show:
                    say(
                        kind,
                        "|",
                        text,
                        "|",
                        title.title,
                        "|",
                        wanted is None,
                        answer.candidates[:3],
                        answer.slots.title,
                    )
        for title in titles:
            text = exchanged(title.title, chance.choice(titles).title, chance)
            if text:
                answer = catalogue.answer(chance.choice(CARRIERS).format(text))
                word = outcome(answer, None)
                rows.setdefault("exchanged", Counter())[word] += 1
    for kind, counts in rows.items():
        total = sum(counts.values())
        shares = ", ".join(
            f"{word} {100 * count / total:.1f} %" for word, count in counts.most_common()
        )
        say(f"{kind:10} {total:5}: {shares}")


if __name__ == "__main__":
    main()
