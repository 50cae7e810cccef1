"""A run without any trouble, and what each stage wrote in it: what other runs are held to."""

import asyncio
import json
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any

from sample_audio import encoded_as, sweep

from rhapsode.agents.idle import Idle
from rhapsode.agents.models.reciter import Reciter
from rhapsode.agents.voices.tone import ToneVoice
from rhapsode.codecs.encoding import decode
from rhapsode.codecs.records import (
    TOPICS,
    Admission,
    AudioFrame,
    Chunk,
    DeviceRequest,
    Item,
    ObjectAudio,
    SequenceRecord,
    Session,
    Speech,
    text_items,
)
from rhapsode.codecs.session import Form, PausePolicy
from rhapsode.storage.log import SequenceBatch
from rhapsode.storage.memory.log import MemoryLog
from rhapsode.storage.objects.memory import MemorySource
from rhapsode.topologies.speech import SPEECH
from rhapsode.topologies.stage import Stage

from .crashes import CrashingLog, CrashingObjects, WriteGate, stored_batches
from .in_memory import Contents, System, contents, fixed_clock_ms, open_session

STORY = """# One

A fox collected maps, and every evening she chose another road through the old forest.

# Two

Snow covered all paths; she laughed, folded everything up, and stayed.

# Three

That was that.
"""
NOTE = "Hello there, listener. This one is short."
SONG = "songs/sweep.wav"
TITLES = {"Twinkle Twinkle Little Star": "star.mp3", "Twinkle Twinkle Little Bat": "bat.mp3"}
IDLE_CUTS = "idle"
"""The session whose texts were cut because nothing followed them for a while."""
BRIEF = PausePolicy(clause_s=0.02, sentence_s=0.05, paragraph_s=0.1, chapter_s=0.3)
"""So that less is encoded."""
SPEECH_STAGES = {stage.name: replace(stage, idle=None) for stage in SPEECH.stages}
"""Without ticks, so that what an open session gives does not depend on the clock."""


@dataclass(frozen=True, repr=False)
class Undisturbed:
    """What a run without any crash left in the log and in the store."""

    sessions: tuple[SequenceBatch, ...]
    sources: dict[str, tuple[SequenceBatch, ...]]
    """By topic, in the order in which they were appended."""
    contents: Contents
    files: dict[str, bytes]

    def __repr__(self) -> str:
        return "what was written undisturbed"  # megabytes of it

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(repr(self))

    def of_stage(self, stage: Stage) -> Contents:
        """Return what the stage is handed and writes: cuts after idle time are made by a clock."""
        timed = stage.name in ("split", "master")
        return {
            (topic, sequence): values
            for (topic, sequence), values in self.contents.items()
            if not (timed and is_idle_session(sequence))
        }

    def coming(self, stage: Stage, order: int = 0) -> list[SequenceBatch]:
        """Return a stage's input; its sources take turns as a number has it, each in its order."""
        known = self.of_stage(stage)
        queues = [
            [batch for batch in self.sources[topic] if (topic, batch.sequence) in known]
            for topic in stage.sources
        ]
        chance = random.Random(order)
        merged: list[SequenceBatch] = []
        while queues := [queue for queue in queues if queue]:
            merged.append(chance.choice(queues).pop(0))
        return merged

    def given(self, stage: Stage) -> list[SequenceBatch]:
        """Return what is in the log before a stage is run alone.

        Those who sound what is to be heard wait for mastering, so all of that has been done.
        """
        downstream = ("event", "audio-frame") if stage.name in ("speak", "fetch") else ()
        done = [batch for topic in downstream for batch in self.sources[topic]]
        return [*self.sessions, *(one for one in done if not one.sequence.endswith("/split"))]


def is_idle_session(sequence: str) -> bool:
    """Tell whether a sequence is of the session that was cut after idle time."""
    return sequence.partition("/")[0] == IDLE_CUTS


def voice() -> ToneVoice:
    """Return the voice of all runs."""
    return ToneVoice(word_s=0.12, degraded_at="Snow")


def model() -> Reciter:
    """Return the model of all runs."""
    # as long as a passage, so that a model that is asked to go on does so at the same place
    return Reciter(NOTE * 2, delta_chars=24)


def song_of(session: str) -> str:
    """Return a song of a session's own: who plays one first decides what is known of it."""
    return f"songs/{session}.wav"


def objects() -> MemorySource:
    """Return the songs of all runs: one of 1.7 s, which is four pieces, and a catalogue."""
    listed = {title: {"filename": name} for title, name in TITLES.items()}
    return MemorySource(
        {
            **dict.fromkeys(
                (SONG, *map(song_of, ("open", "prompts", IDLE_CUTS))),
                encoded_as("wav", "pcm_s16le", 22_050, sweep(22_050, 1.7)),
            ),
            "music/English/metadata.json": json.dumps(listed).encode(),
            **{f"music/English/{name}": name.encode() for name in TITLES.values()},
        }
    )


def open_items(session: str) -> tuple[Item, ...]:
    """Return the items of an open session: texts in pieces, a silence, a song, and its end."""
    return (
        *text_items(session, 0, "The first words come in pie"),
        *text_items(session, 1, "ces, as they are writ"),
        *text_items(session, 2, "ten. Here is a pause."),
        Item(session=session, seq=3, kind="silence", seconds=0.3),
        *text_items(session, 4, "And now a song.", item_end=True),
        Item(session=session, seq=5, kind="object", object=song_of(session)),
        Item(session=session, seq=6, kind="object", object="songs/missing.wav"),
        *text_items(session, 7, "That was "),
        *text_items(session, 8, "all."),
        Item(session=session, seq=9, kind="end", last=True),
    )


def prompt_items(session: str) -> tuple[Item, ...]:
    """Return the items of an open session whose words a model writes, prompts in pieces."""
    return (
        *text_items(session, 0, "Wri"),
        *text_items(session, 1, "te.", item_end=True),
        Item(session=session, seq=2, kind="object", object=song_of(session)),
        *text_items(session, 3, "And "),
        *text_items(session, 4, "again."),
        Item(session=session, seq=5, kind="silence", seconds=0.2),
        Item(session=session, seq=6, kind="end", last=True),
    )


def descriptions(system: System) -> tuple[Session, ...]:
    """Return the sessions of all runs."""
    form = system.form
    return (
        Session(session="story", last=True, form=form),
        Session(session="note", last=True, form=Form(segment_s=1.5, ramp=False, device=None)),
        Session(session="model", last=True, mode="expand", form=form, pauses=BRIEF),
        open_session("open", form=form, pauses=BRIEF),
        open_session("prompts", mode="expand", form=form, pauses=BRIEF),
    )


FINISHED = ("story", "note", "model", "open", "prompts")
HEARD_BY_DEVICES = ("story", "model", "open")


async def begin(system: System) -> None:
    """Accept the sessions of all runs, with their items."""
    await system.declare()
    await system.append(descriptions(system))
    await system.append(text_items("story", 0, STORY, item_end=True, last=True))
    await system.append(text_items("note", 0, NOTE, item_end=True, last=True))
    await system.append(text_items("model", 0, "Write.", item_end=True, last=True))
    await system.append(open_items("open"))
    await system.append(prompt_items("prompts"))
    await system.append(DeviceRequest(session=one, last=True) for one in HEARD_BY_DEVICES)


def new_system(**parts: Any) -> System:
    """Return a system with the voice, the model and the songs of all runs."""
    values: dict[str, Any] = {"voice": voice(), "model": model(), "objects": objects()}
    return System(**(values | parts))


def system_that_crashes(gate: WriteGate) -> System:
    """Return such a system whose log and store let writes through a gate."""
    return new_system(log=CrashingLog(gate), store=CrashingObjects(gate))


def run_undisturbed() -> Undisturbed:
    """Run all sessions through all stages."""

    async def run() -> Undisturbed:
        system = new_system(log=MemoryLog(fixed_clock_ms))
        await begin(system)
        async with system.running(tuple(SPEECH_STAGES.values())):
            await system.finished(*FINISHED)
        assert system.counts.troubles == []
        await _with_idle_cuts(system)
        topics = sorted({topic for stage in SPEECH_STAGES.values() for topic in stage.topics})
        return Undisturbed(
            sessions=tuple(await stored_batches(system.log, Session.TOPIC)),
            sources={topic: tuple(await stored_batches(system.log, topic)) for topic in topics},
            contents=await contents(system.log, *topics),
            files=dict(system.recorded.files),
        )

    return asyncio.run(run())


async def _with_idle_cuts(system: System) -> None:
    """Run a session whose items come with long pauses between them, by a clock of its own.

    It is cut where nothing followed for a while, and goes on silently until something comes.
    """
    await system.append([open_session(IDLE_CUTS, form=system.form, pauses=BRIEF)])
    # nobody admits any more, and there may be no place left
    await system.append([Admission(session=IDLE_CUTS, last=True)])
    rounds: tuple[tuple[Item, ...], ...] = (
        text_items(IDLE_CUTS, 0, "Somebody types. And hesi"),
        text_items(IDLE_CUTS, 1, "tates, then goes on."),
        (Item(session=IDLE_CUTS, seq=2, kind="object", object=song_of(IDLE_CUTS)),),
        (
            *text_items(IDLE_CUTS, 3, "Good bye."),
            Item(session=IDLE_CUTS, seq=4, kind="end", last=True),
        ),
    )
    for items in rounds:
        await system.append(items)
        chunks = await _handed(system, "split", [*items, Idle(0.3), Idle(1.2)])
        sounded = await _handed(system, "speak", chunks)
        pieces = await _handed(system, "fetch", chunks)
        await _handed(system, "master", [*sounded, *pieces, Idle(1.2)])
    frames = await system.records(AudioFrame, IDLE_CUTS)
    assert any(frame.chunk < 0 and frame.samples > 1024 for frame in frames)
    assert frames[-1].last
    await system.append([DeviceRequest(session=IDLE_CUTS, last=True)])
    rest = tuple(SPEECH_STAGES[name] for name in ("pack", "publish", "frame"))
    async with system.running(rest):
        await system.finished(IDLE_CUTS)


async def _handed(
    system: System, name: str, records: Sequence[object]
) -> list[Chunk | Speech | ObjectAudio]:
    outputs = await system.hand(SPEECH_STAGES[name].agent(system), IDLE_CUTS, records)
    return [
        record
        for output in outputs
        for record in output
        if isinstance(record, Chunk | Speech | ObjectAudio)
    ]


def written_by(stage: Stage, found: Contents) -> dict[tuple[str, str], list[str]]:
    """Return the digests of what a stage writes: its topics, its own sequences among the events."""
    return {
        (topic, sequence): [sha256(value).hexdigest()[:12] for value in values]
        for (topic, sequence), values in found.items()
        if _writes(stage, topic, sequence)
    }


def _writes(stage: Stage, topic: str, sequence: str) -> bool:
    return topic in stage.sinks and (topic != "event" or sequence.endswith(f"/{stage.name}"))


def stored_by(stage: Stage, files: dict[str, bytes]) -> dict[str, str]:
    """Return the digests of the objects a stage stores."""
    endings = {"pack": (".m4s", ".mp4"), "publish": (".m3u8",)}.get(stage.name, ())
    return {
        name: sha256(data).hexdigest()[:12]
        for name, data in files.items()
        if endings and name.endswith(endings)
    }


async def hold_to(was: Undisturbed, stage: Stage, system: System) -> None:
    """Compare what a stage has written with what it wrote undisturbed, to the byte."""
    wanted = was.of_stage(stage)
    found = await contents(system.log, *stage.sinks)
    assert written_by(stage, found) == written_by(stage, wanted), first_difference(
        found, wanted, stage
    )
    assert stored_by(stage, system.store.files) == stored_by(stage, was.files)


def first_difference(found: Contents, wanted: Contents, stage: Stage) -> str:
    """Return, for people, the first record in which two runs of a stage differ."""
    for (topic, sequence), values in wanted.items():
        if not _writes(stage, topic, sequence):
            continue
        others = found.get((topic, sequence), [])
        for number, value in enumerate(values):
            if number >= len(others) or others[number] != value:
                was = _shown(topic, others[number]) if number < len(others) else "nothing"
                return f"{topic} {sequence} {number}: {was}, not {_shown(topic, value)}"
    return ""


def _shown(topic: str, value: bytes) -> str:
    record = decode(value, TOPICS[topic])
    assert isinstance(record, SequenceRecord)
    fields = {name: getattr(record, name) for name in record.__struct_fields__}
    return str({name: value for name, value in fields.items() if name not in ("pcm", "packets")})
