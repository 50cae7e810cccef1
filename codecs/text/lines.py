"""Text that is still growing, and what its lines are: headings, rules, list items."""

import re
from collections.abc import Iterator

import regex

from .scripts import is_audible

# ruff: noqa: RUF001 - look-alikes are the subject here

_MAX_HEADING_CHARS = 80
_MAX_LINE_CHARS = 500
"""A longer line is prose, whatever it begins with."""

_CASED = ("Chapter", "Kapitel", "Chapitre", "Capítulo", "Capitulo", "Capitolo", "Глава")
_CHAPTER_WORDS = (*_CASED, *(word.upper() for word in _CASED), "अध्याय", "الفصل")
_CHAPTER_INITIALS = frozenset(word[0] for word in (*_CHAPTER_WORDS, "第"))
_chapter = re.compile(
    rf"(?:{'|'.join(_CHAPTER_WORDS)})[ \t]+[^\W_]+(?:[ \t]*[.:—–-].*)?|"
    r"第[0-9０-９一二三四五六七八九十百零〇]{1,6}[章回節节話话].*"
)
_LONGEST_CHAPTER_WORD = max(map(len, _CHAPTER_WORDS))

GRAPHEME_REACH = 300
"""Characters from a piece's start in which graphemes are told apart; pieces have 250 at most."""

# Python's own `re` knows no grapheme clusters. A short form of UAX #29 written by hand was no
# quicker (thousand characters a second: Japanese 138 against 142, Thai 139 against 171, flags 119
# against 62), and wrong in the corners.
_grapheme = regex.compile(r"\X")

BLANK_LINE = re.compile(r"\n[^\S\n]*\n")
_visible = re.compile(r"\S")
_heading = re.compile(r"#{1,6}[ \t]")
_item = re.compile(r"(?:[-*+•]|\d{1,3}[.)])[ \t]")
_item_mark = re.compile(r"[-*+•][ \t]+")
_RULE_MARKS = frozenset("-=*_~#")
_heading_marks = re.compile(r"#{1,6}[ \t]+|[ \t]+#+$")
_emphasis = re.compile(r"(?<!\w)(?:\*{1,3}|_{1,3})(?=\S)|(?<=\S)(?:\*{1,3}|_{1,3})(?!\w)|`+")


class MoreTextNeededError(Exception):
    """The answer depends on text that has not come yet."""


class View:
    """A text as far as it is known, which raises where it is asked for more."""

    def __init__(self, text: str, final: bool, language: str) -> None:
        self.text = text
        self.final = final
        self.language = language.partition("-")[0].lower()
        self._graphemes: Iterator[regex.Match[str]] = iter(())
        self._graphemes_from = -1
        self._grapheme_start = 0

    def begins_grapheme(self, start: int, index: int) -> bool:
        """Return whether a grapheme cluster begins at ``index`` of the piece from ``start`` on.

        By UAX #29, 3.1, whose rules look back but never ahead, so it holds whatever comes. Asked in
        rising order, the piece is read once.
        """
        if self._graphemes_from != start or index < self._grapheme_start:
            # a slice: in the whole text `regex` would count flags back to its beginning
            self._graphemes = _grapheme.finditer(self.text[start : start + GRAPHEME_REACH])
            self._graphemes_from = self._grapheme_start = start
        while self._grapheme_start < index:
            match = next(self._graphemes, None)
            self._grapheme_start = start + match.end() if match else len(self.text)
        return self._grapheme_start == index

    def at(self, index: int) -> str:
        """Return a character, empty at the end of a final text.

        Raises:
            MoreTextNeededError: it has not come yet.
        """
        if index < len(self.text):
            return self.text[index]
        if not self.final:
            raise MoreTextNeededError
        return ""

    def next_visible(self, index: int) -> int:
        """Return the offset of the next character that is no white space, or of the final end.

        Raises:
            MoreTextNeededError: it has not come yet.
        """
        found = _visible.search(self.text, index)
        if found:
            return found.start()
        if not self.final:
            raise MoreTextNeededError
        return len(self.text)

    def line_start(self, index: int) -> int:
        """Return the offset of the first visible character of the line that ``index`` is on.

        Where the line began long before, the offset is ``index`` itself.
        """
        earliest = max(0, index - _MAX_LINE_CHARS)
        newline = self.text.rfind("\n", earliest, index)
        if newline < 0 and earliest:
            return index
        return self.next_visible(newline + 1)

    def line(self, index: int, most: int) -> str | None:
        """Return the rest of the line from ``index``; None where it has more characters.

        Raises:
            MoreTextNeededError: its end has not come yet.
        """
        newline = self.text.find("\n", index, index + most + 1)
        if newline >= 0:
            return self.text[index:newline]
        if len(self.text) - index > most:
            return None
        if not self.final:
            raise MoreTextNeededError
        return self.text[index:]


def line_kind(view: View, index: int) -> str:
    """Return what the line is whose first visible character is at ``index``.

    ``heading``, ``rule``, ``item``, or empty for prose. A heading is a Markdown one (CommonMark
    4.2) or a line such as "Chapter 7".

    Raises:
        MoreTextNeededError: it depends on text that has not come yet.
    """
    first = view.at(index)
    if first == "" or (first.isalpha() and first not in _CHAPTER_INITIALS):
        return ""
    if first == "#" and _matches(view, index, _heading, 7):
        return "heading"
    if first in _RULE_MARKS and _is_rule(view, index):
        return "rule"
    if (first in "-*+•" or first.isdecimal()) and _matches(view, index, _item, 5):
        return "item"
    return "heading" if first in _CHAPTER_INITIALS and _is_chapter(view, index) else ""


def spoken(view: View, start: int, end: int) -> str:
    """Return what is spoken of a piece: no Markdown marks, and each white space one space.

    Empty where nothing but punctuation is left.
    """
    piece = view.text[start:end]
    begins_line = view.line_start(start) == start
    heading = line_kind(view, view.line_start(start)) == "heading"
    if heading:
        piece = _heading_marks.sub("", piece)
    elif begins_line and line_kind(view, start) == "item":
        piece = _item_mark.sub("", piece, count=1)
    words = " ".join(_emphasis.sub("", piece).split())
    return words if any(map(is_audible, words)) else ""


def _matches(view: View, index: int, pattern: re.Pattern[str], most: int) -> bool:
    """Match a pattern of at most ``most`` characters, each of which may have to be waited for."""
    for length in range(1, most + 1):
        if pattern.match(view.text, index, index + length):
            return True
        char = view.at(index + length - 1)
        if not char or char.isspace() or char.isalpha():
            return False
    return False


def _is_rule(view: View, index: int) -> bool:
    marks = 0
    for offset in range(index, index + _MAX_LINE_CHARS):
        char = view.at(offset)
        if char in ("", "\n"):
            return marks >= 3
        if char in _RULE_MARKS:
            marks += 1
        elif char not in " \t\r":
            return False
    return False


def _is_chapter(view: View, index: int) -> bool:
    if view.text[index] != "第":
        for length in range(1, _LONGEST_CHAPTER_WORD + 1):
            begun = view.text[index : index + length]
            if begun in _CHAPTER_WORDS:
                break
            view.at(index + length - 1)
            if not any(word.startswith(begun) for word in _CHAPTER_WORDS):
                return False
    line = view.line(index, _MAX_HEADING_CHARS)
    return line is not None and _chapter.fullmatch(line.rstrip()) is not None
