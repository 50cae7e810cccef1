"""Requests made from titles with errors people and recognisers make; seeded, for calibration."""

import random
from collections.abc import Callable

_NEIGHBOURS = {
    "a": "sqe", "b": "vn", "c": "xvk", "d": "sft", "e": "wri", "f": "dgp", "g": "fhk", "h": "gj",
    "i": "uoe", "j": "hkz", "k": "jlc", "l": "kor", "m": "nb", "n": "mb", "o": "ipu", "p": "ob",
    "q": "wa", "r": "etl", "s": "adz", "t": "ryd", "u": "yio", "v": "cbw", "w": "qev", "x": "zc",
    "y": "tui", "z": "xsj",
}  # fmt: skip
_HEARD = (
    ("th", "d"), ("v", "w"), ("w", "v"), ("ph", "f"), ("b", "p"), ("p", "b"), ("d", "t"),
    ("g", "k"), ("ee", "i"), ("oo", "u"), ("ai", "e"), ("ea", "e"), ("ck", "k"), ("s", "sh"),
    ("sh", "s"), ("er", "a"), ("l", "r"), ("i", "ee"), ("u", "oo"), ("ing", "in"), ("z", "j"),
    ("c", "k"), ("n", "m"), ("o", "a"),
)  # fmt: skip
_SPELLED = (
    ("aa", "a"), ("a", "aa"), ("ee", "i"), ("i", "ee"), ("oo", "u"), ("u", "oo"), ("w", "v"),
    ("v", "w"), ("sh", "s"), ("th", "t"), ("t", "th"), ("d", "dh"), ("ch", "chh"), ("z", "j"),
    ("ai", "e"), ("au", "o"), ("k", "kk"), ("f", "ph"), ("i", "y"),
)  # fmt: skip
CARRIERS = (
    "play {}", "play {} please", "can you play {}", "{}", "i want to hear {}", "put on {}",
    "{} bajao", "{} sunao", "mujhe {} sunna hai", "{} lagao na", "{} paadu", "{} haadu haaku",
    "please start {}", "play the song {}", "{} chalao", "{} shonao", "{} podu",
)  # fmt: skip


def typo(text: str, chance: random.Random) -> str:
    """Return a text with one wrong key, letter left out, doubled or swapped."""
    places = [at for at, char in enumerate(text) if char.lower() in _NEIGHBOURS]
    if len(places) < 4:
        return text
    at = chance.choice(places)
    kind = chance.randrange(4)
    if kind == 0:
        return text[:at] + chance.choice(_NEIGHBOURS[text[at].lower()]) + text[at + 1 :]
    if kind == 1:
        return text[:at] + text[at + 1 :]
    if kind == 2:
        return text[:at] + text[at] + text[at:]
    return text[:at] + text[at : at + 2][::-1] + text[at + 2 :]


def two_typos(text: str, chance: random.Random) -> str:
    """Return a text with two typos."""
    return typo(typo(text, chance), chance)


def heard(text: str, chance: random.Random) -> str:
    """Return a text as a recogniser may hear it: two sounds confused, words joined or cut."""
    text = _replaced(_replaced(text.lower(), _HEARD, chance), _HEARD, chance)
    spaces = [at for at, char in enumerate(text) if char == " "]
    if spaces and chance.random() < 0.3:
        at = chance.choice(spaces)
        text = text[:at] + text[at + 1 :]
    return text


def respelled(text: str, chance: random.Random) -> str:
    """Return a text in another Latin spelling of the same sounds."""
    for _ in range(3):
        text = _replaced(text.lower(), _SPELLED, chance)
    return text


def dropped(text: str, chance: random.Random) -> str:
    """Return a text of three words or more without one of them."""
    words = text.split()
    if len(words) < 3:
        return text
    del words[chance.randrange(len(words))]
    return " ".join(words)


def exchanged(text: str, other: str, chance: random.Random) -> str:
    """Return a text with one long word exchanged for one of another title, or nothing."""
    words = text.split()
    ours = [at for at, word in enumerate(words) if len(word) > 3]
    theirs = [word for word in other.split() if len(word) > 3 and word not in words]
    if len(words) < 2 or not ours or not theirs:
        return ""
    words[chance.choice(ours)] = chance.choice(theirs)
    return " ".join(words)


def _replaced(text: str, pairs: tuple[tuple[str, str], ...], chance: random.Random) -> str:
    fitting = [pair for pair in pairs if pair[0] in text]
    if not fitting:
        return text
    there, said = chance.choice(fitting)
    places = [at for at in range(len(text)) if text.startswith(there, at)]
    at = chance.choice(places)
    return text[:at] + said + text[at + len(there) :]


ERRORS: dict[str, Callable[[str, random.Random], str]] = {
    "exact": lambda text, _: text,
    "typo": typo,
    "two typos": two_typos,
    "asr": heard,
    "roman": respelled,
    "dropped": dropped,
}
