"""Replay: the same bytes again from the audio in the log, and every flipped one is found."""

import io
import wave
from pathlib import Path
from typing import Any

import av
import msgspec
import numpy as np
import pytest
from standins.rooms import Room

from rhapsode.agents.voices.tone import ToneVoice
from rhapsode.codecs.records import AudioFrame, DeviceFrames, Segment, SequenceRecord, Text
from rhapsode.ops.tools.replay import ReplayError, differences, replay, write
from rhapsode.storage.log import partition_of

STORY = "Long ago there lived a fox. She collected maps, and every evening she chose a road."


async def narrated() -> Room:
    room = Room()
    await room.narrated(STORY)
    return room


async def copied(room: Room, *changed: SequenceRecord) -> Room:
    """Return a room with the same session, but for the records that were changed."""
    other = Room(store=room.store)
    await other.declare()
    for kind in (Text, AudioFrame, Segment, DeviceFrames):
        records: list[SequenceRecord] = await room.records(kind, "s")
        for index, record in enumerate(records):
            for change in changed:
                same = type(change) is kind and change.start == record.start
                if same and change.final == record.final:
                    records[index] = change
        await other.append_at(records)
    return other


async def test_a_session_replayed_is_the_same_to_the_byte() -> None:
    room = await narrated()
    replayed = await replay(room.parts, "s")
    assert await differences(room.parts, replayed) == []
    assert replayed.objects == room.store.of("s")
    frames: list[AudioFrame] = await room.records(AudioFrame, "s")
    assert replayed.pcm == b"".join(frame.pcm for frame in frames)
    assert replayed.audio_s == frames[-1].end / 48_000


async def test_a_failed_session_is_replayed_too() -> None:
    for word in ("Long", "She"):
        room = Room(voice=ToneVoice(fails_at=word))
        await room.narrated(STORY)
        assert await differences(room.parts, await replay(room.parts, "s")) == []


@pytest.mark.parametrize("name", ["init.mp4", "audio_001.m4s", "audio.m3u8", "master.m3u8"])
async def test_a_flipped_byte_in_the_store_is_found(name: str) -> None:
    room = await narrated()
    data = bytearray(room.store.files[f"s/{name}"])
    data[len(data) // 2] ^= 1
    room.store.files[f"s/{name}"] = bytes(data)
    (found,) = await differences(room.parts, await replay(room.parts, "s"))
    assert found.startswith(f"{name}: ")
    assert "differ" in found


async def test_an_object_that_is_gone_is_found() -> None:
    room = await narrated()
    await room.store.delete("s/audio_002.m4s")
    found = await differences(room.parts, await replay(room.parts, "s"))
    assert found == ["audio_002.m4s is not in the store"]


async def test_a_flipped_bit_in_a_devices_packet_is_found() -> None:
    room = await narrated()
    runs: list[DeviceFrames] = await room.records(DeviceFrames, "s")
    packet = bytearray(runs[1].packets[0])
    packet[-1] ^= 1
    changed = with_field(runs[1], packets=(bytes(packet), *runs[1].packets[1:]))
    other = await copied(room, changed)
    (found,) = await differences(other.parts, await replay(other.parts, "s"))
    assert found.startswith("device: ")
    assert found.endswith("1 differ")


async def test_a_segment_that_the_log_describes_otherwise_is_found() -> None:
    room = await narrated()
    segments: list[Segment] = await room.records(Segment, "s")
    other = await copied(room, with_field(segments[2], sha256="0" * 64))
    (found,) = await differences(other.parts, await replay(other.parts, "s"))
    assert found.startswith("segment 2: ")


async def test_a_flipped_bit_in_the_audio_shows_in_everything_made_of_it() -> None:
    room = await narrated()
    frames: list[AudioFrame] = await room.records(AudioFrame, "s")
    pcm = np.frombuffer(frames[0].pcm, "<i2").copy()
    pcm[5_000] ^= 0x2000
    other = await copied(room, with_field(frames[0], pcm=pcm.tobytes()))
    found = await differences(other.parts, await replay(other.parts, "s"))
    assert {line.split(":")[0].split()[0] for line in found} >= {"segment", "device"}
    assert any(line.startswith("audio_000.m4s") for line in found)


def with_field(record: SequenceRecord, **fields: Any) -> SequenceRecord:
    return msgspec.structs.replace(record, **fields)


async def test_what_cannot_be_replayed_says_why() -> None:
    room = await narrated()
    with pytest.raises(ReplayError, match="no audio of session nobody"):
        await replay(room.parts, "nobody")
    half = Room()
    frames: list[AudioFrame] = await room.records(AudioFrame, "s")
    await half.append_at(frames[:2])
    with pytest.raises(ReplayError, match="not finished yet"):
        await replay(half.parts, "s")
    await room.log.trim("audio-frame", partition_of(b"s", 2), 1)
    with pytest.raises(ReplayError, match="trimmed"):
        await replay(room.parts, "s")


async def test_it_writes_files_that_others_can_play(tmp_path: Path) -> None:
    room = await narrated()
    replayed = await replay(room.parts, "s")
    written = {path.name: path for path in write(replayed, tmp_path / "deep" / "out")}
    assert {*replayed.objects, "audio.wav", "device.wav", "device.ogg"} == set(written)
    with wave.open(str(written["audio.wav"])) as file:
        assert (file.getframerate(), file.getnchannels()) == (48_000, 1)
        assert file.readframes(file.getnframes()) == replayed.pcm
    with av.open(io.BytesIO(written["device.ogg"].read_bytes()), "r") as container:
        samples = sum(frame.samples for frame in container.decode(audio=0))  # pyright: ignore[reportAttributeAccessIssue]  # opened to be read
    assert samples / 48_000 == pytest.approx(len(replayed.packets) * 0.06, abs=0.02)
    for name, data in replayed.objects.items():
        assert written[name].read_bytes() == data
