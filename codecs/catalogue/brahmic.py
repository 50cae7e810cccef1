"""Indian scripts in Latin letters, with the vowels that are heard and not written.

The nine scripts that Unicode took over from ISCII share one layout (The Unicode Standard, chapter
12): the same sound has the same place in each block, so one table serves all. General libraries
give the letters alone ("bndr" for "bandar"); people type what they hear.
"""

# ruff: noqa: SIM905 - tables of letters in their order

_FIRST_BLOCK = 0x0900
_BLOCK_SIZE = 0x80
_NORTHERN = frozenset((0, 1, 2, 3))
"""Devanagari, Bengali, Gurmukhi, Gujarati: the inherent vowel falls silent at a word's end."""
_BENGALI = 1
_LAST_BLOCK = 8

_VIRAMA, _NUKTA, _ANUSVARA, _VISARGA = 0x4D, 0x3C, 0x02, 0x03
_NASALS = frozenset((0x00, 0x01, _ANUSVARA, 0x70))
"""Candrabindu, anusvara, and Gurmukhi's tippi."""

_VOWELS = dict(
    zip(range(0x05, 0x15), "a aa i ii u uu ri li e e e ai o o o au".split(" "), strict=True)
)
_VOWEL_SIGNS = dict(
    zip(range(0x3E, 0x4D), "aa i ii u uu ri ri e e e ai o o o au".split(" "), strict=True)
)
_CONSONANTS = dict(
    zip(
        range(0x15, 0x3A),
        (
            "k kh g gh n ch chh j jh n t th d dh n t th d dh n n p ph b bh m "
            "y r r l l zh v sh sh s h"
        ).split(" "),
        strict=True,
    )
)
_WITH_NUKTA = {0x1C: "z", 0x21: "r", 0x22: "rh", 0x2B: "f", 0x2F: "y"}
"""Sounds that a dot below changes; others keep theirs."""
_SINGLE = {
    0x09CE: "t",  # Bengali khanda ta
    0x0950: "om",
    0x0BD0: "om",
    0x0D7A: "n",  # Malayalam chillu letters: consonants without a vowel
    0x0D7B: "n",
    0x0D7C: "r",
    0x0D7D: "l",
    0x0D7E: "l",
    0x0D7F: "k",
}

Syllable = tuple[str, str, bool]
"""Consonants before the vowel, the vowel, and whether it is the inherent one."""


def is_brahmic(char: str) -> bool:
    """Return whether the character is of one of the nine scripts."""
    return 0 <= (ord(char) - _FIRST_BLOCK) // _BLOCK_SIZE <= _LAST_BLOCK


def romanize_word(word: str) -> str:
    """Return a word of one script (NFKC) in Latin letters; what is none of its letters falls out.

    Silent inherent vowels are left out where the language leaves them out: at the end of words of
    the northern scripts, and inside between two sounded syllables ("lak(a)di").
    """
    block = (ord(word[0]) - _FIRST_BLOCK) // _BLOCK_SIZE if word else 0
    syllables = _syllables(word, block)
    if block in _NORTHERN:
        syllables = _without_silent_vowels(syllables)
    inherent = "o" if block == _BENGALI else "a"
    return "".join(
        consonants + (inherent if is_inherent and vowel else vowel)
        for consonants, vowel, is_inherent in syllables
    )


def _syllables(word: str, block: int) -> list[Syllable]:
    found: list[Syllable] = []
    pending = ""
    open_consonant = False
    for index, char in enumerate(word):
        code = ord(char)
        place = (code - _FIRST_BLOCK) % _BLOCK_SIZE
        if place in _CONSONANTS and code not in _SINGLE:
            if open_consonant:
                found.append((pending, "a", True))
                pending = ""
            with_nukta = index + 1 < len(word) and _place(word[index + 1]) == _NUKTA
            pending += _consonant(place, block, with_nukta, after_virama=pending != "")
            open_consonant = True
        elif place == _VIRAMA:
            open_consonant = False
        elif place in _VOWEL_SIGNS and open_consonant:
            found.append((pending, _VOWEL_SIGNS[place], False))
            pending, open_consonant = "", False
        else:
            sound = _sound(code, place, block, is_last=index + 1 == len(word))
            if sound is None:
                continue
            if open_consonant:
                found.append((pending, "a", True))
                pending, open_consonant = "", False
            found.append((pending, sound, False))
            pending = ""
    if pending:
        found.append((pending, "a" if open_consonant else "", True))
    return found


def _place(char: str) -> int:
    return (ord(char) - _FIRST_BLOCK) % _BLOCK_SIZE


def _consonant(place: int, block: int, with_nukta: bool, *, after_virama: bool) -> str:
    if with_nukta and place in _WITH_NUKTA:
        return _WITH_NUKTA[place]
    if block == _BENGALI and place == 0x2F and not after_virama:
        return "j"
    return _CONSONANTS[place]


def _sound(code: int, place: int, block: int, *, is_last: bool) -> str | None:
    """Return what a sign other than consonant, vowel sign and virama sounds like, if anything."""
    if code in _SINGLE:
        return _SINGLE[code]
    if place in _NASALS:
        return "m" if is_last and block not in _NORTHERN else "n"
    if place == _VISARGA:
        return "h"
    return _VOWELS.get(place)


def _without_silent_vowels(syllables: list[Syllable]) -> list[Syllable]:
    """Leave out inherent vowels: last in a word, or between a vowel and a sounded syllable."""
    kept = list(syllables)
    last = len(kept) - 1
    if last > 0 and kept[last][2] and len(kept[last][0].replace("h", "")) <= 1:
        kept[last] = (kept[last][0], "", True)
    for index in range(last - 1, 0, -1):
        consonants, vowel, is_inherent = kept[index]
        sounded_after = bool(kept[index + 1][1]) and bool(kept[index + 1][0])
        sounded_before = bool(kept[index - 1][1])
        single = len(consonants.replace("h", "")) == 1
        if is_inherent and vowel and single and sounded_before and sounded_after:
            kept[index] = (consonants, "", True)
    return kept
