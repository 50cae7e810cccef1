"""From items to chunks: what is sounded in one go, and where texts are cut."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass

from ..codecs.records import Admission, Chunk, Event, Item, Passage, SequenceRecord
from .admission import Gate
from .idle import Idle
from .journal import Description, Sequences
from .splitting import Cursor, cut_idle, mark, place_of, take, text_event


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
    gate: Gate

    async def __call__(
        self, session: Description, inputs: AsyncIterator[Item | Passage | Admission | Idle]
    ) -> AsyncGenerator[tuple[SequenceRecord, ...]]:
        """Yield the chunks of a session as soon as its items allow."""
        ours = (Passage,) if session.mode == "expand" else (Item, Admission)
        cursor: Cursor | None = None
        async for received in inputs:
            outputs: list[tuple[SequenceRecord, ...]] = []
            if isinstance(received, Idle):
                outputs = cut_idle(session, cursor, received.seconds) if cursor else []
            elif type(received) not in ours:
                continue
            else:
                if cursor is None:
                    admission, resumed = await asyncio.gather(
                        self._admission(session), self._resume(session)
                    )
                    if admission is None:
                        return
                    cursor = resumed
                    outputs = [admission, *await self._missed(session, cursor, received)]
                if not isinstance(received, Admission):
                    outputs += take(session, cursor, received)
            for output in filter(None, outputs):
                yield output
            if (
                cursor
                and cursor.closed
                and not (await self.events.state(f"{session.session}/split")).closed
            ):
                yield (text_event(session, cursor.chars),)

    async def given_up(
        self, session: Description, record: Item | Passage | Admission, reason: str
    ) -> tuple[SequenceRecord, ...]:
        """Return the mark that ends the session where it is cut so far."""
        cursor = await self._resume(session)
        return () if cursor.closed else (mark(session, cursor, "end", reason),)

    async def _admission(self, session: Description) -> tuple[SequenceRecord, ...] | None:
        """Return the record that admits the session, if there is one to write; None: it waits."""
        return () if session.mode == "expand" else await self.gate.enter(session)

    async def _missed(
        self, session: Description, cursor: Cursor, received: Item | Passage | Admission
    ) -> list[tuple[SequenceRecord, ...]]:
        """Take in what is stored up to an input and is not cut; it may not be delivered again.

        What came while the session waited was passed over: up to its admission, take in all.
        """
        source = self.passages if session.mode == "expand" else self.items
        end: int | None = None
        if not isinstance(received, Admission):
            if place_of(received) <= cursor.next_input:
                return []
            end = received.seq + 1
        outputs: list[tuple[SequenceRecord, ...]] = []
        async for earlier in source.stream(session.session, cursor.next_input[0], end):
            outputs += take(session, cursor, earlier)
        return outputs

    async def _resume(self, session: Description) -> Cursor:
        cursor = Cursor()
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
