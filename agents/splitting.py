"""Chunks out of texts and other items."""

from dataclasses import dataclass

from ..codecs.records import Chunk, Event, Item, Passage, SequenceRecord
from ..codecs.text.sentences import Boundary, IdleState, Piece, cut
from .journal import Description

SENTENCE_IDLE_S = 0.25
"""After so long without more text a finished sentence is cut, though nothing follows it yet."""
ALL_IDLE_S = 1.0
"""After so long everything that is there is cut."""
LOOK_BACK_CHARS = 600
"""Text kept before the cursor: what a line is may depend on its first 500 characters."""


@dataclass(slots=True)
class Cursor:
    """How far a session is cut; read from its chunks after a restart."""

    seq: int = 0
    chapter: int = 0
    index: int = 0
    chars: int = 0
    """Characters of all texts up to the last cut."""
    next_input: tuple[int, int] = (0, 0)
    """Position and part of the item that is to be taken in next."""
    item: int = -1
    """First record of the running text; -1 where none is running."""
    text: str = ""
    """The running text from ``text_start`` on."""
    text_start: int = 0
    start_char: int = 0
    """In the running text: where the next chunk begins."""
    ramp: int = 0
    """Chunks since sound had to begin anew: the first of them are short."""
    closed: bool = False


def place_of(received: Item | Passage) -> tuple[int, int]:
    """Return an input's position and part."""
    return (received.seq, received.part if isinstance(received, Item) else 0)


def take(
    session: Description, cursor: Cursor, received: Item | Passage
) -> list[tuple[SequenceRecord, ...]]:
    """Take an input in; return the chunks that follow from it."""
    place = place_of(received)
    if cursor.closed or place < cursor.next_input:
        return []
    cursor.next_input = (place[0], place[1] + 1)
    outputs: list[tuple[SequenceRecord, ...]] = []
    if received.kind == "text":
        item = received.item if isinstance(received, Passage) else received.seq
        if cursor.item < 0:
            cursor.item, cursor.text, cursor.text_start, cursor.start_char = item, "", 0, 0
        cursor.text += received.text
        ends = received.item_end or received.last
        outputs += _cut_text(session, cursor, ends=ends, joined=not received.last)
        if ends:
            _end_item(cursor)
    else:
        outputs += _cut_text(session, cursor, ends=True, joined=received.kind != "end")
        _end_item(cursor)
        if received.kind != "end":
            outputs.append((_sounding(session, cursor, received),))
            _advance(cursor)
            cursor.ramp = 0
    if received.last:
        error = received.error if isinstance(received, Passage) else ""
        outputs.append((mark(session, cursor, "end", error),))
        cursor.closed = True
    return outputs


def _cut_text(
    session: Description, cursor: Cursor, *, ends: bool, joined: bool, idle: IdleState = ""
) -> list[tuple[SequenceRecord, ...]]:
    """Cut what can be cut of the running text; all of it where it ends.

    ``joined``: something is heard after the item, so its end is a paragraph's.
    """
    outputs: list[tuple[SequenceRecord, ...]] = []
    while cursor.item >= 0:
        start = cursor.start_char - cursor.text_start
        if start > len(cursor.text):
            break  # taken in again after a restart, and not all of it yet
        piece = cut(
            cursor.text,
            start,
            seq=cursor.ramp,
            final=ends,
            language=session.voice.language,
            idle=idle,
        )
        if piece is None:
            break
        boundary = piece.boundary
        if ends and joined and not cursor.text[piece.end_char :].strip() and boundary != "chapter":
            boundary = "paragraph"
        outputs.append(_spoken(session, cursor, piece, boundary))
        _forget(cursor)
    return outputs


def _spoken(
    session: Description, cursor: Cursor, piece: Piece, boundary: Boundary
) -> tuple[SequenceRecord, ...]:
    end_char = cursor.text_start + piece.end_char
    cursor.chars += end_char - cursor.start_char
    chunk = Chunk(
        session=session.session,
        seq=cursor.seq,
        chapter=cursor.chapter,
        index=cursor.index,
        item=cursor.item,
        text=piece.text,
        start_char=cursor.text_start + piece.start_char,
        end_char=end_char,
        boundary="paragraph" if boundary == "chapter" else boundary,
        chars=cursor.chars,
        ramp=cursor.ramp,
    )
    cursor.start_char = end_char
    _advance(cursor)
    if boundary != "chapter":
        return (chunk,)
    # in one batch: from a chapter's last chunk alone nobody could tell that the chapter ends
    end = mark(session, cursor, "chapter", "")
    cursor.seq += 1
    cursor.chapter += 1
    cursor.index = 0
    return (chunk, end)


def cut_idle(
    session: Description, cursor: Cursor, idle_s: float
) -> list[tuple[SequenceRecord, ...]]:
    """Return what is cut because nothing comes; everything after a second."""
    if cursor.closed or cursor.item < 0:
        return []
    idle: IdleState = "all" if idle_s >= ALL_IDLE_S else "sentence"
    outputs = _cut_text(session, cursor, ends=False, joined=False, idle=idle)
    if outputs and idle == "all":
        cursor.ramp = 0  # whoever listens has caught up: begin with a short chunk again
    return outputs


def _end_item(cursor: Cursor) -> None:
    cursor.item, cursor.text, cursor.text_start, cursor.start_char = -1, "", 0, 0


def _forget(cursor: Cursor) -> None:
    """Drop text that no cut can depend on any more."""
    drop = cursor.start_char - cursor.text_start - LOOK_BACK_CHARS
    if drop > LOOK_BACK_CHARS:
        cursor.text = cursor.text[drop:]
        cursor.text_start += drop


def _advance(cursor: Cursor) -> None:
    cursor.seq += 1
    cursor.index += 1
    cursor.ramp += 1


def _sounding(session: Description, cursor: Cursor, received: Item | Passage) -> Chunk:
    return Chunk(
        session=session.session,
        seq=cursor.seq,
        chapter=cursor.chapter,
        index=cursor.index,
        item=received.item if isinstance(received, Passage) else received.seq,
        kind="object" if received.kind == "object" else "silence",
        object=received.object,
        etag=received.etag,
        seconds=received.seconds,
        boundary="paragraph",
        chars=cursor.chars,
    )


def mark(session: Description, cursor: Cursor, boundary: Boundary, error: str) -> Chunk:
    """Return the mark that ends a chapter, or the session."""
    return Chunk(
        session=session.session,
        seq=cursor.seq,
        chapter=cursor.chapter,
        index=cursor.index,
        item=max(cursor.item, 0),
        kind="mark",
        start_char=cursor.start_char,
        end_char=cursor.start_char,
        boundary=boundary,
        chars=cursor.chars,
        ramp=cursor.ramp,
        last=True,
        error=error,
    )


def text_event(session: Description, chars: int) -> Event:
    """Return the event that tells how long the session's texts are."""
    name = session.session
    return Event(session=name, stage="split", seq=0, kind="text", chars_total=chars, last=True)
