"""From a prompt to the words that are to be heard, written by a model."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass, field

from ..codecs.records import Admission, Item, Passage, SequenceRecord
from ..codecs.records.inputs import MAX_PIECE_CHARS
from .admission import Gate
from .journal import Description, Sequences
from .models.model import Model, ModelFailedError, ModelUnavailableError

DELTA_CHARS = 24
"""A model's tokens are put together to about this length: a record for each would cost more."""


@dataclass(slots=True)
class _Cursor:
    """How far a session is written; read from its passages after a restart."""

    seq: int = 0
    """Of the next passage."""
    item: int = -1
    """First record of the prompt that is being collected; -1 between prompts."""
    prompt: list[str] = field(default_factory=list[str])
    next_input: tuple[int, int] = (0, 0)
    """Position and part of the item that is to be taken in next."""
    part_of: int = -1
    """The item whose passages a crash cut short, -1 for none."""
    written: str = ""
    """Of that item."""
    closed: bool = False


@dataclass(frozen=True, slots=True)
class Expand:
    """Have the model write from each text item; pass other items on in their order.

    Sessions of mode ``narrate`` need none of this: their items are what is to be heard.
    """

    model: Model
    items: Sequences[Item]
    passages: Sequences[Passage]
    gate: Gate

    async def __call__(
        self, session: Description, items: AsyncIterator[Item | Admission]
    ) -> AsyncGenerator[tuple[SequenceRecord, ...]]:
        """Yield the passages of each item; what a crash left behind is continued, not repeated.

        Raises:
            OSError: the model cannot be reached; worth another try.
        """
        if session.mode != "expand":
            async for _ in items:
                if not session.record.open:
                    return
            return
        cursor: _Cursor | None = None
        async for item in items:
            if cursor is None:
                admission = await self.gate.enter(session)
                if admission is None:
                    return
                cursor = await self._resume(session)
                async for output in self._missed(session, cursor, item, admission):
                    yield output
            if isinstance(item, Item):
                async for output in self._take(session, cursor, item):
                    yield output

    async def _missed(
        self,
        session: Description,
        cursor: _Cursor,
        item: Item | Admission,
        admission: tuple[SequenceRecord, ...],
    ) -> AsyncGenerator[tuple[SequenceRecord, ...]]:
        """Take in what is stored up to an item; it may not be delivered again.

        What came while the session waited was passed over: up to its admission, take in all.
        """
        if admission:
            yield admission
        end = item.seq + 1 if isinstance(item, Item) else None
        async for earlier in self.items.stream(session.session, cursor.next_input[0], end):
            async for output in self._take(session, cursor, earlier):
                yield output

    async def given_up(
        self, session: Description, record: Item | Admission, reason: str
    ) -> tuple[SequenceRecord, ...]:
        """Return the passage that ends the session."""
        last = await self.passages.last(session.session)
        if session.mode != "expand" or (last is not None and last.last):
            return ()
        return (
            Passage(
                session=session.session,
                seq=0 if last is None else last.seq + 1,
                item=record.start if last is None else last.item,
                item_end=True,
                last=True,
                error=reason,
            ),
        )

    async def _resume(self, session: Description) -> _Cursor:
        last = await self.passages.last(session.session)
        if last is None:
            return _Cursor()
        if last.last or last.kind != "text":
            return _Cursor(seq=last.seq + 1, next_input=(last.item + 1, 0), closed=last.last)
        if last.item_end:
            end = await self._end_of_prompt(session, last.item)
            return _Cursor(seq=last.seq + 1, next_input=(end, 0))
        first = last.seq
        written: list[str] = []
        while first >= 0:  # backwards: the item's passages are the newest
            (passage,) = await self.passages.records(session.session, first, first + 1)
            if passage.item != last.item:
                break
            written.append(passage.text)
            first -= 1
        return _Cursor(
            seq=last.seq + 1,
            next_input=(last.item, 0),
            part_of=last.item,
            written="".join(reversed(written)),
        )

    async def _end_of_prompt(self, session: Description, first: int) -> int:
        """Return the position behind a prompt, which may be several items."""
        end = first
        async for item in self.items.stream(session.session, first):
            if item.kind != "text":
                break
            end = item.seq + 1
            if item.item_end or item.last:
                break
        return end

    async def _take(
        self, session: Description, cursor: _Cursor, item: Item
    ) -> AsyncGenerator[tuple[SequenceRecord, ...]]:
        if cursor.closed or (item.seq, item.part) < cursor.next_input:
            return
        cursor.next_input = (item.seq, item.part + 1)
        if item.kind == "text":
            if cursor.item < 0:
                cursor.item = item.seq
            cursor.prompt.append(item.text)
        elif cursor.item >= 0:
            async for output in self._write(session, cursor, last=False):
                yield output
        ends = item.kind == "text" and (item.item_end or item.last)
        if ends and cursor.item >= 0:
            async for output in self._write(session, cursor, last=item.last):
                yield output
        elif item.kind != "text":
            yield (_passed_on(cursor, item),)
            cursor.seq += 1
            cursor.closed = item.last

    async def _write(
        self, session: Description, cursor: _Cursor, *, last: bool
    ) -> AsyncGenerator[tuple[SequenceRecord, ...]]:
        prompt, item = "".join(cursor.prompt), cursor.item
        so_far = cursor.written if cursor.part_of == item else ""
        pending = ""
        error = ""
        try:
            writing = self.model.write(prompt, session.voice.language, so_far)
            async with aclosing(writing) as deltas:  # a session let go of must not write on
                async for delta in deltas:
                    pending += delta
                    while len(pending) >= DELTA_CHARS:  # some servers send all of it at once
                        piece, pending = pending[:MAX_PIECE_CHARS], pending[MAX_PIECE_CHARS:]
                        yield (self._passage(session, cursor, piece),)
                        so_far += piece
                        cursor.seq += 1
        except (ModelFailedError, ModelUnavailableError) as failure:
            error = str(failure)
        if not error and not (so_far + pending).strip():
            error = f"the model {self.model.name} wrote nothing"
        ending = Passage(
            session=session.session,
            seq=cursor.seq,
            item=item,
            text=pending,
            item_end=True,
            last=last or bool(error),
            error=error,
        )
        yield (ending,)
        cursor.seq += 1
        cursor.item, cursor.prompt = -1, []
        cursor.part_of, cursor.written = -1, ""
        cursor.closed = ending.last

    def _passage(self, session: Description, cursor: _Cursor, text: str) -> Passage:
        return Passage(session=session.session, seq=cursor.seq, item=cursor.item, text=text)


def _passed_on(cursor: _Cursor, item: Item) -> Passage:
    return Passage(
        session=item.session,
        seq=cursor.seq,
        item=item.seq,
        kind=item.kind,
        object=item.object,
        etag=item.etag,
        seconds=item.seconds,
        last=item.last,
    )
