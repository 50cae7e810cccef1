"""Speech by a system's voice, and what mastering makes of it."""

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from rhapsode.agents.speak import Speak
from rhapsode.codecs.records import AudioFrame, Chunk, Control, Speech
from rhapsode.codecs.text.sentences import Boundary
from standins.in_memory import System, samples_of
from standins.master_items import agent

Piece = tuple[str, Boundary]


async def speech_of(system: System, *chapters: list[Piece]) -> list[Speech]:
    """Have the system's voice speak chapters; return all records, chapter after chapter."""
    journal = system.journal
    chunks_, speech, control = journal.of(Chunk), journal.of(Speech), journal.of(Control)
    speak = Speak(system.voice, 1, chunks_, speech, control, system.no_backlog)
    seq = at = 0
    for chapter, pieces in enumerate(chapters):
        chunks: list[Chunk] = []
        for index, (text, boundary) in enumerate(pieces):
            chunks.append(
                Chunk(
                    session="s",
                    seq=seq,
                    chapter=chapter,
                    index=index,
                    text=text,
                    start_char=at,
                    end_char=at + len(text),
                    boundary=boundary,
                    kind="mark" if boundary in ("chapter", "end") else "text",
                    last=boundary in ("chapter", "end"),
                )
            )
            seq, at = seq + 1, at + len(text) + 1
        await system.hand(speak, "s", chunks)
    return await system.chapters(Speech, "s")


async def mastered(
    system: System, delivered: list[Speech]
) -> tuple[list[AudioFrame], NDArray[np.int16]]:
    """Return the frames, checked for gaps, and their samples."""
    await system.hand(agent(system), "s", delivered)
    frames: list[AudioFrame] = await system.records(AudioFrame, "s")
    for before, after in pairwise(frames):
        assert after.first_sample == before.end
    return frames, samples_of(frames)
