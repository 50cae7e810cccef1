"""Replay: the same bytes again from the audio in the log, and every flipped one is found."""

import asyncio
import io
import tracemalloc
import wave
from pathlib import Path
from typing import Any

import av
import msgspec
import numpy as np
import pytest
from sample_audio import sample_file

from rhapsode.agents.voices.tone import ToneVoice
from rhapsode.codecs.records import (
    AudioFrame,
    DeviceFrames,
    DeviceRequest,
    Item,
    Segment,
    SequenceRecord,
    Session,
    text_items,
)
from rhapsode.codecs.session import Form, Rendition
from rhapsode.ops.sessions import Sessions
from rhapsode.ops.tools import replay
from rhapsode.ops.tools.replay import PACKETS, ReplayError, derive, write
from rhapsode.storage.log import partition_of
from rhapsode.storage.memory.log import MemoryLog
from rhapsode.storage.objects.memory import MemorySource
from rhapsode.topologies.testing import PARTITIONS, InMemorySystem

STORY = "Long ago there lived a fox. She collected maps, and every evening she chose a road."


def fixed_clock() -> MemoryLog:
    """Return a log in which all sessions are accepted at one time, which playlists tell."""
    return MemoryLog(clock_ms=lambda: 1_700_000_000_000)


async def narrated(**fields: Any) -> InMemorySystem:
    system = InMemorySystem(log=fixed_clock())
    async with system.running():
        await system.narrate(STORY, **fields)
        await system.finished("s")
    return system


async def differences(system: InMemorySystem, session: str = "s") -> list[str]:
    return (await derive(system.journal, session, store=system.store)).differences


async def copied(system: InMemorySystem, *changed: SequenceRecord) -> InMemorySystem:
    """Return a system with the same session, but for the records that were changed."""
    other = InMemorySystem(log=fixed_clock(), store=system.store)
    await other.declare()
    for kind in (Session, DeviceRequest, AudioFrame, Segment, DeviceFrames):
        records: list[SequenceRecord] = list(await system.records(kind, "s"))
        for index, record in enumerate(records):
            for change in changed:
                same = type(change) is kind and change.start == record.start
                if same and change.last == record.last:
                    records[index] = change
        await other.append(records)
    return other


def with_field(record: SequenceRecord, **fields: Any) -> SequenceRecord:
    return msgspec.structs.replace(record, **fields)


async def test_a_session_replayed_is_the_same_to_the_byte() -> None:
    system = await narrated()
    objects: dict[str, bytes] = {}

    async def keep(name: str, data: bytes) -> None:
        objects[name] = objects.get(name, b"") + data

    replayed = await derive(system.journal, "s", keep, store=system.store)
    assert replayed.differences == []
    packets = objects.pop(PACKETS)
    assert {f"s/{name}": data for name, data in objects.items()} == system.store.files
    runs = await system.records(DeviceFrames, "s")
    sent = [packet for run in runs for packet in run.packets]
    assert packets == b"".join(len(packet).to_bytes(2, "big") + packet for packet in sent)
    assert replayed.packets == len(sent)
    frames = await system.records(AudioFrame, "s")
    assert replayed.audio_s == frames[-1].end / 48_000


@pytest.mark.parametrize("word", ["Long", "She"])
async def test_a_failed_session_is_replayed_too(word: str) -> None:
    system = InMemorySystem(voice=ToneVoice(fails_at=word))
    async with system.running():
        await system.narrate(STORY)
        await system.finished("s")
    assert await differences(system) == []


async def test_an_open_session_with_an_object_and_silence_is_replayed() -> None:
    objects = MemorySource({"fox.mp3": sample_file("mp3")})
    system = InMemorySystem(objects=objects)
    sessions = Sessions(system.journal, objects)
    async with system.running():
        await sessions.open(sessions.described(session="s", open_=True))
        await sessions.add_text("s", "A fox sings.", item_end=True)
        await sessions.add_object("s", "fox.mp3")
        await sessions.add_silence("s", 0.7)
        await sessions.add_text("s", "That was a fox.", last=True)
        await system.finished("s")
    replayed = await derive(system.journal, "s", store=system.store)
    assert replayed.differences == []
    assert replayed.audio_s > 4.0


async def test_a_cancelled_session_is_replayed_as_far_as_it_came() -> None:
    system = InMemorySystem()
    sessions = Sessions(system.journal)
    async with system.running():
        await sessions.open(sessions.described(session="s", open_=True))
        await sessions.add_text("s", STORY)
        await sessions.cancel("s")
        await system.finished("s")
    assert await differences(system) == []


async def test_the_form_in_the_log_decides_not_the_one_of_this_process() -> None:
    odd = Form(segment_s=1.3, ramp=False, renditions=(Rendition(bit_rate=64_000),), device=None)
    system = await narrated(form=odd)
    system.form = Form(segment_s=6.0, renditions=(Rendition(bit_rate=128_000),))
    replayed = await derive(system.journal, "s", store=system.store)
    assert (replayed.differences, replayed.packets) == ([], 0)


@pytest.mark.parametrize("name", ["init.mp4", "audio_001.m4s", "audio.m3u8", "master.m3u8"])
async def test_a_flipped_byte_in_the_store_is_found(name: str) -> None:
    system = await narrated()
    data = bytearray(system.store.files[f"s/{name}"])
    data[len(data) // 2] ^= 1
    system.store.files[f"s/{name}"] = bytes(data)
    (found,) = await differences(system)
    assert found.startswith(f"{name}: ")
    assert "differ" in found


async def test_an_object_that_is_gone_is_found() -> None:
    system = await narrated()
    await system.store.delete("s/audio_002.m4s")
    assert await differences(system) == ["audio_002.m4s is not in the store"]


async def test_a_flipped_bit_in_a_devices_packet_is_found() -> None:
    system = await narrated()
    runs = await system.records(DeviceFrames, "s")
    packet = bytearray(runs[1].packets[0])
    packet[-1] ^= 1
    changed = with_field(runs[1], packets=(bytes(packet), *runs[1].packets[1:]))
    (found,) = await differences(await copied(system, changed))
    assert found == f"device frames {runs[1].start} to {runs[1].end} differ"


async def test_a_segment_that_the_log_describes_otherwise_is_found() -> None:
    system = await narrated()
    segments = await system.records(Segment, "s")
    (found,) = await differences(await copied(system, with_field(segments[2], sha256="0" * 64)))
    assert found.startswith("segment 2: ")


async def test_a_segment_too_many_in_the_log_is_found() -> None:
    system = await narrated()
    segments = await system.records(Segment, "s")
    other = await copied(system)
    number = len(segments)
    fresh = InMemorySystem(log=fixed_clock(), store=system.store)
    await fresh.declare()
    for kind in (Session, AudioFrame, DeviceFrames):
        await fresh.append(await other.records(kind, "s"))
    await fresh.append([with_field(segment, last=False) for segment in segments])
    await fresh.append([with_field(segments[-1], number=number, last=True)])
    found = await differences(fresh)
    assert f"{number + 1} segments in the log, {number} derived" in found


async def test_a_flipped_bit_in_the_audio_shows_in_everything_made_of_it() -> None:
    system = await narrated()
    frames = await system.records(AudioFrame, "s")
    pcm = np.frombuffer(frames[0].pcm, "<i2").copy()
    pcm[5_000] ^= 0x2000
    found = await differences(await copied(system, with_field(frames[0], pcm=pcm.tobytes())))
    assert {line.split(":")[0].split()[0] for line in found} >= {"segment", "device"}
    assert any(line.startswith("audio_000.m4s") for line in found)


async def test_another_codec_build_is_named_where_bytes_differ_and_only_there() -> None:
    system = await narrated(codec_build="lavc-0.0")
    assert await differences(system) == []
    await system.store.put("s/audio_000.m4s", b"other bytes", "audio/mp4")
    *_, build = await differences(system)
    assert build.startswith("the session was made by codec build lavc-0.0; this is ")


async def test_what_cannot_be_replayed_tells_why() -> None:
    system = await narrated()
    with pytest.raises(ReplayError, match="there is no session nobody"):
        await derive(system.journal, "nobody")
    half = InMemorySystem()
    await half.declare()
    await half.describe()
    with pytest.raises(ReplayError, match="not finished yet"):
        await derive(half.journal, "s")
    await half.append((await system.records(AudioFrame, "s"))[:2])
    with pytest.raises(ReplayError, match="not finished yet"):
        await derive(half.journal, "s")
    await system.log.trim("audio-frame", partition_of(b"s", PARTITIONS), 1)
    with pytest.raises(ReplayError, match="trimmed"):
        await derive(system.journal, "s")


async def without_packets(system: InMemorySystem) -> InMemorySystem:
    """Return a system whose devices get no frames of the session."""
    other = InMemorySystem(log=fixed_clock(), store=system.store)
    await other.declare()
    for kind in (Session, DeviceRequest, AudioFrame, Segment):
        await other.append(await system.records(kind, "s"))
    return other


async def test_it_waits_for_device_frames_that_are_still_being_made(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    system = await narrated()
    behind = await without_packets(system)
    packets = await system.records(DeviceFrames, "s")
    waiting = asyncio.create_task(derive(behind.journal, "s", store=behind.store))
    done, _ = await asyncio.wait([waiting], timeout=0.3)
    assert not done
    await behind.append(packets)
    assert (await waiting).differences == []
    monkeypatch.setattr(replay, "COMPLETE_WITHIN_S", 0.0)
    with pytest.raises(ReplayError, match="not all of its device frames are in the log"):
        await derive((await without_packets(system)).journal, "s", store=system.store)


async def test_it_writes_files_that_others_can_play(tmp_path: Path) -> None:
    system = await narrated()
    replayed, paths = await write(system.journal, "s", tmp_path, store=system.store)
    assert replayed.differences == []
    written = {path.name: path for path in paths}
    objects = {name.removeprefix("s/"): data for name, data in system.store.files.items()}
    assert {*objects, "audio.wav", "device.wav", "device.ogg"} == set(written)
    frames = await system.records(AudioFrame, "s")
    with wave.open(str(written["audio.wav"])) as file:
        assert (file.getframerate(), file.getnchannels()) == (48_000, 1)
        assert file.readframes(file.getnframes()) == b"".join(frame.pcm for frame in frames)
    with av.open(io.BytesIO(written["device.ogg"].read_bytes()), "r") as container:
        samples = sum(frame.samples for frame in container.decode(audio=0))  # pyright: ignore[reportAttributeAccessIssue]  # opened to be read
    assert samples / 48_000 == pytest.approx(replayed.packets * 0.06, abs=0.02)
    for name, data in objects.items():
        assert written[name].read_bytes() == data


async def long_session(seconds: int) -> InMemorySystem:
    """Return a session of noise in the log, as if it had been mastered."""
    system = InMemorySystem(form=Form(segment_s=6.0))
    await system.declare()
    record = await system.describe()
    await system.append(text_items(record.session, 0, "noise", last=True))
    chance = np.random.default_rng(seconds)
    for half in range(2 * seconds):
        pcm = chance.integers(-3000, 3000, 24_000, dtype=np.int16).tobytes()
        frame = AudioFrame(
            session="s",
            first_sample=24_000 * half,
            samples=24_000,
            pcm=pcm,
            last=half == 2 * seconds - 1,
        )
        await system.append([frame])
    return system


async def test_memory_does_not_hold_the_session() -> None:
    peaks: list[int] = []
    for seconds in (20, 120):
        system = await long_session(seconds)
        tracemalloc.start()
        try:
            replayed = await derive(system.journal, "s")
            peaks.append(tracemalloc.get_traced_memory()[1])
        finally:
            tracemalloc.stop()
        assert replayed.audio_s == seconds
        assert len(await system.records(Item, "s")) == 1
    # a hundred seconds more of PCM are 9.6 MB
    assert peaks[1] < peaks[0] + 2_000_000
    assert peaks[1] < 8_000_000
