"""Sessions that grow while they are heard: what comes late, what idle time decides, who decides."""

import random
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from standins.crashes import Worker
from standins.in_memory import System, open_session
from standins.races import UnevenLog, UnevenObjects
from standins.undisturbed import BRIEF, SONG, objects
from standins.waiting import until

from rhapsode.agents.voices.tone import audible
from rhapsode.codecs.records import AudioFrame, Chunk, Control, Event, Item, text_items
from rhapsode.codecs.session import Form
from rhapsode.ops.tools.replay import derive
from rhapsode.topologies.registry import STAGES
from rhapsode.topologies.testing import PARTITIONS, InMemorySystem

SENTENCES = (
    "Somebody types a first line. ",
    "Then comes a second one. ",
    "And there is the third.",
)


async def texts_of(system: InMemorySystem) -> str:
    """Return what is said of a finished session, chunk by chunk."""
    frames = await system.records(AudioFrame, "s")
    return " ".join(frame.text for frame in frames if frame.text)


async def sounding(system: InMemorySystem, text: str) -> bool:
    """Tell whether the audio of a text is in the log."""
    return text.strip() in await texts_of(system)


async def hold_whole(system: System, wanted: str) -> list[Chunk]:
    """Hold a finished session to its words: each once, in order, at positions without a gap."""
    frames, _ = await system.whole("s")
    assert [word.text for frame in frames for word in frame.words] == audible(wanted)
    chunks: list[Chunk] = await system.chapters(Chunk, "s")
    assert [chunk.seq for chunk in chunks] == list(range(len(chunks)))
    spoken = [chunk for chunk in chunks if chunk.kind == "text"]
    for before, after in pairwise(spoken):
        assert after.item > before.item or after.start_char >= before.end_char
    events: list[Event] = await system.records(Event, "s/master")
    assert [event.seq for event in events] == list(range(len(events)))
    await system.check("s")
    return chunks


async def test_a_finished_sentence_sounds_though_nothing_follows_it_yet() -> None:
    system = System()
    async with system.running():
        await system.append([open_session(form=system.form)])
        for seq, sentence in enumerate(SENTENCES):
            await system.text(seq, sentence)
            await until(lambda text=sentence: sounding(system, text))
        await system.append([Item(session="s", seq=len(SENTENCES), kind="end", last=True)])
        await system.finished("s")
    chunks = await hold_whole(system, "".join(SENTENCES))
    assert {chunk.item for chunk in chunks if chunk.kind == "text"} == {0}  # one running text


async def test_the_last_words_are_let_out_by_silence_and_the_session_goes_on_after_it() -> None:
    system = System()
    async with system.running():
        await system.append([open_session(form=system.form)])
        await system.text(0, SENTENCES[0])
        await until(lambda: silent(system), 15.0)
        await system.text(1, SENTENCES[1])
        await system.append([Item(session="s", seq=2, kind="end", last=True)])
        await system.finished("s")
    await hold_whole(system, "".join(SENTENCES[:2]))


async def silent(system: InMemorySystem) -> bool:
    """Tell whether the session goes on silently, and its last words are in whole segments."""
    frames = await system.records(AudioFrame, "s")
    return bool(frames) and frames[-1].chunk < 0


async def test_an_end_closes_what_nobody_completed() -> None:
    system = System(objects=objects())
    async with system.running():
        await system.append([open_session(form=system.form)])
        await system.text(0, "An unfinished sen")
        await system.append([Item(session="s", seq=1, kind="object", object=SONG)])
        await system.text(2, "tence of two")
        await system.append([Item(session="s", seq=3, kind="end", last=True)])
        await system.finished("s")
    await hold_whole(system, "An unfinished sen tence of two")


@pytest.mark.parametrize("open_", [True, False])
async def test_a_session_that_is_cancelled_ends_where_its_audio_is(open_: bool) -> None:
    system = System(objects=objects())
    async with system.running():
        await system.describe(open=open_)
        await system.text(0, SENTENCES[0], item_end=True)
        await system.append([Item(session="s", seq=1, kind="object", object=SONG)])
        await until(lambda: sounding(system, SENTENCES[0]))
        await system.append([Control(session="s", seq=0, verb="cancel", last=True)])
        await system.finished("s")
    frames, _ = await system.whole("s")
    assert frames[-1].error == "cancelled"
    await system.check("s")


async def sharing(first: System, **parts: Any) -> System:
    """Return another process on the same log and store."""
    return System(log=first.log, store=first.store, objects=first.objects, **parts)  # pyright: ignore[reportArgumentType]  # a mix of types by name


@pytest.mark.parametrize("seed", range(3))
async def test_workers_that_race_over_idle_cuts_lose_and_double_no_word(seed: int) -> None:
    """Which of them cuts is decided by a clock; whoever comes second reads it and goes on."""
    log = UnevenLog(seed)
    first = System(log=log, store=UnevenObjects(log), objects=objects())
    second = await sharing(first)
    chance = random.Random(seed)
    text = "# One\n\n" + "".join(SENTENCES) + "\n\n# Two\n\nThe fourth, at last, is here.\n\n"
    pieces = [text[start : start + 17] for start in range(0, len(text), 17)]
    async with both_running(first, second):
        await first.append([open_session(form=first.form, pauses=BRIEF)])
        for seq, piece in enumerate(pieces):
            await first.text(seq, piece)
            if chance.random() < 0.2:  # then both of them cut at the same time
                so_far = "".join(pieces[: seq + 1])
                await until(lambda so_far=so_far: all_cut(first, so_far))
        await first.append(
            [
                Item(session="s", seq=len(pieces), kind="object", object=SONG),
                *text_items("s", len(pieces) + 1, "Good bye."),
                Item(session="s", seq=len(pieces) + 2, kind="end", last=True),
            ]
        )
        await first.finished("s")
    for system in (first, second):
        assert {kind for _, kind in system.counts.troubles} <= {"reload"}
    frames, _ = await first.whole("s")
    # a word may be cut in two, and a full stop that comes alone is not spoken
    said = "".join(word.text for frame in frames for word in frame.words)
    assert letters(said) == letters(text + "Good bye.")
    chunks: list[Chunk] = await first.chapters(Chunk, "s")
    assert [chunk.seq for chunk in chunks] == list(range(len(chunks)))
    replayed = await derive(first.journal, "s", store=first.store)
    assert replayed.differences == []


async def all_cut(system: System, text: str) -> bool:
    """Tell whether a running text is cut to its end, as it is once nothing came for a while."""
    chunks: list[Chunk] = await system.chapters(Chunk, "s")
    return bool(chunks) and chunks[-1].end_char >= len(text.rstrip())


def letters(text: str) -> str:
    """Return what of a text can be heard, without the gaps between words."""
    return "".join(char for char in text if char.isalnum())


@asynccontextmanager
async def both_running(first: System, second: System) -> AsyncGenerator[None]:
    async with first.running(), second.running():
        yield


async def test_workers_with_other_defaults_make_the_same_bytes_of_one_session() -> None:
    """A process's settings are for the sessions it accepts; the form of a session is its own."""
    text = "Hello there, listener. " * 3
    alone = System(form=Form(segment_s=1.5))
    await alone.narrated(text)
    here = System(form=Form(segment_s=1.0))
    there = await sharing(here, form=Form(segment_s=1.5, ramp=False))
    async with both_running(here, there):
        await here.narrate(text, form=alone.form)
        await here.finished("s")
    for topic_and_sequence in ((AudioFrame, "s"), (Event, "s/publish")):
        assert await here.records(*topic_and_sequence) == await alone.records(*topic_and_sequence)
    for name, data in alone.recorded.of("s").items():
        if name != "audio.m3u8":  # which has the time at which the session was accepted
            assert here.recorded.of("s")[name] == data
    assert here.recorded.of("s").keys() == alone.recorded.of("s").keys()
    await here.check("s")


async def test_a_worker_reads_the_form_from_the_log_and_not_from_its_own_settings() -> None:
    here = System(form=Form(segment_s=1.0))
    there = await sharing(here, form=Form(segment_s=3.0))
    await here.declare()
    await here.narrate("Hello there, listener.", form=Form(segment_s=2.0))
    async with there.running():
        await there.finished("s")
    description = await there.journal.describe("s")
    assert description.form.segment_s == 2.0
    assert "#EXT-X-TARGETDURATION:2" in here.recorded.versions("s/audio.m3u8")[-1]


async def test_a_session_that_is_not_open_gets_no_ticks() -> None:
    """Its items are all there: that nothing comes for a while means nothing."""
    system = System()
    await system.declare()
    stage = next(stage for stage in STAGES if stage.name == "split")
    assert stage.idle is not None
    quick = replace(stage, idle=replace(stage.idle, every_s=0.001))
    await system.describe(open=False)
    items = text_items("s", 0, "A sentence that nothing follows.")
    await system.append(items)
    worker = Worker(quick, system)
    where = ("text", system.journal.of(Item).partition("s"))
    for entry in (await system.log.read({where: 0}))[where]:
        await worker.offer(*where, entry)
    await until(lambda: worker.offered == worker.done)
    assert await system.records(Chunk, "s/0") == []
    assert PARTITIONS > 1
    await worker.runner.drop()
