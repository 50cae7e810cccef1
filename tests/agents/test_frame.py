"""Audio into device packets: every frame once, sentences where they begin, from anywhere."""

from itertools import pairwise

import numpy as np
import pytest
from standins.in_memory import System, accepted

from rhapsode.agents.frame import GROUP_FRAMES, WIDE_FRAME_SAMPLES, Frame
from rhapsode.codecs.device.frames import margin_samples
from rhapsode.codecs.device.opus import RUN_FRAMES, Decoder
from rhapsode.codecs.records import AudioFrame, DeviceFrames, DeviceRequest
from rhapsode.codecs.session import Form


def agent(system: System) -> Frame:
    journal = system.journal
    return Frame(
        system.codec_turns,
        journal.of(AudioFrame),
        journal.of(DeviceRequest),
        journal.of(DeviceFrames),
    )


def audio(samples: int, size: int = 24_000, every: int = 2) -> list[AudioFrame]:
    """Return a session of a swept tone; every second frame begins a chunk."""
    times = np.arange(samples) / 48_000
    sweep = 9_000 * np.sin(2 * np.pi * (200 * times + 30 * times**2))
    pcm = sweep.astype("<i2").tobytes()
    frames: list[AudioFrame] = []
    for number, first in enumerate(range(0, samples, size)):
        piece = pcm[2 * first : 2 * (first + size)]
        frames.append(
            AudioFrame(
                session="s",
                first_sample=first,
                samples=len(piece) // 2,
                pcm=piece,
                text=f"Sentence {number}." if number % every == 0 else "",
            )
        )
    return [*frames, AudioFrame(session="s", first_sample=samples, samples=0, last=True)]


async def framed_live(frames: list[AudioFrame]) -> System:
    """Let audio come frame by frame, to one worker."""
    system = await accepted()

    async def live():
        for frame in frames:
            await system.append([frame])
            yield frame

    async for batch in agent(system)(await system.journal.describe("s"), live()):
        await system.append(batch)
    return system


@pytest.mark.parametrize("samples", [1, 2_879, 2_880, 2_881, 14_400, 200_000, 500_000])
async def test_every_60_ms_have_a_packet_and_the_last_is_padded(samples: int) -> None:
    system = await framed_live(audio(samples))
    runs: list[DeviceFrames] = await system.records(DeviceFrames, "s")
    for before, after in pairwise(runs):
        assert after.first_frame == before.end
    assert runs[0].first_frame == 0
    assert runs[-1].end == -(-samples // WIDE_FRAME_SAMPLES)
    assert [run.last for run in runs] == [False] * (len(runs) - 1) + [True]
    decoder = Decoder()
    for packet in (packet for run in runs for packet in run.packets):
        assert len(decoder.decode(packet)) == 960


async def test_a_record_never_crosses_the_bounds_of_a_group_or_a_run() -> None:
    system = await framed_live(audio(500_000))
    runs: list[DeviceFrames] = await system.records(DeviceFrames, "s")
    assert RUN_FRAMES % GROUP_FRAMES == 0
    assert all(run.first_frame % GROUP_FRAMES == 0 for run in runs[:-1])
    assert all(len(run.packets) == GROUP_FRAMES for run in runs[:-2])


async def test_sentences_are_told_at_the_frame_in_which_they_begin() -> None:
    frames = audio(500_000, size=10_007)
    system = await framed_live(frames)
    runs: list[DeviceFrames] = await system.records(DeviceFrames, "s")
    assert [sentence for run in runs for sentence in run.sentences] == [
        (frame.first_sample // WIDE_FRAME_SAMPLES, frame.text) for frame in frames if frame.text
    ]
    for run in runs:
        for number, _ in run.sentences:
            assert run.first_frame <= number < run.end


async def test_packets_come_as_soon_as_their_audio_is_there() -> None:
    wanted = GROUP_FRAMES * WIDE_FRAME_SAMPLES + margin_samples()
    frames = audio(wanted, size=wanted - 1)
    system = await accepted()
    await system.append(frames[:1])
    assert await system.hand(agent(system), "s", frames[:1]) == []
    await system.append(frames[1:2])
    assert len(await system.hand(agent(system), "s", frames[1:2])) == 1


@pytest.mark.parametrize("size", [24_000, 5_000])
async def test_a_restart_at_any_record_gives_the_same_records(size: int) -> None:
    frames = audio(220_000, size=size)
    wanted = await (await framed_live(frames)).records(DeviceFrames, "s")
    for stop_after in range(1, len(wanted), 3):
        for back in (0, 2, 1_000):
            system = await accepted()
            handed: list[AudioFrame] = []

            async def live(system: System = system, handed: list[AudioFrame] = handed):
                for frame in frames:
                    await system.append([frame])
                    handed.append(frame)
                    yield frame

            yielded = 0
            async for batch in (
                outputs := agent(system)(await system.journal.describe("s"), live())
            ):
                await system.append(batch)
                yielded += 1
                if yielded == stop_after:
                    break
            await outputs.aclose()
            await system.append(frames)
            await system.hand(agent(system), "s", frames[max(0, len(handed) - 1 - back) :])
            assert await system.records(DeviceFrames, "s") == wanted


async def test_what_comes_twice_is_framed_once() -> None:
    frames = audio(200_000)
    system = await accepted()
    await system.append(frames)
    await system.hand(agent(system), "s", [frame for frame in frames for _ in range(2)])
    wanted = await (await framed_live(frames)).records(DeviceFrames, "s")
    assert await system.records(DeviceFrames, "s") == wanted
    assert await system.hand(agent(system), "s", frames) == []


async def test_packets_do_not_depend_on_how_the_audio_was_cut() -> None:
    one = await framed_live(audio(200_000, every=1_000))
    other = await framed_live(audio(200_000, size=3_333, every=1_000))
    assert await one.records(DeviceFrames, "s") == await other.records(DeviceFrames, "s")


async def test_a_session_without_a_sound_is_only_an_end() -> None:
    system = await framed_live([AudioFrame(session="s", first_sample=0, samples=0, last=True)])
    (run,) = await system.records(DeviceFrames, "s")
    assert (run.first_frame, run.packets, run.last) == (0, (), True)


async def test_a_session_without_devices_has_no_packets() -> None:
    system = await accepted(form=Form(device=None))
    frames = audio(100_000)
    await system.append(frames)
    assert await system.hand(agent(system), "s", frames) == []


@pytest.mark.parametrize("asked_at", [0, 1, 4, 10])
async def test_asked_for_at_any_time_packets_are_the_same_from_the_first_sample_on(
    asked_at: int,
) -> None:
    frames = audio(220_000)
    wanted = await (await framed_live(frames)).records(DeviceFrames, "s")
    system = System(for_devices=False)
    await system.declare()
    await system.describe("s", open=True)
    request = DeviceRequest(session="s", last=True)

    async def live():
        for record in [*frames[:asked_at], request, *frames[asked_at:]]:
            await system.append([record])
            yield record

    async for batch in agent(system)(await system.journal.describe("s"), live()):
        await system.append(batch)
    assert await system.records(DeviceFrames, "s") == wanted


async def test_nothing_is_made_for_devices_where_none_asked() -> None:
    frames = audio(220_000)
    system = System(for_devices=False)
    await system.declare()
    await system.describe("s", open=True)
    await system.append(frames)
    assert await system.hand(agent(system), "s", frames) == []
    description = await system.journal.describe("s")
    assert await agent(system).given_up(description, frames[0], "a bug") == ()


async def test_who_was_begun_by_another_worker_goes_on_without_being_asked_again() -> None:
    frames = audio(220_000)
    wanted = await (await framed_live(frames)).records(DeviceFrames, "s")
    system = await accepted()
    await system.append(frames)
    await system.hand(agent(system), "s", frames[3:])  # the request was dealt with before
    assert await system.records(DeviceFrames, "s") == wanted
