"""Where text may be cut, and how good a cut there is.

sentencex decides whether a sentence ends, one candidate at a time, and is shown one letter of what
follows; so the answer never depends on text beyond it.
"""

from collections.abc import Callable
from enum import IntEnum
from typing import cast

import sentencex

from .lines import BLANK_LINE, View, line_kind
from .scripts import (
    CLAUSE_MARKS,
    CLOSERS,
    CLOSERS_AFTER_MARK,
    DASHES,
    NUMBER_MARKS,
    OPENERS,
    QUOTING_PARTICLES,
    SPACED_DASHES,
    SPACELESS_CLAUSE_MARKS,
    SPACELESS_TERMINATORS,
    TERMINATORS,
    divides_word,
    is_phrase_end,
    is_written_without_spaces,
)

# compiled, without stubs
_segment = cast("Callable[[str, str], list[str]]", vars(sentencex)["segment"])

_EXTRA_ABBREVIATIONS = {
    "fr": frozenset({"M.", "MM.", "Mgr.", "Vve."}),
    "hi": frozenset({"डॉ.", "प्रो.", "पं.", "कु.", "सु.", "श्री."}),
}
"""Titles that sentencex takes for sentence ends."""

_ORDINAL_LANGUAGES = frozenset({"de", "da", "nb", "no", "nn", "fi", "cs", "sk", "hu", "et", "hr"})
_LONGEST_MONTH = 12
_MOST_OPENERS = 32
_LONGEST_ABBREVIATION = 6
"""With its full stop; English `approx.` is a clause then, which does little harm."""
_MARKDOWN = str.maketrans("", "", "*_`")


class Rank(IntEnum):
    """How good a cut is."""

    NONE = 0
    GRAPHEME = 1
    """Inside a word, or after what may be an abbreviation: where there is nothing better."""
    WORD = 2
    CLAUSE = 3
    SENTENCE = 4
    BLOCK = 5


def rank_of(view: View, start: int, index: int) -> Rank:
    """Return how good it is to end the piece at ``index``; 0 inside a word."""
    following = view.at(index)
    if view.text[index - 1].isspace():
        return Rank.NONE
    if following and not following.isspace():
        return _rank_without_space(view, start, index)
    return _rank_at_space(view, start, index)


def _rank_at_space(view: View, start: int, index: int) -> Rank:
    """Return the rank of an index with white space or the end of the text after it."""
    after = view.next_visible(index)
    if after == len(view.text) or _ends_block(view, start, index, after):
        return Rank.BLOCK
    next_visible = view.text[after]
    if next_visible in "!?:;" or (next_visible == "»" and view.language == "fr"):
        return Rank.NONE  # French spacing: these go with the word before
    last = _last_mark(view.text, start, index)
    if last in TERMINATORS:
        if _ends_sentence(view, start, index, after):
            return Rank.SENTENCE
        return Rank.GRAPHEME if last == "." and _may_be_short(view, start, index) else Rank.CLAUSE
    spaced_dash = view.text[index - 1] in SPACED_DASHES and _begins_run(view, start, index - 1)
    return Rank.CLAUSE if last in CLAUSE_MARKS or spaced_dash else Rank.WORD


def _rank_without_space(view: View, start: int, index: int) -> Rank:
    """Return the rank of an index with visible characters on both sides."""
    text = view.text
    before, after = text[index - 1], text[index]
    if after in CLOSERS or after in TERMINATORS or after in CLAUSE_MARKS:
        return Rank.NONE
    in_number = (
        before in NUMBER_MARKS and after.isdigit() and text[start : index - 1][-1:].isdigit()
    )
    if in_number or (before in CLOSERS and after in QUOTING_PARTICLES):
        return Rank.NONE
    last = _last_mark(text, start, index)
    if last in TERMINATORS and (last in SPACELESS_TERMINATORS or _is_wide(view, index)):
        return Rank.SENTENCE if _ends_sentence(view, start, index, index) else Rank.CLAUSE
    if last in SPACELESS_CLAUSE_MARKS:
        return Rank.CLAUSE
    if before in DASHES:  # one after a space opens an aside
        return Rank.NONE if _begins_run(view, start, index - 1) else Rank.CLAUSE
    return _rank_between_letters(view, start, index)


def _rank_between_letters(view: View, start: int, index: int) -> Rank:
    before, after = view.text[index - 1], view.text[index]
    if divides_word(before, after) and (view.language != "ja" or is_phrase_end(before)):
        return Rank.WORD
    both = is_written_without_spaces(before) and is_written_without_spaces(after)
    return Rank.GRAPHEME if both and view.begins_grapheme(start, index) else Rank.NONE


def _begins_run(view: View, start: int, index: int) -> bool:
    return index == start or view.text[index - 1].isspace()


def _may_be_short(view: View, start: int, index: int) -> bool:
    """Return whether the full stop before ``index`` may end an abbreviation: a short word."""
    return not view.text[max(start, index - _LONGEST_ABBREVIATION) : index - 1].isalnum()


def _is_wide(view: View, index: int) -> bool:
    """Return whether a script without spaces goes on after a Latin mark, which then needs none."""
    return view.text[index - 1] != "." and is_written_without_spaces(_letter(view, index))


def _ends_block(view: View, start: int, index: int, after: int) -> bool:
    """Return whether a paragraph, heading, rule or list item ends at ``index``."""
    between = view.text[index:after]
    if "\n" not in between:
        return False
    own, following = line_kind(view, view.line_start(start)), line_kind(view, after)
    if own == following == "rule":
        return False  # one pause is enough
    return bool(BLANK_LINE.search(between) or following or own in ("heading", "rule"))


def _last_mark(text: str, start: int, index: int) -> str:
    """Return the last character before ``index`` that is no closing quote or bracket."""
    while index > start + 1 and text[index - 1] in CLOSERS_AFTER_MARK:
        index -= 1
    return text[index - 1]


def _letter(view: View, index: int) -> str:
    """Return the first letter or digit of the run at ``index``, a space where it has none soon."""
    for offset in range(index, index + _MOST_OPENERS):
        char = view.at(offset)
        if not char or char.isalnum() or char.isspace():
            return char
    return " "


def _ends_sentence(view: View, start: int, index: int, after: int) -> bool:
    """Ask sentencex whether a sentence ends at ``index``; the next begins at ``after``.

    It is shown the first letter of what follows: enough but for ordinals such as German "3.
    Oktober", where the word decides.
    """
    following = _letter(view, after)
    if view.language in _ORDINAL_LANGUAGES and view.text[start : index - 1][-1:].isdigit():
        end = after
        while view.at(end).isalnum() and end - after < _LONGEST_MONTH:
            end += 1
        following = view.text[after:end]
    return is_sentence_end(view, start, index, following)


def is_sentence_end(view: View, start: int, index: int, following: str) -> bool:
    """Return whether a sentence ends at ``index`` where ``following`` begins what comes next."""
    if following.islower():
        return False  # sentencex thinks so too, but not after every mark
    # it would see brackets that close after the mark as a whole that nothing parts
    before = " ".join(view.text[start:index].translate(_MARKDOWN).rstrip(")]}").split())
    token = before.rpartition(" ")[2].lstrip("".join(OPENERS))
    if token in _EXTRA_ABBREVIATIONS.get(view.language, ()):
        return False
    segments = _segment(view.language, f"{before} {following}")
    return not following.strip() or segments[-1].strip() == following
