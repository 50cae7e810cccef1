"""Audio into segments: on a fixed grid, stored before they are named, from anywhere."""

from hashlib import sha256

import numpy as np
import pytest
from standins.in_memory import System, accepted, having_lost_its_end
from standins.recorded_objects import RecordedObjects

from rhapsode.agents.pack import Pack, Packer, grid_of
from rhapsode.agents.session_audio import SessionAudio
from rhapsode.agents.turns import CodecTurns, Turns
from rhapsode.codecs.hls.fmp4 import init_segment, parse_media_segment
from rhapsode.codecs.hls.grid import RUN_SEGMENTS
from rhapsode.codecs.hls.names import segment_name
from rhapsode.codecs.records import AudioFrame, Segment
from rhapsode.codecs.session import Form, Rendition
from rhapsode.ops.tools.replay import derive
from rhapsode.storage.objects.store import ObjectsUnreachableError

FRAME = 1024


FORM = Form(segment_s=1.0)
GRID = grid_of(FORM)


def agent(system: System) -> Pack:
    return Pack(
        system.store, system.codec_turns, system.journal.of(AudioFrame), system.journal.of(Segment)
    )


def audio(aac_frames: int, size: int = 24_000, error: str = "") -> list[AudioFrame]:
    """Return a session of noise, with an end mark of its own."""
    rng = np.random.default_rng(1)
    pcm = rng.integers(-8_000, 8_000, aac_frames * FRAME).astype("<i2").tobytes()
    frames: list[AudioFrame] = []
    for first in range(0, aac_frames * FRAME, size):
        piece = pcm[2 * first : 2 * (first + size)]
        frames.append(
            AudioFrame(session="s", first_sample=first, samples=len(piece) // 2, pcm=piece)
        )
    return [
        *frames,
        AudioFrame(session="s", first_sample=aac_frames * FRAME, samples=0, last=True, error=error),
    ]


async def packed(frames: list[AudioFrame], delivered: list[AudioFrame] | None = None) -> System:
    system = await accepted(form=FORM)
    await system.append(frames)
    await system.hand(agent(system), "s", frames if delivered is None else delivered)
    return system


@pytest.mark.parametrize("aac_frames", [1, 9, 10, 11, 26, 27, 60, 120])
async def test_segments_lie_on_the_grid_and_the_last_one_takes_what_is_left(
    aac_frames: int,
) -> None:
    system = await packed(audio(aac_frames))
    segments: list[Segment] = await system.records(Segment, "s")
    starts = [segment.first_frame for segment in segments]
    assert starts == [GRID.start(number) for number in range(len(segments))]
    assert sum(segment.frames for segment in segments) == aac_frames
    assert [segment.last for segment in segments] == [False] * (len(segments) - 1) + [True]
    for segment in segments:
        data = system.recorded.of("s")[segment.name]
        assert (segment.size_bytes, segment.sha256) == (len(data), sha256(data).hexdigest())
        priming = 1 if segment.number == 0 else 0
        assert len(parse_media_segment(data).packets) == segment.frames + priming
    assert system.recorded.of("s")["init.mp4"] == init_segment()


async def test_a_segment_is_written_as_soon_as_its_audio_and_the_look_ahead_are_there() -> None:
    frames = audio(80, size=FRAME)
    system = await accepted(form=FORM)
    told_at: list[int] = []
    for frame in frames:
        await system.append([frame])
        outputs = await system.hand(agent(system), "s", [frame])
        told_at += [frame.end // FRAME for _ in outputs]
    # ten frames and the two that the encoder looks ahead
    assert told_at[:2] == [12, GRID.start(2) + 2]


async def test_an_object_is_in_the_store_before_its_segment_is_written() -> None:
    system = await accepted(form=FORM)
    frames = audio(150)
    await system.append(frames)
    for stop_after in range(1, 4):
        outputs = await system.hand(agent(system), "s", frames, stop_after=1)
        (segment,) = outputs[0]
        assert isinstance(segment, Segment)
        assert segment.name in system.recorded.of("s")
        assert len(await system.records(Segment, "s")) == stop_after


async def test_any_segment_can_be_made_first() -> None:
    frames = audio(500)
    system = await packed(frames)
    segments: list[Segment] = await system.records(Segment, "s")
    assert len(segments) > RUN_SEGMENTS + 2
    turns = CodecTurns(Turns(1), await system.journal.describe("s"))
    for number in (1, RUN_SEGMENTS - 1, RUN_SEGMENTS, RUN_SEGMENTS + 1, len(segments) - 1):
        whole = SessionAudio(system.journal.of(AudioFrame), "s")
        await whole.load()
        made = await Packer(turns, whole, number).next()
        assert made is not None
        assert made[0] == segments[number]
        assert made[1] == system.recorded.of("s")[segment_name(number)]


async def test_a_restart_on_a_frame_packed_long_ago_makes_nothing_twice() -> None:
    frames = audio(500)
    system = await packed(frames)
    puts = len(system.recorded.puts)
    assert await system.hand(agent(system), "s", frames) == []
    assert len(system.recorded.puts) == puts


async def test_segments_do_not_depend_on_how_the_audio_was_cut() -> None:
    one, other = await packed(audio(100)), await packed(audio(100, size=777))
    assert await one.records(Segment, "s") == await other.records(Segment, "s")
    assert one.recorded.of("s") == other.recorded.of("s")


async def test_a_session_that_failed_says_so_on_its_last_segment() -> None:
    system = await packed(audio(30, error="the voice broke"))
    segments: list[Segment] = await system.records(Segment, "s")
    assert [segment.error for segment in segments] == [""] * (len(segments) - 1) + [
        "the voice broke"
    ]


async def test_a_session_without_a_sound_is_a_bare_end_with_an_init_segment() -> None:
    system = await packed(audio(0, error="nothing came"))
    (segment,) = await system.records(Segment, "s")
    assert (segment.frames, segment.name, segment.last, segment.error) == (
        0,
        "",
        True,
        "nothing came",
    )
    assert list(system.recorded.of("s")) == ["init.mp4"]


async def test_a_store_out_of_reach_is_left_to_be_tried_again() -> None:
    class Away(RecordedObjects):
        away = True

        async def put(self, name: str, data: bytes, content_type: str) -> None:
            if self.away and name.endswith("audio_001.m4s"):
                raise ObjectsUnreachableError("nobody answers")
            await super().put(name, data, content_type)

    store = Away()
    system = await accepted(system=System(store=store), form=FORM)
    frames = audio(150)
    await system.append(frames)
    with pytest.raises(OSError, match="nobody answers"):
        await system.hand(agent(system), "s", frames)
    assert len(await system.records(Segment, "s")) == 1
    store.away = False
    await system.hand(agent(system), "s", frames)
    wanted = await packed(frames)
    assert await system.records(Segment, "s") == await wanted.records(Segment, "s")
    assert system.recorded.of("s") == wanted.recorded.of("s")


async def test_grid_and_bit_rate_are_those_of_the_session() -> None:
    plain = await packed(audio(150))
    form = Form(segment_s=2.0, ramp=False, renditions=(Rendition(bit_rate=64_000),))
    other = await accepted(form=form)
    frames = audio(150)
    await other.append(frames)
    await other.hand(agent(other), "s", frames)
    segments = await other.records(Segment, "s")
    assert [segment.first_frame for segment in segments] == [
        grid_of(form).start(number) for number in range(len(segments))
    ]
    plain_bytes = sum(segment.size_bytes for segment in await plain.records(Segment, "s"))
    assert sum(segment.size_bytes for segment in segments) < 0.8 * plain_bytes


async def ahead(frames: list[AudioFrame], *names: str) -> System:
    """Return a system whose log lost its segments, and whose store has others' bytes."""
    system = await accepted(form=FORM)
    for name in names:
        await system.store.put(f"s/{name}", b"what was made of what is lost", "audio/mp4")
    await system.append(frames)
    having_lost_its_end(system)
    await system.hand(agent(system), "s", frames)
    return system


async def test_segments_that_players_know_keep_their_bytes_and_ours_get_other_names() -> None:
    system = await ahead(audio(120), "audio_000.m4s", "audio_001.m4s")
    made: list[Segment] = await system.records(Segment, "s")
    names = [segment.name for segment in made if segment.frames]
    assert names[:3] == ["audio_000_1.m4s", "audio_001_1.m4s", "audio_002.m4s"]
    stored = system.recorded.of("s")
    assert stored["audio_000.m4s"] == b"what was made of what is lost"
    assert [sha256(stored[one.name]).hexdigest() for one in made] == [one.sha256 for one in made]
    replayed = await derive(system.journal, "s")
    assert replayed.segments == len(names)


async def test_where_the_end_was_lost_twice_a_third_take_follows() -> None:
    system = await ahead(audio(60), "audio_000.m4s", "audio_000_1.m4s")
    made: list[Segment] = await system.records(Segment, "s")
    assert [segment.name for segment in made][:2] == ["audio_000_2.m4s", "audio_001.m4s"]


async def test_a_segment_that_is_stored_with_the_same_bytes_keeps_its_name() -> None:
    frames = audio(60)
    before = await packed(frames)
    again = await accepted(form=FORM)
    for name, data in before.recorded.of("s").items():
        await again.store.put(f"s/{name}", data, "audio/mp4")
    await again.append(frames)
    having_lost_its_end(again)
    await again.hand(agent(again), "s", frames)
    assert await again.records(Segment, "s") == await before.records(Segment, "s")
