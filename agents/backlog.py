"""How far a stage may run ahead of the one behind it: what waits there is memory."""

import asyncio
from dataclasses import dataclass
from time import monotonic

from ..codecs.hls.grid import AAC_FRAME_SAMPLES
from ..codecs.records import AudioFrame, Event, Segment
from .journal import Description, Sequences
from .turns import grid_of

MOST_CHUNKS = 8
"""Chunks of a session that are spoken and not mastered."""
MOST_PIECES = 60
"""Pieces of its objects that are decoded and not mastered: at 48 kHz half a minute, 3 MB."""
MOST_PACKED_S = 60.0
"""Audio of a session that is mastered and not packed: two records a second, each of which waits for
the stages behind, with or without its sound."""
LOOK_S, MOST_LOOK_S = 0.02, 0.2
"""Between two looks whether there is room, first and in the end."""
STANDS_STILL_S = 5.0
"""Packing that has come no further for so long is not waited for: its store may be away, and who
listens by a voice device needs no segments."""


@dataclass(frozen=True, slots=True)
class Backlog:
    """Lets a stage wait until mastering has come nearer, or the session has ended."""

    events: Sequences[Event]
    frames: Sequences[AudioFrame]
    most_chunks: int = MOST_CHUNKS
    most_pieces: int = MOST_PIECES

    async def chunk(self, session: str, seq: int) -> bool:
        """Wait until a chunk is one of the next few; tell whether it had to wait."""
        pause_s = LOOK_S
        while seq >= self.most_chunks:
            mastered = await self.events.state(f"{session}/master")
            if mastered.closed or seq - mastered.next < self.most_chunks:
                break
            await asyncio.sleep(pause_s)
            pause_s = min(MOST_LOOK_S, 2 * pause_s)
        return pause_s > LOOK_S

    async def piece(self, session: str, chapter: int, piece: int) -> None:
        """Wait until a chapter's piece is one of the next few."""
        pause_s, seen = LOOK_S, -1
        while piece >= self.most_pieces:
            state = await self.frames.state(session)
            if state.next != seen and (last := await self.frames.last(session)):
                mastered = last.piece if last.chapter == chapter else 0
                if last.last or last.chapter > chapter or piece - mastered < self.most_pieces:
                    break
            seen = state.next
            await asyncio.sleep(pause_s)
            pause_s = min(MOST_LOOK_S, 2 * pause_s)


@dataclass(slots=True)
class PackingBacklog:
    """Lets one session's mastering wait until packing has come nearer, or stands still."""

    session: Description
    segments: Sequences[Segment]
    most_s: float = MOST_PACKED_S
    stands_still_s: float = STANDS_STILL_S
    _packed: int = 0
    """Segments, when it was looked last."""
    _stands_at: int = -1
    """Segments at which packing stood still."""

    async def sample(self, sample: int) -> None:
        """Wait until a sample is one of the next minute's."""
        pause_s, since_s = LOOK_S, monotonic()
        while self._is_far_behind(sample):
            state = await self.segments.state(self.session.session)
            if state.closed or state.next == self._stands_at:
                return
            if state.next > self._packed:
                self._packed, since_s = state.next, monotonic()
            elif monotonic() - since_s >= self.stands_still_s:
                self._stands_at = state.next
            else:
                await asyncio.sleep(pause_s)
                pause_s = min(MOST_LOOK_S, 2 * pause_s)

    def _is_far_behind(self, sample: int) -> bool:
        packed = grid_of(self.session.form).start(self._packed) * AAC_FRAME_SAMPLES
        return sample - packed > self.most_s * self.session.form.sample_rate_hz
