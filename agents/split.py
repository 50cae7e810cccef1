"""From words to speakable chunks."""

from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass

from ..codecs.records import Boundary, Chunk, Passage, SequenceRecord
from ..codecs.text.sentences import Piece, cut
from .journal import History


@dataclass(slots=True)
class _Cursor:
    """How far a session is cut; read from its last chunk after a restart."""

    text: str = ""
    passages: int = 0
    start_char: int = 0
    seq: int = 0
    chapter: int = 0
    index: int = 0
    closed: bool = False


@dataclass(frozen=True, slots=True)
class Split:
    """Cut speakable pieces: the first at a clause, then longer ones, chapters apart."""

    passages: History[Passage]
    chunks: History[Chunk]

    async def __call__(
        self, passages: AsyncIterator[Passage]
    ) -> AsyncGenerator[tuple[SequenceRecord, ...]]:
        """Yield the chunks of a session as soon as its passages allow."""
        cursor: _Cursor | None = None
        async for passage in passages:
            if cursor is None:
                cursor = await self._resume(passage)
            if passage.seq >= cursor.passages:
                cursor.text += passage.text
                cursor.passages = passage.seq + 1
            if cursor.closed:
                continue
            for batch in _cut(cursor, passage):
                yield batch

    async def _resume(self, passage: Passage) -> _Cursor:
        session = passage.session
        cursor = _Cursor(passages=passage.seq)
        if passage.seq:
            before = await self.passages.records(session, 0, passage.seq)
            cursor.text = "".join(earlier.text for earlier in before)
        while True:
            last = await self.chunks.last(f"{session}/{cursor.chapter}")
            if last is None:
                return cursor
            cursor.seq = last.seq + 1
            cursor.start_char = last.end_char
            cursor.index = last.index + 1
            if last.boundary != "chapter":
                cursor.closed = last.boundary == "end"
                return cursor
            cursor.chapter += 1
            cursor.index = 0


def _cut(cursor: _Cursor, passage: Passage) -> list[tuple[Chunk, ...]]:
    batches: list[tuple[Chunk, ...]] = []
    while True:
        piece = cut(
            cursor.text,
            cursor.start_char,
            seq=cursor.seq,
            final=passage.last,
            language=passage.settings.language,
        )
        if piece is None:
            break
        if piece.boundary != "chapter":
            batches.append((_chunk(cursor, passage, piece, piece.boundary),))
            _advance(cursor, piece.end_char)
            continue
        # in one batch: from a chapter's last piece alone nobody could tell that the chapter ends
        spoken = _chunk(cursor, passage, piece, "paragraph")
        _advance(cursor, piece.end_char)
        mark = Piece("", piece.end_char, piece.end_char, "chapter")
        batches.append((spoken, _chunk(cursor, passage, mark, "chapter")))
        _advance(cursor, piece.end_char)
        cursor.chapter += 1
        cursor.index = 0
    if passage.last:
        end = len(cursor.text)
        batches.append((_chunk(cursor, passage, Piece("", end, end, "end"), "end"),))
        cursor.closed = True
    return batches


def _advance(cursor: _Cursor, end_char: int) -> None:
    cursor.start_char = end_char
    cursor.seq += 1
    cursor.index += 1


def _chunk(cursor: _Cursor, passage: Passage, piece: Piece, boundary: Boundary) -> Chunk:
    return Chunk(
        session=passage.session,
        seq=cursor.seq,
        chapter=cursor.chapter,
        index=cursor.index,
        text=piece.text,
        start_char=piece.start_char,
        end_char=piece.end_char,
        boundary=boundary,
        settings=passage.settings,
        error=passage.error if boundary == "end" else "",
    )
