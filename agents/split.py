"""From items to chunks: what is sounded in one go, and where texts are cut."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass

from ..codecs.records import (
    Admission,
    AudioFrame,
    Chunk,
    Control,
    Event,
    Item,
    Passage,
    SequenceRecord,
)
from .admission import Gate
from .idle import Idle
from .journal import Description, Sequences
from .pace import Runway
from .splitting import Cursor, cut_idle, mark, place_of, take, text_event

Input = Item | Passage | Admission | Control


def _is_other_control(session: Description, received: Input) -> bool:
    """Return whether it is a control record that lets nothing go on here."""
    if not isinstance(received, Control):
        return False
    return received.verb != "produce" or not session.record.pace.ahead_s


@dataclass(slots=True)
class _Run:
    """What an agent knows between two of its inputs."""

    cursor: Cursor
    runway: Runway | None
    """None where the session has no pace."""
    admission: tuple[SequenceRecord, ...]

    def take(self, session: Description, received: Input) -> list[tuple[SequenceRecord, ...]]:
        """Take an input in; return the chunks that follow from it."""
        if isinstance(received, Item | Passage):
            return take(session, self.cursor, received)
        if isinstance(received, Control) and self.runway is not None:
            self.runway.grant(received)
        return []


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
    frames: Sequences[AudioFrame]
    control: Sequences[Control]

    async def __call__(
        self, session: Description, inputs: AsyncIterator[Input | Idle]
    ) -> AsyncGenerator[tuple[SequenceRecord, ...]]:
        """Yield the chunks of a session as soon as its items, and its pace, allow."""
        ours = (Passage, Control) if session.mode == "expand" else (Item, Admission, Control)
        run: _Run | None = None
        async for received in inputs:
            outputs: list[tuple[SequenceRecord, ...]] = []
            if isinstance(received, Idle):
                outputs = cut_idle(session, run.cursor, received.seconds) if run else []
            elif type(received) not in ours or _is_other_control(session, received):
                continue
            else:
                if run is None:
                    run = await self._begin(session)
                    if run is None:
                        return
                    outputs = [run.admission, *await self._missed(session, run.cursor, received)]
                outputs += run.take(session, received)
            for output in filter(None, outputs):
                if run and run.runway and run.runway.pauses_before(output):
                    return  # until it is woken
                yield output
            if run and run.cursor.closed and not await self._has_told(session):
                yield (text_event(session, run.cursor.chars),)

    async def _begin(self, session: Description) -> "_Run | None":
        """Return a run from where the log says that the session is; None where it has to wait."""
        admission, cursor, runway = await asyncio.gather(
            self._admission(session), self._resume(session), self._runway(session)
        )
        return None if admission is None else _Run(cursor, runway, admission)

    async def _has_told(self, session: Description) -> bool:
        return (await self.events.state(f"{session.session}/split")).closed

    async def given_up(
        self, session: Description, record: Input, reason: str
    ) -> tuple[SequenceRecord, ...]:
        """Return the mark that ends the session where it is cut so far."""
        cursor = await self._resume(session)
        return () if cursor.closed else (mark(session, cursor, "end", reason),)

    async def _admission(self, session: Description) -> tuple[SequenceRecord, ...] | None:
        """Return the record that admits the session, if there is one to write; None: it waits."""
        return () if session.mode == "expand" else await self.gate.enter(session)

    async def _runway(self, session: Description) -> Runway | None:
        if not session.record.pace.ahead_s:
            return None
        return await Runway.of(session, self.chunks, self.frames, self.control)

    async def _missed(
        self, session: Description, cursor: Cursor, received: Input
    ) -> list[tuple[SequenceRecord, ...]]:
        """Take in what is stored up to an input and is not cut; it may not be delivered again.

        What came while the session waited or paused was passed over: then take in all.
        """
        source = self.passages if session.mode == "expand" else self.items
        end: int | None = None
        if isinstance(received, Item | Passage):
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
