"""Speech into one run of audio: order, pauses, edges, word times, loudness, peaks, the end."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from standins.in_memory import System, accepted, samples_of
from standins.master_items import agent
from standins.mastered_speech import Piece, mastered, speech_of

from rhapsode.agents.journal import Description
from rhapsode.agents.mastering import VOICE_LUFS, Cursor, frames_of_chunk
from rhapsode.agents.voices.tone import LEAD_S, ToneVoice
from rhapsode.codecs.audio import pcm
from rhapsode.codecs.audio.limiter import limit
from rhapsode.codecs.encoding import MAX_RECORD_BYTES, encode
from rhapsode.codecs.records import (
    AudioFrame,
    Event,
    Session,
    Speech,
)
from rhapsode.codecs.session import Mastering

STORY_CHARS = 450
"""About 28 s of the story that comes with the package."""


EDGE_KEEP_S = Mastering().edge_keep_s


def silences_s(samples: NDArray[np.int16], least_s: float = 0.05) -> list[float]:
    """Return how long each stretch of silence between sounds is."""
    loud = np.flatnonzero(np.abs(samples.astype(np.int32)) > 60)
    gaps = np.diff(loud) / 48_000
    return [float(gap) for gap in gaps if gap > least_s]


ONE: list[Piece] = [
    ("One,", "clause"),
    ("two.", "sentence"),
    ("Three.", "paragraph"),
    ("four", "sentence"),
    ("", "end"),
]


async def test_pauses_follow_what_a_chunk_ends_at() -> None:
    system = await accepted()
    _, samples = await mastered(system, await speech_of(system, ONE))
    # what is kept of the silence around each chunk's speech comes on top
    wanted = [pause + 2 * EDGE_KEEP_S for pause in (0.12, 0.35, 0.7)]
    assert silences_s(samples) == pytest.approx(wanted, abs=0.03)


async def test_a_chapters_pause_is_set_at_its_mark_and_not_added_to_the_paragraphs() -> None:
    system = await accepted()
    first: list[Piece] = [("Ends.", "paragraph"), ("", "chapter")]
    _, samples = await mastered(
        system, await speech_of(system, first, [("Two.", "sentence"), ("", "end")])
    )
    assert silences_s(samples) == pytest.approx([1.5 + 2 * EDGE_KEEP_S], abs=0.03)


async def test_edges_are_trimmed_and_word_times_move_with_them() -> None:
    system = await accepted()
    frames, samples = await mastered(system, await speech_of(system, ONE))
    loud = np.flatnonzero(np.abs(samples.astype(np.int32)) > 60)
    assert loud[0] / 48_000 == pytest.approx(EDGE_KEEP_S, abs=0.01)
    assert EDGE_KEEP_S < LEAD_S
    for word in (word for frame in frames for word in frame.words):
        inside = samples[round(word.start_s * 48_000) + 400 : round(word.end_s * 48_000) - 400]
        outside = samples[max(0, round(word.start_s * 48_000) - 900) :][:400]
        assert np.max(np.abs(inside)) > 1000
        assert np.max(np.abs(outside)) < 60


async def test_frames_tell_what_they_hold_on_the_first_one_of_a_chunk() -> None:
    system = await accepted(system=System(voice=ToneVoice(word_s=1.2, degraded_at="slowly")))
    records = await speech_of(
        system, [("Quick.", "clause"), ("Very slowly.", "sentence"), ("", "end")]
    )
    frames, _ = await mastered(system, records)
    firsts = [frame for frame in frames if frame.text]
    assert [(f.text, f.chunk, f.index, f.degraded) for f in firsts] == [
        ("Quick.", 0, 0, False),
        ("Very slowly.", 1, 1, True),
    ]
    assert [len(frame.words) for frame in firsts] == [1, 2]
    assert all(not frame.words for frame in frames if not frame.text)
    assert all(len(encode(frame)) <= MAX_RECORD_BYTES for frame in frames)
    assert max(frame.samples for frame in frames) == 24_000


async def test_a_session_is_a_whole_number_of_aac_frames() -> None:
    for count in range(1, 6):
        system = await accepted(system=System(voice=ToneVoice(word_s=0.0503)))
        pieces: list[Piece] = [("word", "sentence")] * count
        frames, _ = await mastered(system, await speech_of(system, [*pieces, ("", "end")]))
        assert frames[-1].last
        assert frames[-1].end % 1024 == 0
        assert frames[-1].samples < 1024
        assert not any(frames[-1].pcm)


async def test_chapters_spoken_in_any_order_are_mastered_in_theirs() -> None:
    chapters: list[list[Piece]] = [
        [("Zero.", "paragraph"), ("", "chapter")],
        [("One.", "sentence"), ("More.", "paragraph"), ("", "chapter")],
        [("Two.", "sentence"), ("", "end")],
    ]
    straight = await accepted()
    wanted, _ = await mastered(straight, await speech_of(straight, *chapters))
    crossed = await accepted()
    records = await speech_of(crossed, *chapters)
    got, _ = await mastered(crossed, sorted(records, key=lambda part: -part.chapter))
    assert got == wanted
    assert [frame.text for frame in got if frame.text] == ["Zero.", "One.", "More.", "Two."]


@settings(max_examples=15, deadline=None)
@given(data=st.data())
async def test_a_restart_at_any_part_of_any_chunk_gives_the_same_audio(data: st.DataObject) -> None:
    system = await accepted(system=System(voice=ToneVoice(word_s=0.8)))
    chapters: list[list[Piece]] = [
        [("A long one of parts.", "paragraph"), ("", "chapter")],
        [("Then, short.", "sentence"), ("", "end")],
    ]
    records = await speech_of(system, *chapters)
    wanted, _ = await mastered(system, records)
    system = await accepted()
    await system.append(records)
    stop = data.draw(st.integers(1, 4))
    resume = data.draw(st.integers(0, 3))
    await system.hand(agent(system), "s", records, stop_after=stop)
    # parts are handed over one by one, so a new worker may begin in the middle of a chunk
    got, _ = await mastered(system, records[resume:])
    assert got == wanted


@pytest.mark.parametrize("steps", [1, 2, 3])
async def test_a_restart_between_two_steps_of_a_chunk_goes_on_with_the_rest(steps: int) -> None:
    pieces: list[Piece] = [("Short.", "sentence"), ("A long one of parts.", "sentence")]
    pieces.append(("", "end"))
    whole = await accepted(system=System(voice=ToneVoice(word_s=3.0)))
    wanted, _ = await mastered(whole, await speech_of(whole, pieces))
    system = await accepted(system=System(voice=ToneVoice(word_s=3.0)))
    records = await speech_of(system, pieces)
    # the first chunk is three steps
    await system.hand(agent(system), "s", records, stop_after=3 + steps)
    written: list[AudioFrame] = await system.records(AudioFrame, "s")
    assert written == wanted[: len(written)]
    assert [frame.index for frame in written[-2:]] == [1, 1], "it is not in the middle of a chunk"
    assert len(await system.records(Event, "s/master")) == 1
    got, _ = await mastered(system, records)
    assert got == wanted
    events = await system.records(Event, "s/master")
    assert events == await whole.records(Event, "s/master")


async def test_a_part_that_was_not_delivered_is_taken_from_the_log() -> None:
    system = await accepted(system=System(voice=ToneVoice(word_s=0.8)))
    pieces: list[Piece] = [("A long one of parts.", "sentence"), ("", "end")]
    records = await speech_of(system, pieces)
    assert records[0].parts == 3
    frames, _ = await mastered(system, [records[0], *records[2:]])
    whole = await accepted(system=System(voice=ToneVoice(word_s=0.8)))
    wanted, _ = await mastered(whole, await speech_of(whole, pieces))
    assert frames == wanted


async def test_what_no_voice_can_say_is_silent_and_reported_and_the_session_goes_on() -> None:
    system = await accepted(system=System(voice=ToneVoice(fails_at="bad")))
    pieces: list[Piece] = [("Good.", "sentence"), ("bad", "sentence"), ("Better.", "sentence")]
    records = await speech_of(system, [*pieces, ("", "end")])
    frames, sound = await mastered(system, records)
    events: list[Event] = await system.records(Event, "s/master")
    assert (frames[-1].last, frames[-1].error) == (True, "")
    assert [frame.text for frame in frames if frame.text] == ["Good.", "bad", "Better."]
    assert [event.error for event in events] == ["", "the voice does not say 'bad'", "", ""]
    assert [event.failed for event in events] == [0, 1, 1, 1]
    assert [event.degraded for event in events] == [False, True, True, True]
    silent = [frame for frame in frames if frame.chunk == 1]
    first, end = silent[0].first_sample, silent[-1].end
    assert end > first
    assert not np.any(sound[first:end])


async def test_a_session_of_which_nothing_can_be_said_fails_without_a_sound() -> None:
    for stop_after in (0, 1, 2):
        system = await accepted(system=System(voice=ToneVoice(fails_at="bad")))
        pieces: list[Piece] = [("bad", "sentence"), ("so bad", "sentence"), ("", "end")]
        records = await speech_of(system, pieces)
        if stop_after:  # a restart in the middle changes nothing
            await system.hand(agent(system), "s", records, stop_after=stop_after)
        frames, _ = await mastered(system, records)
        assert [(frame.samples, frame.error) for frame in frames] == [
            (0, "the voice does not say 'bad'")
        ]


async def test_a_session_stays_degraded_once_it_was_also_after_a_restart() -> None:
    system = await accepted(system=System(voice=ToneVoice(degraded_at="Odd")))
    records = await speech_of(
        system, [("One.", "sentence"), ("Odd.", "sentence"), ("Last.", "sentence"), ("", "end")]
    )
    await system.hand(agent(system), "s", records, stop_after=2)
    await system.hand(agent(system), "s", records)
    events: list[Event] = await system.records(Event, "s/master")
    assert [event.degraded for event in events] == [False, True, True, True]


async def test_a_voice_that_gives_no_sound_leaves_only_the_pause() -> None:
    for rate_hz in (0, 16_000):
        system = await accepted()
        await system.append(
            [
                Speech(session="s", seq=0, index=0, rate_hz=rate_hz, text="…", boundary="sentence"),
                Speech(session="s", seq=1, index=1, kind="mark", boundary="end", last=True),
            ]
        )
        frames, samples = await mastered(system, await system.chapters(Speech, "s"))
        assert not samples.any()
        assert frames[-1].end == -(-round(0.35 * 48_000) // 1024) * 1024


def description(**fields: object) -> Description:
    return Description(Session(session="s", last=True, **fields), 0)  # pyright: ignore[reportArgumentType]  # a mix of types by name


def test_a_chunk_of_many_steps_is_limited_without_a_seam() -> None:
    rate_hz = 48_000
    noise = np.random.default_rng(5).standard_normal(rate_hz * 14)
    loud = np.repeat(np.random.default_rng(6).random(140), rate_hz // 10)
    sound = (np.clip(noise * loud, -3, 3) * 10_000).astype(np.int16)
    part = Speech(session="s", seq=0, index=0, rate_hz=rate_hz, pcm=sound.tobytes(), gain_db=3.0)
    steps = [frames for frames, _ in frames_of_chunk(description(), Cursor(), [part])]
    assert len(steps) > 4
    samples = samples_of([frame for frames in steps for frame in frames])[: len(sound)]
    constants = description().mastering
    faded = pcm.fade_edges(sound, rate_hz, constants.fade_ms)
    gain_db = 3.0 + constants.make_up_db + constants.target_lufs - VOICE_LUFS
    whole = limit(faded, rate_hz, constants.ceiling_dbtp, gain_db)
    assert np.abs(samples.astype(int) - whole).max() <= 1


def test_gain_is_applied_before_anything_could_clip() -> None:
    rate_hz = 16_000
    tone = (30_000 * np.sin(np.arange(rate_hz) * 0.3)).astype(np.int16)
    part = Speech(session="s", seq=0, index=0, rate_hz=rate_hz, pcm=tone.tobytes(), gain_db=12.0)
    steps = frames_of_chunk(description(), Cursor(), [part])
    samples = samples_of([frame for frames, _ in steps for frame in frames])
    assert pcm.true_peak_dbtp(samples, 48_000) == pytest.approx(-2.5, abs=0.2)
    # clipped first, a tone would have overtones: most of its power would not be in one place
    spectrum = np.abs(np.fft.rfft(samples[9_600:38_400] * np.hanning(28_800))) ** 2
    peak = int(np.argmax(spectrum))
    assert np.sum(spectrum[peak - 5 : peak + 6]) > 0.9999 * np.sum(spectrum)
