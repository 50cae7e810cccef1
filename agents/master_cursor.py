"""Where mastering goes on, as far as the log tells."""

from dataclasses import replace

from ..codecs.records import AudioFrame, Event, ObjectAudio, Speech
from .journal import Sequences
from .mastering import Cursor


async def written(
    frames: Sequences[AudioFrame], events: Sequences[Event], session: str
) -> tuple[AudioFrame | None, Event | None]:
    """Return the last frame and the last event of one moment: another may be writing."""
    sequence = f"{session}/master"
    while True:
        reported = await events.last(sequence)
        last = await frames.last(session)
        if last is None and reported is None:
            return None, None
        state = await events.state(sequence)
        if state.next == (0 if reported is None else reported.end):
            return last, reported


async def behind_silent(objects: Sequences[ObjectAudio], at: Cursor, head: Speech) -> Cursor:
    """Return the cursor behind a chunk that had no sound, and so left an event and no frame."""
    if head.kind == "object":
        async for piece in objects.stream(head.sequence, at.piece):
            if piece.index > head.index:
                break
            at = replace(at, piece=piece.piece + 1)
    return at.behind(head)
