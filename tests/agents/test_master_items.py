"""Objects, silences, ends and idle time in a session's one run of audio, from any restart."""

from collections.abc import AsyncGenerator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from standins.in_memory import accepted, samples_of
from standins.master_items import (
    CANCEL,
    NO_PAUSES,
    RATE_HZ,
    Handed,
    agent,
    end,
    live,
    mastered,
    noted,
    orders,
    other,
    pieces,
    song_between,
    spoken,
    tone,
)

from rhapsode.codecs.audio import pcm
from rhapsode.codecs.audio.limiter import limit
from rhapsode.codecs.hls.grid import AAC_FRAME_SAMPLES
from rhapsode.codecs.records import (
    AudioFrame,
    Control,
    Event,
    ObjectAudio,
    SequenceRecord,
    Speech,
)
from rhapsode.codecs.session import Pace, PausePolicy, pauses_for


@pytest.mark.parametrize(("language", "clause_s"), [("zh-CN", 0.2), ("ja", 0.2), ("en", 0.12)])
async def test_pauses_are_those_of_the_session_and_suit_its_language(
    language: str, clause_s: float
) -> None:
    records = [spoken(0, "clause"), spoken(1), end(2)]
    system = await mastered(records, pauses=pauses_for(language))
    loud = np.flatnonzero(
        np.abs((samples_of(await system.records(AudioFrame, "s"))).astype(np.int32)) > 200
    )
    assert np.max(np.diff(loud)) / RATE_HZ == pytest.approx(clause_s, abs=0.03)


@pytest.mark.parametrize("seconds", [0.3, 2.5])
async def test_a_silence_lasts_as_long_as_it_was_asked_to(seconds: float) -> None:
    system = await mastered([other(0, "silence", seconds=seconds), end(1)])
    samples = samples_of(await system.records(AudioFrame, "s"))
    assert not samples.any()
    assert len(samples) == -(-round(seconds * RATE_HZ) // AAC_FRAME_SAMPLES) * AAC_FRAME_SAMPLES


async def test_an_object_keeps_its_level_and_its_edges_and_has_no_seams() -> None:
    """What is not too loud passes to the sample, silence at its edges included."""
    song = np.concatenate([np.zeros(9_000, np.int16), tone(3.3), np.zeros(700, np.int16)])
    records = [other(0, "object"), *pieces(song, 0), end(1)]
    system = await mastered(records, pauses=NO_PAUSES)
    samples = samples_of(await system.records(AudioFrame, "s"))
    assert np.array_equal(samples[: len(song)], song)


async def test_what_is_too_loud_is_limited_as_if_it_were_one_piece() -> None:
    song = np.clip(tone(3.3, 30_000.0) + tone(3.3, 9_000.0, 90.0), -32_768, 32_767)
    song = song.astype(np.int16)
    records = [other(0, "object"), *pieces(song, 0), end(1)]
    system = await mastered(records, pauses=NO_PAUSES)
    samples = samples_of(await system.records(AudioFrame, "s"))[: len(song)]
    whole = limit(song, RATE_HZ, -2.5)
    assert pcm.true_peak_dbtp(samples, RATE_HZ) < -2.3
    assert np.max(np.abs(samples.astype(np.int32) - whole)) <= 8


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


async def test_of_a_session_with_a_pace_an_object_is_mastered_no_further_than_it_is_let() -> None:
    song = tone(20.0)
    records = [other(0, "object"), *pieces(song, 0), end(1)]
    free = await mastered(records, pauses=NO_PAUSES)
    system = await mastered(records, pauses=NO_PAUSES, pace=Pace(ahead_s=5.0))
    assert (await system.records(AudioFrame, "s"))[-1].end == 5 * RATE_HZ
    for seq, until_s in enumerate((8.0, 8.0, 100.0)):
        grant = Control(session="s", seq=seq, verb="produce", until_s=until_s)
        await system.append([grant])
        await system.hand(agent(system), "s", [grant])
        frames = await system.records(AudioFrame, "s")
        assert until_s == 100.0 or until_s * RATE_HZ <= frames[-1].end <= (until_s + 1) * RATE_HZ
    frames = await system.records(AudioFrame, "s")
    assert frames == await free.records(AudioFrame, "s")
    assert frames[-1].last


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


async def test_a_cancel_is_heeded_between_chunks_that_are_spoken_already() -> None:
    system = await accepted()
    await system.append([spoken(index) for index in range(3)])

    async def received() -> AsyncGenerator[Speech]:
        yield spoken(0)

    outputs = agent(system)(await system.journal.describe("s"), received())
    made = [await anext(outputs)]
    await system.append([CANCEL])
    made += [output async for output in outputs]
    frames = [record for output in made for record in output if isinstance(record, AudioFrame)]
    assert frames[-1].error == "cancelled"
    assert {frame.chunk for frame in frames[:-1]} == {0}
