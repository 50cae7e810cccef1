"""From words to speakable pieces, while the words are still coming.

A piece is decided by the text up to the first word after it, and by nothing else: not by how the
text arrived, nor by what comes further on. So a restart at the end of any piece gives the same
pieces again. Only where the caller reports that the text is idle does a piece end earlier.
sentencex tells whether a sentence ends, one candidate at a time; lengths are counted in *units*,
the time a Latin letter takes to speak.
"""

from dataclasses import dataclass, replace
from typing import Literal

from .breaks import Rank, is_sentence_end, rank_of
from .lines import BLANK_LINE, MoreTextNeededError, View, line_kind, spoken
from .scripts import (
    CLOSERS,
    TERMINATORS,
    divides_word,
    is_audible,
    units_of,
)

Boundary = Literal["clause", "sentence", "paragraph", "chapter", "end"]
"""What a piece ends at; the pause after it follows from this."""

IdleState = Literal["", "sentence", "all"]
"""What may go while no text comes: nothing, a sentence without its successor, or all there is."""

UNITS_PER_S = 15.0
"""Letters a second of unhurried English speech."""
MAX_UNITS = 250
"""No piece is longer, nor has more characters; only an atom such as a URL comes near."""

_MIN_UNITS = 12
"""A clause that is shorter is not worth the voice's run-up."""
_FIRST_CLAUSE_UNITS = 60
_RAMP = ((60, 80), (80, 100), (80, 110))
"""By number of the piece, the last for all that follow: units beyond which a sentence may be cut
at a clause (5 s of speech), and beyond which it must be cut."""

_CLAUSE_S = 0.12
_WIDE_CLAUSE_S = 0.2  # a Chinese or Japanese comma often parts what English makes sentences of
_SENTENCE_S = 0.35
_PARAGRAPH_S = 0.7
_CHAPTER_S = 1.5


@dataclass(frozen=True, slots=True)
class Piece:
    """A run of text to be spoken in one go."""

    text: str
    """What is spoken: white space made single, no Markdown marks; empty for a bare rule."""
    start_char: int
    end_char: int
    boundary: Boundary


def cut(
    text: str, start: int, *, seq: int, final: bool, language: str, idle: IdleState = ""
) -> Piece | None:
    """Return the piece that begins at or after ``start``, None until more text decides it.

    Args:
        text: The whole text of the session as far as it is known.
        start: Offset of the first character that is in no piece yet.
        seq: Number of the piece in its session; the first is a clause, so that sound begins soon.
        final: No more text will come; then None means that nothing is left.
        language: BCP 47 tag.
        idle: Whether text has stopped coming, and so what may go undecided. ``sentence``: a
            sentence that no word to come can change. ``all``: everything, in its order, to the
            end of the text, a word cut off included, since perhaps nothing follows; what ends
            inside a sentence ends as a clause.
    """
    view = View(text, final, language)
    try:
        first = view.next_visible(start)
        return _piece(view, first, seq) if first < len(text) else None
    except MoreTextNeededError:
        return _idle_piece(View(text, True, language), start, seq, idle) if idle else None


def pause_s(boundary: Boundary, language: str) -> float:
    """Return the seconds of silence after a piece; the edges of its speech are not counted."""
    if boundary == "clause":
        wide = language.partition("-")[0].lower() in ("zh", "ja", "yue")
        return _WIDE_CLAUSE_S if wide else _CLAUSE_S
    lasting = {"sentence": _SENTENCE_S, "paragraph": _PARAGRAPH_S, "chapter": _CHAPTER_S}
    return lasting.get(boundary, 0.0)


def estimated_s(text: str) -> float:
    """Return about how long the text takes to speak at speed 1, in seconds."""
    return sum(map(units_of, text)) / UNITS_PER_S


def words(text: str) -> list[str]:
    """Return the words of a text with the marks that touch them.

    Scripts that are written without spaces are cut where a line might break.
    """
    found: list[str] = []
    for run in text.split():
        start = 0
        for index in range(1, len(run)):
            if divides_word(run[index - 1], run[index]):
                found.append(run[start:index])
                start = index
        found.append(run[start:])
    return found


def _piece(view: View, start: int, seq: int) -> Piece:
    end, rank = _choose(view, start, seq)
    following = view.next_visible(end)
    between = view.text[end:following]
    boundary: Boundary = "sentence" if rank >= Rank.SENTENCE else "clause"
    if "\n" in between and following < len(view.text):
        kind = line_kind(view, following)
        in_heading = line_kind(view, view.line_start(start)) == "heading"
        if kind == "heading":
            boundary = "chapter"
        elif BLANK_LINE.search(between) or in_heading or kind == "rule":
            boundary = "paragraph"
    elif BLANK_LINE.search(between):
        boundary = "paragraph"
    return Piece(spoken(view, start, end), start, end, boundary)


def _idle_piece(view: View, start: int, seq: int, idle: IdleState) -> Piece | None:
    """Return the piece to speak while no text comes; ``view`` takes the text known for final."""
    end = len(view.text.rstrip())
    first = view.next_visible(start)
    if first >= end:
        return None
    piece = _piece(view, first, seq)
    if piece.end_char == end and _is_finished(view, first, end):
        return piece
    if idle == "sentence":
        return None
    return replace(piece, boundary="clause") if piece.end_char == end else piece


def _is_finished(view: View, first: int, end: int) -> bool:
    """Return whether no word that comes can make the piece go on beyond ``end``."""
    over = "\n" in view.text[end:] and BLANK_LINE.search(view.text, end)
    last = view.text[first:end].rstrip("".join(CLOSERS))[-1:]
    # after a digit, the full stop may yet become a decimal point
    full = last in TERMINATORS and not view.text[max(first, end - 2)].isdigit()
    return bool(over) or (full and is_sentence_end(view, first, end, "A"))


def _choose(view: View, start: int, seq: int) -> tuple[int, Rank]:
    """Return where the piece that begins at ``start`` ends, and what ends there."""
    soft, hard = _RAMP[min(seq, len(_RAMP) - 1)]
    gaps: list[tuple[int, int, Rank]] = []
    units = 0
    index = start
    audible = False
    while True:
        units += units_of(view.text[index])
        audible = audible or is_audible(view.text[index])
        index += 1
        if index - start > MAX_UNITS or units > MAX_UNITS or (units > hard and gaps):
            break
        rank = rank_of(view, start, index)
        if rank in (Rank.CLAUSE, Rank.SENTENCE) and not audible:
            rank = Rank.WORD  # marks alone are no piece
        if rank >= Rank.SENTENCE:
            return _within_sentence(gaps, (index, units, rank), soft)
        if rank == Rank.CLAUSE and seq == 0 and _MIN_UNITS <= units <= _FIRST_CLAUSE_UNITS:
            return index, rank
        if rank:
            gaps.append((index, units, rank))
    return _best_gap(gaps, soft) or (_grapheme_before(view, start, index - 1, hard), Rank.GRAPHEME)


def _within_sentence(
    gaps: list[tuple[int, int, Rank]], last: tuple[int, int, Rank], soft: int
) -> tuple[int, Rank]:
    """Return the sentence's end, or the clause nearest its middle where it is rather long."""
    end, units, rank = last
    clauses = [
        (abs(2 * so_far - units), index)
        for index, so_far, found in gaps
        if found == Rank.CLAUSE and _MIN_UNITS <= so_far <= units - _MIN_UNITS
    ]
    if units <= soft or not clauses:
        return end, rank
    return min(clauses)[1], Rank.CLAUSE


def _best_gap(gaps: list[tuple[int, int, Rank]], soft: int) -> tuple[int, Rank] | None:
    """Return the last clause within 5 s, else the first one after, else the last word within."""
    early = [gap for gap in gaps if _MIN_UNITS <= gap[1] <= soft]
    late = [gap for gap in gaps if gap[1] > soft]
    for wanted in (Rank.CLAUSE, Rank.WORD, Rank.GRAPHEME):
        fitting = [gap for gap in early if gap[2] == wanted][-1:]
        fitting += [gap for gap in late if gap[2] == wanted][:1]
        if fitting:
            return fitting[0][0], wanted
    return (gaps[-1][0], gaps[-1][2]) if gaps else None


def _grapheme_before(view: View, start: int, limit: int, hard: int) -> int:
    """Return the last index within ``hard`` units of an endless word that parts no grapheme."""
    units = 0
    best = start
    for index in range(start + 1, limit):
        units += units_of(view.text[index - 1])
        if units > hard and best > start:
            break
        if view.begins_grapheme(start, index):
            best = index
    return best if best > start else limit
