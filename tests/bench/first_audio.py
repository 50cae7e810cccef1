"""From the posted text to the first segment that a listener can fetch, and where the time goes."""

import time
from dataclasses import dataclass, field

from figures import Measured, percentile
from servers import System, system
from speech import said_alone_ms, short_texts

from rhapsode.agents.voices.espeak import EspeakVoice
from rhapsode.agents.voices.piper import PiperVoice
from rhapsode.agents.voices.voice import Voice
from rhapsode.codecs.records import (
    AudioFrame,
    Chunk,
    Event,
    Item,
    Segment,
    SequenceRecord,
    Speech,
)

NAME = "first-audio"
STAGES: tuple[tuple[str, type[SequenceRecord], str], ...] = (
    ("text", Item, ""),
    ("chunk", Chunk, "/0"),
    ("speech", Speech, "/0"),
    ("audio-frame", AudioFrame, ""),
    ("segment", Segment, ""),
    ("published", Event, "/publish"),
)
"""Record, kind, and what its sequence's name adds to the session's; in the order they come."""


@dataclass(slots=True)
class Runs:
    """What one voice's runs took, in ms."""

    published_ms: list[float] = field(default_factory=list[float])
    fetched_ms: list[float] = field(default_factory=list[float])
    floor_ms: list[float] = field(default_factory=list[float])
    steps_ms: dict[str, list[float]] = field(default_factory=dict[str, list[float]])


async def measure(*, quick: bool) -> Measured:
    """Start sessions one after another on a warm, idle system, voices in turn."""
    texts = short_texts(4 if quick else 16)
    measured = Measured(NAME, f"from POST to first segment, narrate, {len(texts)} texts a voice")
    voices: dict[str, Voice] = {"piper": PiperVoice(), "espeak": EspeakVoice()}
    runs = {name: Runs() for name in voices}
    async with system(voices="piper,espeak") as running:
        for name, voice in voices.items():
            await voice.prepare()
            await _session(running, name, "Warm up, all of you. Then we can begin.")
        for text in texts:
            for name, voice in voices.items():
                await _run(running, name, voice, text, runs[name])
    for voice in voices.values():
        await voice.close()
    for name, found in runs.items():
        _report(measured, name, found)
    measured.notes.append(
        "published: by the log's time stamps (whole ms); fetched: a client has playlist, init and "
        "first segment; bare: the voice says the first chunk, and the encoder encodes it, in one "
        "process with nothing around; p95 is the nearest rank"
    )
    return measured


async def _session(running: System, voice: str, text: str) -> tuple[str, float, float]:
    """Return the session, the Unix ms it was posted at, and the ms until it was fetched."""
    started_s = time.perf_counter()
    posted_ms = time.time_ns() / 1e6
    session = await running.start(text, voice=voice)
    media = f"{running.services.settings.media_prefix}/{session}"
    for name in ("audio.m3u8", "init.mp4", "audio_000.m4s"):
        (await running.client.get(f"{media}/{name}")).raise_for_status()
    fetched_ms = (time.perf_counter() - started_s) * 1000
    await running.finished(session)
    return session, posted_ms, fetched_ms


async def _run(running: System, name: str, voice: Voice, text: str, runs: Runs) -> None:
    session, at_ms, fetched_ms = await _session(running, name, text)
    runs.fetched_ms.append(fetched_ms)
    first_ms = at_ms
    journal = running.services.journal
    for step, kind, suffix in STAGES:
        (entry, *_) = await journal.of(kind).entries(session + suffix, 0, 1)
        runs.steps_ms.setdefault(step, []).append(entry.timestamp_ms - at_ms)
        at_ms = entry.timestamp_ms
    runs.published_ms.append(at_ms - first_ms)
    (chunk, *_) = await journal.of(Chunk).records(f"{session}/0", 0, 1)
    runs.floor_ms.append(await said_alone_ms(voice, chunk.text))


def _report(measured: Measured, name: str, runs: Runs) -> None:
    bare = f"bare {name} + encoder"
    wanted = "median < 500 ms" if name == "piper" else ""
    measured.add(f"{name}: published", "ms", runs.published_ms, bare, runs.floor_ms, wanted)
    p95 = percentile(runs.published_ms, 0.95), percentile(runs.floor_ms, 0.95)
    measured.add(f"{name}: published, p95", "ms", [p95[0]], f"{bare}, p95", [p95[1]])
    measured.add(f"{name}: fetched", "ms", runs.fetched_ms, bare, runs.floor_ms)
    before = "POST"
    for step, values in runs.steps_ms.items():
        measured.add(f"{name}:   {before} to {step}", "ms", values)
        before = step
    measured.add(
        f"{name}: the system around it",
        "ms",
        [ours - bare for ours, bare in zip(runs.published_ms, runs.floor_ms, strict=True)],
    )
