"""Marks and scripts: which characters end, join or separate what is spoken."""

import unicodedata

# ruff: noqa: RUF001 - look-alikes are the subject here

TERMINATORS = frozenset(".!?…‼⁇⁈⁉。．！？｡।॥؟۔։።፧၊။។៕")
"""What a sentence may end with (the common ones of Unicode's Sentence_Terminal)."""
SPACELESS_TERMINATORS = TERMINATORS - frozenset(".!?…‼⁇⁈⁉")
"""Those that end a sentence even where no space follows."""
DASHES = frozenset("—―")
SPACED_DASHES = frozenset("–-")
NUMBER_MARKS = frozenset("．，：")
"""Marks that stay inside a number, between full-width digits."""
SPACELESS_CLAUSE_MARKS = frozenset("、，；：،؛")
CLAUSE_MARKS = frozenset(",;:–") | DASHES | SPACELESS_CLAUSE_MARKS
CLOSERS = frozenset("\"'”’»›)]}」』】〉》〕｣）］｝*_`")
OPENERS = frozenset("\"'“‘„‚«‹([{「『【〈《〔｢（［｛¿¡*_`")
CLOSERS_AFTER_MARK = CLOSERS | frozenset("“‘")
"""With the marks that close a quotation in German and open one elsewhere."""

QUOTING_PARTICLES = frozenset("とっ")
"""What makes a Japanese quotation part of its sentence."""

_SPACELESS = (
    (0x0E00, 0x0EFF),  # Thai, Lao
    (0x1000, 0x109F),  # Myanmar
    (0x1780, 0x17FF),  # Khmer
    (0x3005, 0x3007),
    (0x3040, 0x312F),  # kana, Bopomofo
    (0x31F0, 0x31FF),
    (0x3400, 0x4DBF),
    (0x4E00, 0x9FFF),
    (0xF900, 0xFAFF),
    (0xFF66, 0xFF9F),
    (0x20000, 0x3FFFF),
)
_NOT_AT_LINE_START = frozenset("々ーぁぃぅぇぉっゃゅょゎァィゥェォッャュョヮ")


def units_of(char: str) -> int:
    """Return how long a character takes to speak, in Latin letters."""
    if char < "\u3000":
        return 3 if char.isdigit() else 1
    if "\u3040" <= char <= "\u30ff":
        return 2
    return 3 if _is_han(char) or "\uac00" <= char <= "\ud7a3" else 1


def is_audible(char: str) -> bool:
    """Return whether a voice speaks the character: a letter, digit or symbol, no punctuation."""
    return char.isalnum() or (not char.isspace() and unicodedata.category(char)[0] not in "PZC")


def is_written_without_spaces(char: str) -> bool:
    """Return whether the character's script puts no space between words."""
    if char < "\u0e00":
        return False
    code = ord(char)
    return any(first <= code <= last for first, last in _SPACELESS)


def divides_word(before: str, after: str) -> bool:
    """Return whether a line may break here within a run of Chinese or Japanese.

    Between two Han characters, and where a Japanese phrase ends: after hiragana, before others.
    """
    if after in _NOT_AT_LINE_START or not is_written_without_spaces(after):
        return False
    if _is_han(before):
        return _is_han(after)
    return _is_hiragana(before) and not _is_hiragana(after)


def is_phrase_end(before: str) -> bool:
    """Return whether a break after this character is between phrases rather than Han letters."""
    return not _is_han(before)


def _is_han(char: str) -> bool:
    return "\u3400" <= char <= "\u9fff" or "\uf900" <= char <= "\ufaff" or char >= "\U00020000"


def _is_hiragana(char: str) -> bool:
    return "\u3040" <= char <= "\u309f"
