"""A text walks through every stage, in memory: what is heard is what was asked, once, in order."""

import io
import itertools

import av
import numpy as np
import pytest
from av.container import InputContainer
from numpy.typing import NDArray
from standins.in_memory import System, last_event

from rhapsode.agents.models.reciter import Reciter
from rhapsode.agents.voices.tone import ToneVoice, audible, pitch_hz
from rhapsode.codecs.device.opus import Decoder
from rhapsode.codecs.hls.m3u8 import parse
from rhapsode.codecs.records import (
    AudioFrame,
    Chunk,
    DeviceFrames,
    Event,
    Segment,
)
from rhapsode.ops.progress import load_progress

STORY = """# The first chapter

Long ago, at the edge of a quiet forest, there lived a fox who collected maps. Every evening she
spread one out, and chose a road.

Nobody knew why.

# The second chapter

Winter came early; snow covered all paths. "Where to?" asked her brother. She laughed, folded
everything up, and stayed home.
"""
SHORT = "Hello there, listener. This is all there is."


def decoded(files: dict[str, bytes]) -> NDArray[np.float32]:
    """Return the sound of a session's segments, priming left out, at 48 kHz."""
    names = sorted(name for name in files if name.endswith(".m4s"))
    data = io.BytesIO(files["init.mp4"] + b"".join(files[name] for name in names))
    with av.open(data, "r") as container:
        assert isinstance(container, InputContainer)
        pieces = [frame.to_ndarray()[0] for frame in container.decode(audio=0)]
    return np.concatenate(pieces)


def loudest_hz(sound: NDArray[np.float32], rate_hz: int, start_s: float, end_s: float) -> float:
    piece = sound[round(start_s * rate_hz) : round(end_s * rate_hz)]
    spectrum = np.abs(np.fft.rfft(piece * np.hanning(len(piece)), 8 * len(piece)))
    return float(np.argmax(spectrum)) * rate_hz / (8 * len(piece))


async def test_every_word_is_said_once_and_in_order_with_gapless_sample_positions() -> None:
    system = System()
    await system.narrated(STORY)
    frames, _ = await system.whole("s")
    said = [word for frame in frames for word in frame.words]
    wanted = [word for word in audible(STORY) if word != "#"]
    assert [word.text for word in said] == wanted
    assert audible(" ".join(frame.text for frame in frames)) == wanted
    times = [time for word in said for time in (word.start_s, word.end_s)]
    assert times == sorted(times)
    chunks: list[Chunk] = await system.chapters(Chunk, "s")
    assert [chunk.seq for chunk in chunks] == list(range(len(chunks)))
    assert " ".join(STORY[c.start_char : c.end_char] for c in chunks).split() == STORY.split()
    assert not system.counts.troubles


async def test_chapters_follow_each_other_though_they_are_spoken_at_once() -> None:
    system = System()
    await system.narrated(STORY)
    frames, _ = await system.whole("s")
    places = [(frame.chapter, frame.index) for frame in frames]
    assert places == sorted(places)
    assert {chapter for chapter, _ in places} == {0, 1}
    chunk_numbers = [frame.chunk for frame in frames[:-1]]  # the end belongs to none
    assert chunk_numbers == sorted(chunk_numbers)


async def test_each_word_sounds_where_its_time_says_in_hls_and_on_the_device() -> None:
    system = System(voice=ToneVoice(gain_db=2.0))
    await system.narrated(STORY)
    frames, samples = await system.whole("s")
    packets: list[DeviceFrames] = await system.records(DeviceFrames, "s")
    decoder = Decoder()
    device = np.concatenate([decoder.decode(p) for run in packets for p in run.packets])
    heard = decoded(system.recorded.of("s"))
    # all of the session and nothing more: the priming is not sound
    assert len(heard) == len(samples)
    delay_s = 312 / 48_000  # the encoder looks ahead, and a device plays that too
    for word in (word for frame in frames for word in frame.words):
        for sound in (samples.astype(np.float32), heard):
            got = loudest_hz(sound, 48_000, word.start_s, word.end_s)
            assert got == pytest.approx(pitch_hz(word.text), abs=4.0)
        got = loudest_hz(
            device.astype(np.float32), 16_000, word.start_s + delay_s, word.end_s + delay_s
        )
        assert got == pytest.approx(pitch_hz(word.text), abs=4.0)


async def test_playlist_segments_and_log_agree_to_the_byte() -> None:
    system = System()
    await system.narrated(STORY)
    await system.check("s")
    frames, _ = await system.whole("s")
    segments: list[Segment] = await system.records(Segment, "s")
    listed = parse(system.recorded.of("s")["audio.m3u8"].decode())
    assert listed.ended
    assert listed.segments == tuple((s.name, s.frames) for s in segments)
    assert 1024 * listed.frames == frames[-1].end
    for segment in segments:
        assert segment.size_bytes == len(system.recorded.of("s")[segment.name])


async def test_devices_get_every_frame_and_each_sentence_where_it_begins() -> None:
    system = System()
    await system.narrated(STORY)
    frames, samples = await system.whole("s")
    runs: list[DeviceFrames] = await system.records(DeviceFrames, "s")
    for before, after in itertools.pairwise(runs):
        assert after.first_frame == before.end
    assert runs[-1].last
    assert runs[-1].end == -(-len(samples) // 2880)
    begun = [(frame.first_sample // 2880, frame.text) for frame in frames if frame.text]
    assert [sentence for run in runs for sentence in run.sentences] == begun
    for run in runs:
        assert all(run.first_frame <= number < run.end for number, _ in run.sentences)


async def test_a_playlist_names_what_is_in_the_store_already() -> None:
    system = System()
    await system.narrated(STORY)
    there: set[str] = set()
    for name, data in system.recorded.puts:
        if name == "s/audio.m3u8":
            playlist = parse(data.decode())
            wanted = {uri for uri, _ in playlist.segments} | {playlist.map_uri}
            assert wanted <= there
        there.add(name.partition("/")[2])


async def test_events_tell_how_far_every_stage_is() -> None:
    system = System()
    await system.narrated(STORY)
    frames, _ = await system.whole("s")
    mastered: list[Event] = await system.records(Event, "s/master")
    published: list[Event] = await system.records(Event, "s/publish")
    for events in (mastered, published):
        last_event(events)
        assert [event.seq for event in events] == list(range(len(events)))
        assert [event.audio_s for event in events] == sorted(event.audio_s for event in events)
    assert [event.chars for event in mastered] == sorted(event.chars for event in mastered)
    assert published[-1].kind == "done"
    progress = await load_progress(system.journal, "s")
    assert progress is not None
    assert progress.state == "SUCCESS"
    assert progress.percent == 100
    assert progress.chars_total == len(STORY.rstrip())
    assert progress.audio_s == progress.published_s == frames[-1].end / 48_000
    assert set(progress.extra) == {"split", "master", "publish"}


async def test_two_sessions_at_once_are_each_what_they_are_alone() -> None:
    together, alone = System(), [System(), System()]
    texts = {"a": STORY, "b": SHORT}
    async with together.running():
        for session, text in texts.items():
            await together.narrate(text, session)
        await together.finished(*texts)
    for system, (session, text) in zip(alone, texts.items(), strict=True):
        await system.narrated(text, session)
        for kind in (AudioFrame, DeviceFrames, Segment):
            assert await together.records(kind, session) == await system.records(kind, session)
        await together.check(session)


async def test_what_the_model_writes_is_spoken_while_it_writes() -> None:
    model = Reciter(SHORT)
    system = System(model=model)
    async with system.running():
        await system.narrate("Say hello.", mode="expand")
        await system.finished("s")
    assert [prompt for prompt, _ in model.prompts] == ["Say hello."]
    frames, _ = await system.whole("s")
    assert [word.text for frame in frames for word in frame.words] == SHORT.split()
    progress = await load_progress(system.journal, "s")
    assert progress is not None
    assert (progress.state, progress.chars_total) == ("SUCCESS", len(SHORT))
    await system.check("s")


async def test_a_text_without_a_sound_ends_as_an_empty_session() -> None:
    system = System()
    await system.narrated("---")
    progress = await load_progress(system.journal, "s")
    assert progress is not None
    assert progress.state == "SUCCESS"
    await system.check("s")
