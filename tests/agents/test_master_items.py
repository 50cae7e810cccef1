"""Objects, silences, ends and idle time in a session's one run of audio, from any restart."""

from collections.abc import AsyncGenerator, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from standins.in_memory import System, accepted, samples_of

from rhapsode.agents.idle import Idle
from rhapsode.agents.master import Master
from rhapsode.agents.mastering import MARGIN_S
from rhapsode.codecs.audio import pcm
from rhapsode.codecs.audio.limiter import limit
from rhapsode.codecs.hls.grid import AAC_FRAME_SAMPLES, Grid
from rhapsode.codecs.records import (
    AudioFrame,
    Chunk,
    Control,
    Event,
    Item,
    ObjectAudio,
    SequenceRecord,
    Speech,
)
from rhapsode.codecs.session import PausePolicy, pauses_for
from rhapsode.codecs.text.sentences import Boundary

RATE_HZ = 48_000
PIECE = 24_000
RUN_OUT = Idle(1.2)
CANCEL = Control(session="s", seq=0, verb="cancel", last=True)
NO_PAUSES = PausePolicy(clause_s=0.0, sentence_s=0.0, paragraph_s=0.0, chapter_s=0.0)

Handed = SequenceRecord | Idle


def agent(system: System) -> Master:
    journal = system.journal
    return Master(
        journal.of(Speech),
        journal.of(ObjectAudio),
        journal.of(AudioFrame),
        journal.of(Event),
        journal.of(Control),
        journal.of(Chunk),
        journal.of(Item),
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

    async def coming() -> AsyncGenerator[Any]:
        for record in records:
            if not isinstance(record, Idle):
                await system.append([record])
            yield record

    description = await system.journal.describe("s")
    async for output in agent(system)(description, coming()):
        await system.append(output)
    return system


async def sound_of(system: System) -> np.ndarray:
    return samples_of(await system.records(AudioFrame, "s"))


@pytest.mark.parametrize(("language", "clause_s"), [("zh-CN", 0.2), ("ja", 0.2), ("en", 0.12)])
async def test_pauses_are_those_of_the_session_and_suit_its_language(
    language: str, clause_s: float
) -> None:
    records = [spoken(0, "clause"), spoken(1), end(2)]
    system = await mastered(records, pauses=pauses_for(language))
    loud = np.flatnonzero(np.abs((await sound_of(system)).astype(np.int32)) > 200)
    assert np.max(np.diff(loud)) / RATE_HZ == pytest.approx(clause_s, abs=0.03)


@pytest.mark.parametrize("seconds", [0.3, 2.5])
async def test_a_silence_lasts_as_long_as_it_was_asked_to(seconds: float) -> None:
    system = await mastered([other(0, "silence", seconds=seconds), end(1)])
    samples = await sound_of(system)
    assert not samples.any()
    assert len(samples) == -(-round(seconds * RATE_HZ) // AAC_FRAME_SAMPLES) * AAC_FRAME_SAMPLES


async def test_an_object_keeps_its_level_and_its_edges_and_has_no_seams() -> None:
    """What is not too loud passes to the sample, silence at its edges included."""
    song = np.concatenate([np.zeros(9_000, np.int16), tone(3.3), np.zeros(700, np.int16)])
    records = [other(0, "object"), *pieces(song, 0), end(1)]
    samples = await sound_of(await mastered(records, pauses=NO_PAUSES))
    assert np.array_equal(samples[: len(song)], song)


async def test_what_is_too_loud_is_limited_as_if_it_were_one_piece() -> None:
    song = np.clip(tone(3.3, 30_000.0) + tone(3.3, 9_000.0, 90.0), -32_768, 32_767)
    song = song.astype(np.int16)
    records = [other(0, "object"), *pieces(song, 0), end(1)]
    samples = (await sound_of(await mastered(records, pauses=NO_PAUSES)))[: len(song)]
    whole = limit(song, RATE_HZ, -2.5)
    assert pcm.true_peak_dbtp(samples, RATE_HZ) < -2.3
    assert np.max(np.abs(samples.astype(np.int32) - whole)) <= 8


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


async def test_an_object_that_broke_off_is_told_by_degraded_and_the_session_goes_on() -> None:
    system = await mastered(song_between())
    events = await system.records(Event, "s/master")
    assert [event.degraded for event in events] == [False, False, True, True, True, True]
    assert [event.audio_s for event in events] == sorted(event.audio_s for event in events)
    frames, _ = await system.whole("s")
    assert [frame.text for frame in frames if frame.text] == ["Number 0.", "Number 4."]
    assert frames[-1].error == ""


async def test_an_object_sounds_while_it_is_still_decoded() -> None:
    records = song_between()[:4]  # two of the four pieces
    system = await live(records)
    frames = await system.records(AudioFrame, "s")
    assert [frame.piece for frame in frames if frame.chunk == 1] == [1]


async def orders(system: System) -> list[SequenceRecord]:
    frames = await system.records(AudioFrame, "s")
    events = await system.records(Event, "s/master")
    return [*frames, *events]


@settings(max_examples=15, deadline=None)
@given(order=st.randoms(use_true_random=False))
async def test_objects_and_speech_may_come_in_any_order_of_each_other(order: object) -> None:
    records = song_between()
    wanted = await orders(await mastered(records))
    speech: list[SequenceRecord] = [record for record in records if isinstance(record, Speech)]
    decoded = [record for record in records if isinstance(record, ObjectAudio)]
    merged: list[SequenceRecord] = []
    while speech or decoded:
        source = order.choice([queue for queue in (speech, decoded) if queue])  # pyright: ignore[reportAttributeAccessIssue]  # a Random
        merged.append(source.pop(0))
    assert await orders(await live(merged)) == wanted


@pytest.mark.parametrize("pauses", [PausePolicy(), NO_PAUSES], ids=["pauses", "no pauses"])
@pytest.mark.parametrize("back", [0, 1, 1_000])
async def test_a_restart_after_any_output_gives_the_same_audio(
    pauses: PausePolicy, back: int
) -> None:
    """Also where chunks have no sound at all, and so leave nothing but their event."""
    silent = [spoken(1, pcm=b"", rate_hz=0, text="..."), other(2, "mark", boundary="paragraph")]
    records = [spoken(0), *silent, *(shifted(record, 3) for record in song_between()[1:])]
    wanted = await mastered(records, pauses=pauses)
    for stop_after in range(1, 14):
        system = await accepted(pauses=pauses)
        await system.append(records)
        handed: list[Handed] = []
        await system.hand(agent(system), "s", noted(records, handed), stop_after=stop_after)
        first = max(0, len(handed) - 1 - back)
        await system.hand(agent(system), "s", records[first:])
        assert await orders(system) == await orders(wanted)


def shifted(record: SequenceRecord, by: int) -> SequenceRecord:
    """Return a record of a chunk that comes so many chunks later."""
    fields = {name: getattr(record, name) for name in record.__struct_fields__}
    fields |= {"seq": fields["seq"] + by - 1, "index": fields["index"] + by - 1}
    return type(record)(**fields)


def noted(records: Sequence[Handed], handed: list[Handed]):
    for record in records:
        handed.append(record)
        yield record


@pytest.mark.parametrize("after", [0, 1, 4])
async def test_a_cancelled_session_ends_where_its_audio_is(after: int) -> None:
    records = song_between()
    system = await live([*records[:after], CANCEL, *records[after:]])
    frames = await system.records(AudioFrame, "s")
    assert (frames[-1].last, frames[-1].error) == (True, "cancelled")
    assert frames[-1].end % AAC_FRAME_SAMPLES == 0
    (last,) = [event for event in await system.records(Event, "s/master") if event.last]
    assert last.error == "cancelled"
    before = await orders(system)
    await system.hand(agent(system), "s", [CANCEL, *records])
    assert await orders(system) == before


async def test_a_worker_that_starts_after_the_cancel_heeds_it_too() -> None:
    system = await accepted()
    await system.append([spoken(0), CANCEL])
    await system.hand(agent(system), "s", [spoken(0)])
    assert (await system.records(AudioFrame, "s"))[-1].error == "cancelled"


async def test_when_items_run_out_silence_completes_the_segment_of_the_last_words() -> None:
    system = await live([spoken(0), Idle(0.1), RUN_OUT, RUN_OUT, Idle(30.0)], open=True)
    frames = await system.records(AudioFrame, "s")
    heard = [frame for frame in frames if frame.chunk == 0][-1].end
    quiet = [frame for frame in frames if frame.chunk < 0]
    assert not any(any(frame.pcm) for frame in quiet)
    grid = Grid(segment_s=system.form.segment_s)
    segment = grid.segment_of((heard - 1) // AAC_FRAME_SAMPLES)
    full = grid.start(segment + 1) * AAC_FRAME_SAMPLES
    assert frames[-1].end == full + int(MARGIN_S * RATE_HZ)


async def test_no_silence_is_put_in_while_a_voice_or_a_decoder_is_at_work() -> None:
    system = await accepted(open=True)
    chunk = Chunk(session="s", seq=1, index=1, text="Being spoken.")
    await system.append([Chunk(session="s", seq=0, index=0, text="Number 0."), chunk, spoken(0)])
    await system.hand(agent(system), "s", [spoken(0), RUN_OUT, Idle(30.0)])
    assert all(frame.chunk == 0 for frame in await system.records(AudioFrame, "s"))


async def test_silence_that_was_put_in_is_not_put_in_again_by_the_next_worker() -> None:
    system = await live([spoken(0), RUN_OUT], open=True)
    before = await orders(system)
    await system.hand(agent(system), "s", [spoken(0), RUN_OUT, RUN_OUT])
    assert await orders(system) == before


async def test_silence_goes_on_while_somebody_listens_and_ends_with_the_next_words() -> None:
    listening = Control(session="s", seq=0, verb="listening")
    system = await live([spoken(0), RUN_OUT], open=True)
    quiet = (await system.records(AudioFrame, "s"))[-1].end
    await system.append([listening])
    records = [listening, *[RUN_OUT] * 3]
    await system.hand(agent(system), "s", records)
    longer = (await system.records(AudioFrame, "s"))[-1].end
    assert quiet < longer < quiet + 3 * system.form.segment_s * RATE_HZ
    await system.append([spoken(1), end(2)])
    await system.hand(agent(system), "s", [spoken(1), end(2)])
    frames, _ = await system.whole("s")
    assert next(frame for frame in frames if frame.text == "Number 1.").first_sample == longer


async def test_an_open_session_without_a_sound_yet_stays_so() -> None:
    assert await orders(await live([RUN_OUT, Idle(30.0)], open=True)) == []
