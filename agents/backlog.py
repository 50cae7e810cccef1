"""How far what is sounded may run ahead of mastering: what waits there is memory of the log."""

import asyncio
from dataclasses import dataclass

from ..codecs.records import AudioFrame, Event
from .journal import Sequences

MOST_CHUNKS = 8
"""Chunks of a session that are spoken and not mastered."""
MOST_PIECES = 240
"""Pieces of its objects that are decoded and not mastered; each has half a second or more."""
LOOK_S, MOST_LOOK_S = 0.02, 0.2
"""Between two looks whether there is room, first and in the end."""


@dataclass(frozen=True, slots=True)
class Backlog:
    """Lets a stage wait until mastering has come nearer, or the session has ended."""

    events: Sequences[Event]
    frames: Sequences[AudioFrame]
    most_chunks: int = MOST_CHUNKS
    most_pieces: int = MOST_PIECES

    async def chunk(self, session: str, seq: int) -> None:
        """Wait until a chunk is one of the next few."""
        pause_s = LOOK_S
        while seq >= self.most_chunks:
            mastered = await self.events.state(f"{session}/master")
            if mastered.closed or seq - mastered.next < self.most_chunks:
                return
            await asyncio.sleep(pause_s)
            pause_s = min(MOST_LOOK_S, 2 * pause_s)

    async def piece(self, session: str, chapter: int, piece: int) -> None:
        """Wait until a chapter's piece is one of the next few."""
        pause_s = LOOK_S
        while piece >= self.most_pieces:
            last = await self.frames.last(session)
            if last is not None:
                mastered = last.piece if last.chapter == chapter else 0
                if last.last or last.chapter > chapter or piece - mastered < self.most_pieces:
                    return
            await asyncio.sleep(pause_s)
            pause_s = min(MOST_LOOK_S, 2 * pause_s)
