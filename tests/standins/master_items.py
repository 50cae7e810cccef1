"""Speech, objects and silences for tests of mastering, and a way to hand them over."""

from collections.abc import AsyncIterator, Sequence
from typing import Any

import numpy as np

from rhapsode.agents.idle import Idle
from rhapsode.agents.master import Master
from rhapsode.codecs.records import (
    AudioFrame,
    Chunk,
    Control,
    Event,
    Item,
    ObjectAudio,
    Segment,
    SequenceRecord,
    Speech,
)
from rhapsode.codecs.session import PausePolicy
from rhapsode.codecs.text.sentences import Boundary
from standins.in_memory import System, accepted

RATE_HZ = 48_000
PIECE = 24_000
RUN_OUT = Idle(1.2)
CANCEL = Control(session="s", seq=0, verb="cancel", last=True)
NO_PAUSES = PausePolicy(clause_s=0.0, sentence_s=0.0, paragraph_s=0.0, chapter_s=0.0)

Handed = SequenceRecord | Idle


def agent(system: System) -> Master:
    journal = system.journal
    return Master(
        system.codec_turns,
        journal.of(Speech),
        journal.of(ObjectAudio),
        journal.of(AudioFrame),
        journal.of(Event),
        journal.of(Control),
        journal.of(Chunk),
        journal.of(Item),
        journal.of(Segment),
    )


def tone(seconds: float, level: float = 8_000.0, hz: float = 440.0) -> np.ndarray:
    times = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    return np.rint(level * np.sin(2 * np.pi * hz * times)).astype(np.int16)


def spoken(index: int, boundary: Boundary = "sentence", **fields: Any) -> Speech:
    """Return a chunk's speech of 0.4 s."""
    known = {"session": "s", "seq": index, "index": index, "boundary": boundary}
    known |= {"text": f"Number {index}.", "rate_hz": RATE_HZ, "pcm": tone(0.4).tobytes()}
    return Speech(**(known | fields))  # pyright: ignore[reportArgumentType]  # a mix of types by name


def other(index: int, kind: str, **fields: Any) -> Speech:
    """Return what stands for a chunk without speech."""
    known = {"session": "s", "seq": index, "index": index, "kind": kind, "boundary": "paragraph"}
    return Speech(**(known | fields))  # pyright: ignore[reportArgumentType]  # a mix of types by name


def end(index: int, **fields: Any) -> Speech:
    return other(index, "mark", **({"boundary": "end", "last": True} | fields))


def pieces(
    samples: np.ndarray, index: int, first: int = 0, error: str = "", size: int = PIECE
) -> list[ObjectAudio]:
    """Return an object's audio as `fetch` writes it."""
    starts = range(0, max(1, len(samples)), size)
    return [
        ObjectAudio(
            session="s",
            seq=index,
            index=index,
            piece=first + number,
            first_sample=start,
            pcm=samples[start : start + size].tobytes(),
            object_end=number == len(starts) - 1,
            error=error if number == len(starts) - 1 else "",
        )
        for number, start in enumerate(starts)
    ]


async def mastered(records: Sequence[Handed], **fields: Any) -> System:
    """Return a system in which the records were appended and handed over one by one."""
    system = await accepted(**fields)
    await system.append([record for record in records if not isinstance(record, Idle)])
    await system.hand(agent(system), "s", records)
    return system


async def live(records: Sequence[Handed], **fields: Any) -> System:
    """Return a system in which each record is stored only when it is handed over."""
    system = await accepted(**fields)

    async def coming() -> AsyncIterator[Any]:
        for record in records:
            if not isinstance(record, Idle):
                await system.append([record])
            yield record

    description = await system.journal.describe("s")
    async for output in agent(system)(description, coming()):
        await system.append(output)
    return system


def song_between() -> list[SequenceRecord]:
    """Return speech, two objects, one of them broken, a silence and an end."""
    return [
        spoken(0),
        other(1, "object"),
        *pieces(tone(1.7, 29_000.0), 1),
        other(2, "object"),
        *pieces(np.zeros(0, np.int16), 2, first=4, error="there is no such object"),
        other(3, "silence", seconds=0.2),
        spoken(4, "paragraph"),
        end(5),
    ]


async def orders(system: System) -> list[SequenceRecord]:
    frames = await system.records(AudioFrame, "s")
    events = await system.records(Event, "s/master")
    return [*frames, *events]


def noted(records: Sequence[Handed], handed: list[Handed]):
    for record in records:
        handed.append(record)
        yield record
