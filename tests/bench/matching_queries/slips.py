"""How a title goes wrong on its way in: under a thumb, in a recogniser, in somebody's own spelling.

Each program is small and different, takes its own ``random.Random``, and returns ``None`` where
it has nothing to change. None of them knows how a title will be matched.
"""

import random
import re
from collections.abc import Sequence

from catalogue import SOURCE, lines

NEIGHBOURS = {
    "a": "sq", "b": "vn", "c": "xv", "d": "sf", "e": "wr", "f": "dg", "g": "fh", "h": "gj",
    "i": "uo", "j": "hk", "k": "jl", "l": "k", "m": "n", "n": "bm", "o": "ip", "p": "o",
    "q": "wa", "r": "et", "s": "ad", "t": "ry", "u": "yi", "v": "cb", "w": "qe", "x": "zc",
    "y": "tu", "z": "x",
}  # fmt: skip
"""Keys a thumb hits instead, on a QWERTY keyboard."""

ASPIRATES = (("chh", "ch"), ("bh", "b"), ("dh", "d"), ("kh", "k"), ("gh", "g"), ("th", "t"))
SOFTENED = (("sh", "s"), ("z", "j"), ("v", "w"), ("ph", "f"), ("n ", " "), ("zh", "l"))
SPELLINGS = tuple(
    (re.compile(old), new)
    for old, new in (
        (r"aa", "a"), (r"ee", "i"), (r"oo", "u"), (r"ai\b", "ay"), (r"au", "ou"),
        (r"(?<!a)a\b", "aa"), (r"(?<![aeiou])i\b", "ee"), (r"(?<![aeiou])u\b", "oo"),
        (r"(?<=[^aeiou])a(?=[^aeiou]h?[aeiou])", "aa"),
        (r"(?<!t)th", "t"), (r"(?<!t)t(?![th])", "th"),
        (r"(?<!d)dh", "d"), (r"(?<!d)d(?![dh])", "dh"), (r"v", "w"), (r"sh", "s"), (r"ph", "f"),
        (r"j(?!h)", "z"), (r"chh", "ch"), (r"(?<!c)ch(?!h)", "chh"), (r"ksh", "x"), (r"kh", "k"),
        (r"gh", "g"), (r"zh", "l"), (r"([tklmnp])\1", r"\1"), (r"\by", "ye"),
    )
)  # fmt: skip
"""Ways in which two people write the same sound of an Indian language in Latin letters."""


def thumb(text: str, rng: random.Random) -> str | None:
    """Slip once, or in two words of a long title, as a thumb does."""
    words = text.lower().split()
    long = [place for place, word in enumerate(words) if len(word) > 3 and word.isalpha()]
    if not long:
        return None
    for place in rng.sample(long, k=1 if len(text) < 16 else min(2, len(long))):
        words[place] = _slip(words[place], rng)
    if len(words) > 2 and rng.random() < 0.06:
        place = rng.randrange(len(words) - 1)
        words[place : place + 2] = [words[place] + words[place + 1]]
    return _changed(text, " ".join(words))


def _slip(word: str, rng: random.Random) -> str:
    at = rng.randrange(1, len(word))  # the first letter is looked at while it is typed
    match rng.choice(("near", "near", "swap", "leave", "leave", "double")):
        case "near" if word[at] in NEIGHBOURS:
            return word[:at] + rng.choice(NEIGHBOURS[word[at]]) + word[at + 1 :]
        case "swap" if at + 1 < len(word):
            return word[:at] + word[at + 1] + word[at] + word[at + 2 :]
        case "double":
            return word[:at] + word[at] + word[at:]
        case _:
            return word[:at] + word[at + 1 :]


def confusions() -> dict[str, list[str]]:
    """Read which written words stand for which heard one."""
    table: dict[str, list[str]] = {}
    for line in lines(SOURCE / "confusions.txt"):
        if not line.startswith("#"):
            heard, written = line.split(" = ")
            table[heard] = written.split(", ")
    return table


def misheard(text: str, table: dict[str, list[str]], rng: random.Random) -> str | None:
    """Write one or two words of an English title as a recogniser does that missed them."""
    words = text.lower().split()
    known = [place for place, word in enumerate(words) if word in table]
    content = [place for place in known if len(words[place]) > 3]
    if not content:
        return None
    for place in {rng.choice(content), *rng.sample(known, k=min(1, len(known) - 1))}:
        words[place] = rng.choice(table[words[place]])
    return _changed(text, " ".join(words))


def misheard_indian(text: str, rng: random.Random) -> str | None:
    """Lose an aspirate, soften a consonant, cut a long word in two or join two short ones."""
    heard = text.lower()
    losses = [pair for pair in ASPIRATES if pair[0] in heard]
    if losses:
        heard = heard.replace(*rng.choice(losses), 1)
    softer = [pair for pair in SOFTENED if pair[0] in heard[1:]]
    if softer and rng.random() < 0.6:
        heard = heard[0] + heard[1:].replace(*rng.choice(softer), 1)
    words = heard.split()
    longest = max(range(len(words)), key=lambda place: len(words[place]))
    if len(words[longest]) > 7:
        words[longest] = re.sub(r"^(.{3,}?[aeiou])(?=[^aeiou]h?[aeiou].)", r"\1 ", words[longest])
    elif len(words) > 2 and len(words[1] + words[2]) < 7:
        words[1:3] = [words[1] + words[2]]
    return _changed(text, " ".join(words))


def respelled(text: str, rng: random.Random) -> str | None:
    """Spell two or three sounds of an Indian title in another of the usual ways."""
    spelled = text.lower()
    for _ in range(rng.choice((2, 2, 3))):
        usable = [pair for pair in SPELLINGS if pair[0].search(spelled, 1)]
        if not usable:
            break
        sound, new = rng.choice(usable)
        found = rng.choice(list(sound.finditer(spelled, 1)))
        spelled = spelled[: found.start()] + found.expand(new) + spelled[found.end() :]
    return _changed(text, spelled)


def shortened(text: str, rng: random.Random, small: Sequence[str]) -> str | None:
    """Leave out the small words, or one word at an end, as people do who half remember."""
    words = text.lower().split()
    if len(words) < 3:
        return None
    if rng.random() < 0.5:
        left = [word for word in words if word not in small]
    else:
        left = words[1:] if rng.random() < 0.4 else words[:-1]
    while left and left[-1] in small:
        left.pop()
    while left and left[0] in small:
        left.pop(0)
    if len({word for word in left if word not in small}) < 2 or len(" ".join(left)) < 9:
        return None
    return _changed(text, " ".join(left))


def _changed(before: str, after: str) -> str | None:
    return after if after != before.lower() else None
