"""A run without any trouble, and what each stage said in it: what other runs are held to."""

import asyncio
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from rhapsode.agents.models.reciter import Reciter
from rhapsode.agents.voices.tone import ToneVoice
from rhapsode.codecs.records import Text
from rhapsode.storage.log import SequenceBatch
from rhapsode.topologies.speech import SPEECH
from rhapsode.topologies.stage import Stage

from .deaths import as_placed
from .rooms import Contents, Room, contents

STORY = """# One

A fox collected maps, and every evening she chose another road through the old forest.

# Two

Snow covered all paths; she laughed, folded everything up, and stayed.

# Three

That was that.
"""
NOTE = "Hello there, listener. This one is short."
STAGES = {stage.name: stage for stage in SPEECH}


@dataclass(frozen=True, repr=False)
class Undisturbed:
    """What a run without any death left in the log and in the store."""

    texts: tuple[Text, ...]
    sources: dict[str, tuple[SequenceBatch, ...]]
    """By topic, in the order in which they came to stand."""
    contents: Contents
    files: dict[str, bytes]

    def __repr__(self) -> str:
        return "what was said undisturbed"  # megabytes of it

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(repr(self))


def voice() -> ToneVoice:
    """Return the voice of all runs."""
    return ToneVoice(word_s=0.16, degraded_at="Snow")


def model() -> Reciter:
    """Return the model of all runs."""
    # as long as a passage, so that a model that is asked to go on does so at the same place
    return Reciter(NOTE * 3, delta_chars=24)


def run_undisturbed() -> Undisturbed:
    """Walk three texts through all stages."""

    async def run() -> Undisturbed:
        room = Room(voice=voice(), model=model())
        texts = (
            Text(session="story", text=STORY, created_ms=1_700_000_000_000),
            Text(session="note", text=NOTE, created_ms=1_700_000_000_001),
            Text(session="model", text="Write.", mode="expand"),
        )
        async with room.flowing():
            await room.append_at(texts)
            await room.finished("story", "note", "model")
        topics = sorted({topic for stage in SPEECH for topic in (stage.source, *stage.sinks)})
        return Undisturbed(
            texts=texts,
            sources={topic: tuple(await as_placed(room.log, topic)) for topic in topics},
            contents=await contents(room.log, *topics),
            files=dict(room.store.files),
        )

    return asyncio.run(run())


def said_by(stage: Stage, found: Contents) -> dict[tuple[str, str], list[str]]:
    """Return the digests of what a stage writes: its topics, its own lines among the events."""
    return {
        (topic, line): [sha256(value).hexdigest()[:12] for value in values]
        for (topic, line), values in found.items()
        if topic in stage.sinks and (topic != "event" or line.endswith(f"/{stage.name}"))
    }


def stored_by(stage: Stage, files: dict[str, bytes]) -> dict[str, str]:
    """Return the digests of the objects a stage stores."""
    endings = {"pack": (".m4s", ".mp4"), "publish": (".m3u8",)}.get(stage.name, ())
    return {
        name: sha256(data).hexdigest()[:12]
        for name, data in files.items()
        if endings and name.endswith(endings)
    }
