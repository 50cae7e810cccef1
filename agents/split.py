"""From items to chunks: what is sounded in one go, and where texts are cut."""

from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass

from ..codecs.records import Chunk, Event, Item, Passage, SequenceRecord
from ..codecs.text.sentences import Boundary, IdleState, Piece, cut
from .idle import Idle
from .journal import Description, Sequences

SENTENCE_IDLE_S = 0.25
"""After so long without more text a finished sentence is cut, though nothing follows it yet."""
ALL_IDLE_S = 1.0
"""After so long everything that is there is cut."""
LOOK_BACK_CHARS = 600
"""Text kept before the cursor: what a line is may depend on its first 500 characters."""


@dataclass(slots=True)
class _Cursor:
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


@dataclass(frozen=True, slots=True)
class Split:
    """Cut texts into chunks: the first at a clause, then longer ones, chapters apart.

    Items come from ``text``, or from ``passage`` where a model writes them. A cut is decided by
    the chunk that is written: whoever comes second reads it and goes on behind it.
    """

    items: Sequences[Item]
    passages: Sequences[Passage]
    chunks: Sequences[Chunk]
    events: Sequences[Event]

    async def __call__(
        self, session: Description, inputs: AsyncIterator[Item | Passage | Idle]
    ) -> AsyncGenerator[tuple[SequenceRecord, ...]]:
        """Yield the chunks of a session as soon as its items allow."""
        ours = Passage if session.mode == "expand" else Item
        cursor: _Cursor | None = None
        async for received in inputs:
            if isinstance(received, Idle):
                outputs = _cut_idle(session, cursor, received.seconds) if cursor else []
            elif type(received) is not ours:
                continue
            else:
                outputs = []
                if cursor is None:
                    cursor = await self._resume(session)
                    outputs = await self._missed(session, cursor, received)
                outputs += _take(session, cursor, received)
            for output in outputs:
                yield output
            if (
                cursor
                and cursor.closed
                and not (await self.events.state(f"{session.session}/split")).closed
            ):
                yield (_event(session, cursor.chars),)

    async def _missed(
        self, session: Description, cursor: _Cursor, received: Item | Passage
    ) -> list[tuple[SequenceRecord, ...]]:
        """Take in what is stored up to an input and is not cut; it may not be delivered again."""
        source = self.passages if session.mode == "expand" else self.items
        if _place_of(received) <= cursor.next_input:
            return []
        outputs: list[tuple[SequenceRecord, ...]] = []
        async for earlier in source.stream(session.session, cursor.next_input[0], received.seq + 1):
            outputs += _take(session, cursor, earlier)
        return outputs

    async def _resume(self, session: Description) -> _Cursor:
        cursor = _Cursor()
        last: Chunk | None = None
        while True:
            newest = await self.chunks.last(f"{session.session}/{cursor.chapter}")
            if newest is None:
                break
            last = newest
            cursor.index = newest.index + 1
            if newest.boundary != "chapter":
                break
            cursor.chapter += 1
            cursor.index = 0
        if last is None:
            return cursor
        cursor.seq = last.seq + 1
        cursor.chars = last.chars
        cursor.closed = last.boundary == "end"
        cursor.ramp = last.ramp + (last.kind != "mark")  # a mark sounds nothing
        if last.kind in ("object", "silence"):
            cursor.next_input = (await self._first_of(session, last.item) + 1, 0)
            cursor.ramp = 0
        else:  # the item's text is taken in again, up to where it was cut
            cursor.next_input = (await self._first_of(session, last.item), 0)
            cursor.start_char = last.end_char
            cursor.item = last.item
        return cursor

    async def _first_of(self, session: Description, item: int) -> int:
        """Return the input position that an item begins at."""
        if session.mode != "expand":
            return item
        state = await self.passages.state(session.session)
        low, high = 0, state.next
        while low < high:  # passages are ordered by their items
            middle = (low + high) // 2
            found = await self.passages.records(session.session, middle, middle + 1)
            if found and found[0].item < item:
                low = middle + 1
            else:
                high = middle
        return low


def _place_of(received: Item | Passage) -> tuple[int, int]:
    """Return an input's position and part."""
    return (received.seq, received.part if isinstance(received, Item) else 0)


def _take(
    session: Description, cursor: _Cursor, received: Item | Passage
) -> list[tuple[SequenceRecord, ...]]:
    """Take an input in; return the chunks that follow from it."""
    place = _place_of(received)
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
        outputs.append((_mark(session, cursor, "end", error),))
        cursor.closed = True
    return outputs


def _cut_text(
    session: Description, cursor: _Cursor, *, ends: bool, joined: bool, idle: IdleState = ""
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
    session: Description, cursor: _Cursor, piece: Piece, boundary: Boundary
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
    mark = _mark(session, cursor, "chapter", "")
    cursor.seq += 1
    cursor.chapter += 1
    cursor.index = 0
    return (chunk, mark)


def _cut_idle(
    session: Description, cursor: _Cursor, idle_s: float
) -> list[tuple[SequenceRecord, ...]]:
    if cursor.closed or cursor.item < 0:
        return []
    idle: IdleState = "all" if idle_s >= ALL_IDLE_S else "sentence"
    outputs = _cut_text(session, cursor, ends=False, joined=False, idle=idle)
    if outputs and idle == "all":
        cursor.ramp = 0  # whoever listens has caught up: begin with a short chunk again
    return outputs


def _end_item(cursor: _Cursor) -> None:
    cursor.item, cursor.text, cursor.text_start, cursor.start_char = -1, "", 0, 0


def _forget(cursor: _Cursor) -> None:
    """Drop text that no cut can depend on any more."""
    drop = cursor.start_char - cursor.text_start - LOOK_BACK_CHARS
    if drop > LOOK_BACK_CHARS:
        cursor.text = cursor.text[drop:]
        cursor.text_start += drop


def _advance(cursor: _Cursor) -> None:
    cursor.seq += 1
    cursor.index += 1
    cursor.ramp += 1


def _sounding(session: Description, cursor: _Cursor, received: Item | Passage) -> Chunk:
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


def _mark(session: Description, cursor: _Cursor, boundary: Boundary, error: str) -> Chunk:
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


def _event(session: Description, chars: int) -> Event:
    name = session.session
    return Event(session=name, stage="split", seq=0, kind="text", chars_total=chars, last=True)
