"""A session's samples by position: from the window, from the log, and the same from both."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from standins.in_memory import System

from rhapsode.agents.session_audio import SessionAudio
from rhapsode.codecs.records import AudioFrame
from rhapsode.storage.log import partition_of
from rhapsode.topologies.testing import PARTITIONS


def frames_of(lengths: list[int]) -> tuple[list[AudioFrame], bytes]:
    """Return frames of these lengths, every third with a text, and all their samples."""
    pcm = np.arange(1, sum(lengths) + 1, dtype="<i2").tobytes()
    frames: list[AudioFrame] = []
    first = 0
    for number, length in enumerate(lengths):
        frames.append(
            AudioFrame(
                session="s",
                first_sample=first,
                samples=length,
                pcm=pcm[2 * first : 2 * (first + length)],
                text=f"text {number}" if number % 3 == 0 else "",
                last=number == len(lengths) - 1,
            )
        )
        first += length
    return frames, pcm


async def audio_with(frames: list[AudioFrame]) -> SessionAudio:
    system = System()
    await system.describe()
    await system.append(frames)
    return SessionAudio(system.journal.of(AudioFrame), "s")


@settings(deadline=None)
@given(
    lengths=st.lists(st.integers(1, 50), min_size=1, max_size=12),
    delivered_from=st.integers(0, 11),
    twice=st.booleans(),
    data=st.data(),
)
async def test_any_range_is_the_same_from_window_and_log(
    lengths: list[int], delivered_from: int, twice: bool, data: st.DataObject
) -> None:
    frames, pcm = frames_of(lengths)
    total = sum(lengths)
    audio = await audio_with(frames)
    await audio.load()
    for frame in frames[delivered_from:]:
        audio.feed(frame)
        if twice:
            audio.feed(frame)
        audio.forget(data.draw(st.integers(0, total)))
        first = data.draw(st.integers(-20, total + 20))
        end = data.draw(st.integers(first, total + 40))
        silent_before = bytes(2 * max(0, min(0, end) - first))
        silent_after = bytes(2 * max(0, end - max(total, first)))
        inner = pcm[2 * max(0, first) : 2 * max(0, end)]
        assert await audio.read(first, end) == silent_before + inner + silent_after
        texts = [(f.first_sample, f.text) for f in frames if f.text]
        assert await audio.texts(max(0, first), end) == [
            item for item in texts if max(0, first) <= item[0] < end
        ]


async def test_delivered_frames_are_read_without_the_log() -> None:
    frames, pcm = frames_of([30, 30, 30])
    audio = SessionAudio(System().journal.of(AudioFrame), "s")  # the log is empty
    for frame in frames:
        audio.feed(frame)
    assert await audio.read(0, 90) == pcm
    audio.forget(45)
    assert await audio.read(45, 90) == pcm[90:]
    with pytest.raises(LookupError, match="samples 44 to 90 of session s are not in the log"):
        await audio.read(44, 90)


async def test_frames_of_long_ago_do_not_pile_up() -> None:
    frames, _ = frames_of([100] * 50)
    audio = await audio_with(frames)
    await audio.load()
    for frame in frames:
        audio.feed(frame)
        audio.forget(4_900)
    assert len(audio._window) == 200


async def test_what_is_not_there_yet_is_no_silence() -> None:
    frames, _ = frames_of([30, 30])
    audio = await audio_with(frames[:1])
    await audio.load()
    with pytest.raises(LookupError, match="goes to 30 so far, not 31"):
        await audio.read(0, 31)


async def test_loading_tells_how_far_a_session_goes_and_why_it_ended() -> None:
    system = System()
    await system.describe()
    frames = system.journal.of(AudioFrame)
    await system.append([AudioFrame(session="s", first_sample=0, samples=3, pcm=bytes(6))])
    audio = SessionAudio(frames, "s")
    await audio.load()
    assert (audio.available, audio.closed, audio.error) == (3, False, "")
    end = AudioFrame(session="s", first_sample=3, samples=0, last=True, error="the voice broke")
    await system.append([end])
    await audio.load()
    assert (audio.available, audio.closed, audio.error) == (3, True, "the voice broke")


async def test_trimmed_samples_are_said_to_be_missing() -> None:
    system = System()
    await system.describe()
    frames, _ = frames_of([30, 30, 30])
    await system.append(frames)
    audio = SessionAudio(system.journal.of(AudioFrame), "s")
    await audio.load()
    await system.log.trim("audio-frame", partition_of(b"s", PARTITIONS), 1)
    assert len(await audio.read(30, 90)) == 120
    with pytest.raises(LookupError, match="samples 10 to 40"):
        await audio.read(10, 40)
