import io
import struct
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rhapsode.codecs.hls.aac import RunEncoder
from rhapsode.codecs.hls.boxes import BoxError, box, find_boxes, full_box, parse_boxes
from rhapsode.codecs.hls.fmp4 import (
    audio_specific_config,
    init_segment,
    media_segment,
    parse_init_segment,
    parse_media_segment,
)
from rhapsode.codecs.hls.grid import Grid

VECTORS = Path(__file__).parent / "vectors"
GRID = Grid(segment_s=0.3)

packets = st.lists(st.binary(min_size=1, max_size=40), min_size=1, max_size=30)


def tone_segments(frames: int) -> list[bytes]:
    """Encode a tone and cut it into the media segments of one run."""
    t = np.arange(frames * 1024) / 48_000
    pcm = (9000 * np.sin(2 * np.pi * 440 * t)).astype("<i2").tobytes()
    encoder = RunEncoder(GRID, 0)
    encoder.push(0, pcm)
    encoder.finish()
    taken = [encoder.take(k) for k in range(8)]
    return [media_segment(k, GRID.start(k), cut) for k, cut in enumerate(taken) if cut]


def test_the_decoder_configuration_is_computed():
    # ISO/IEC 14496-3: LC, 48 kHz (index 3), one channel; 44.1 kHz stereo as everybody knows it
    assert audio_specific_config() == bytes.fromhex("1188")
    assert audio_specific_config(44_100, 2) == bytes.fromhex("1210")
    with pytest.raises(ValueError, match="no index for 47999 Hz"):
        audio_specific_config(47_999)
    with pytest.raises(ValueError, match="not 7"):
        audio_specific_config(48_000, 7)


def test_the_init_segment_never_changes():
    assert init_segment().hex() == (VECTORS / "init_48k_mono.hex").read_text().replace("\n", "")


def test_the_init_segment_has_one_track_without_samples():
    boxes = parse_boxes(init_segment())
    assert [outer.kind for outer in boxes] == [b"ftyp", b"moov"]
    assert boxes[0].payload[:4] == b"cmfc"
    assert len(find_boxes(boxes, b"trak")) == 1
    for table in (b"stts", b"stsc", b"stco"):
        assert find_boxes(boxes, table)[0].read(">II") == (0, 0)
    assert find_boxes(boxes, b"stsz")[0].read(">III") == (0, 0, 0)
    assert find_boxes(boxes, b"elst")[0].read(">IIiI", 4) == (1, 0, 1024, 0x10000)
    assert find_boxes(boxes, b"mdhd")[0].read(">I", 12) == (48_000,)
    assert find_boxes(boxes, b"trex")[0].read(">III", 4) == (1, 1, 1024)
    assert audio_specific_config() in find_boxes(boxes, b"stsd")[0].payload


@given(st.integers(1, 10**6), st.integers(1, 10**9), packets)
def test_a_segment_says_where_its_packets_are(number: int, frame: int, data: list[bytes]):
    segment = media_segment(number, frame, data)
    boxes = parse_boxes(segment)
    assert [outer.kind for outer in boxes] == [b"styp", b"moof", b"mdat"]
    assert find_boxes(boxes, b"mfhd")[0].read(">I", 4) == (number * 64 + 1,)
    assert find_boxes(boxes, b"tfdt")[0].read(">Q", 4) == ((frame + 1) * 1024,)
    trun = find_boxes(boxes, b"trun")[0]
    count, offset = trun.read(">Ii", 4)
    sizes = trun.read(f">{count}I", 12)
    position = boxes[1].start + offset
    assert position == boxes[2].start + 8
    read: list[bytes] = []
    for size in sizes:
        read.append(segment[position : position + size])
        position += size
    assert read == data
    assert position == len(segment)


def test_segment_0_begins_at_decode_time_0_and_the_next_where_it_ends():
    segments = tone_segments(60)
    times = [find_boxes(parse_boxes(s), b"tfdt")[0].read(">Q", 4)[0] for s in segments]
    counts = [find_boxes(parse_boxes(s), b"trun")[0].read(">I", 4)[0] for s in segments]
    assert times == [0, 11 * 1024, 27 * 1024, 43 * 1024, 59 * 1024]
    assert counts == [11, 16, 16, 16, 2]


def test_ffmpeg_decodes_the_concatenation_whole():
    segments = tone_segments(60)
    with av.open(io.BytesIO(init_segment() + b"".join(segments)), "r") as container:
        stream = container.streams.audio[0]
        assert (stream.codec_context.name, stream.codec_context.profile) == ("aac", "LC")
        assert (stream.rate, stream.codec_context.channels) == (48_000, 1)
        pts = [packet.pts for packet in container.demux(stream) if packet.size]
    assert pts == [(n - 1) * 1024 for n in range(61)]
    with av.open(io.BytesIO(init_segment() + b"".join(segments)), "r") as container:
        heard = np.concatenate([f.to_ndarray()[0] for f in container.decode(audio=0)])
    # this FFmpeg applies the edit list; older ones leave the priming in front
    t = np.arange(60 * 1024) / 48_000
    sent = 9000 / 32768 * np.sin(2 * np.pi * 440 * t)
    assert heard.shape == sent.shape
    assert np.sqrt(np.mean((heard[: 59 * 1024] - sent[: 59 * 1024]) ** 2)) < 0.002


def test_other_rates_are_said_everywhere():
    boxes = parse_boxes(init_segment(44_100))
    assert find_boxes(boxes, b"mdhd")[0].read(">I", 12) == (44_100,)
    assert struct.pack(">I", 44_100 << 16) in find_boxes(boxes, b"stsd")[0].payload
    assert bytes.fromhex("1208") in find_boxes(boxes, b"stsd")[0].payload


@pytest.mark.parametrize(
    ("number", "frame", "data", "message"),
    [
        (3, 70, [], "segment 3 has no packets"),
        (1, 0, [b"a"], "segment 1 cannot begin at frame 0"),
        (0, 5, [b"a"], "segment 0 cannot begin at frame 5"),
        (-1, 5, [b"a"], "segment -1 cannot begin"),
    ],
)
def test_segments_that_cannot_be_are_refused(
    number: int, frame: int, data: list[bytes], message: str
):
    with pytest.raises(ValueError, match=message):
        media_segment(number, frame, data)


@given(st.binary(max_size=60))
def test_what_is_boxed_is_read_back(payload: bytes):
    (read,) = parse_boxes(box(b"free", payload))
    assert (read.kind, read.payload, read.end) == (b"free", payload, 8 + len(payload))
    (full,) = parse_boxes(full_box(b"abcd", 1, 0x20030, payload))
    assert (full.version, full.flags, full.payload[4:]) == (1, 0x20030, payload)


@given(st.binary(max_size=200))
def test_any_bytes_are_boxes_or_a_box_error(data: bytes):
    try:
        boxes = parse_boxes(data)
    except BoxError:
        return
    assert b"".join(box(outer.kind, outer.payload) for outer in boxes) == data


@pytest.mark.parametrize(
    "data",
    [
        b"\0\0\0",
        struct.pack(">I4s", 7, b"free"),
        struct.pack(">I4s", 9, b"free"),
        struct.pack(">I4s", 0, b"mdat") + b"abc",
    ],
)
def test_boxes_that_are_cut_or_lie_are_refused(data: bytes):
    with pytest.raises(BoxError):
        parse_boxes(data)


def test_boxes_nested_without_end_are_refused():
    data = b""
    for _ in range(1000):
        data = box(b"moov", data)
    with pytest.raises(BoxError, match="nested too deep"):
        parse_boxes(data)


def test_reading_past_the_end_of_a_box_is_refused():
    with pytest.raises(BoxError, match="too short"):
        parse_boxes(box(b"tfdt", b"abc"))[0].read(">Q")


@given(st.integers(1, 10**6), st.integers(1, 10**9), packets)
def test_a_segment_is_read_back(number: int, frame: int, data: list[bytes]):
    read = parse_media_segment(media_segment(number, frame, data))
    assert read.packets == tuple(data)
    assert read.decode_time == (frame + 1) * 1024
    assert read.sequence == number * 64 + 1


@pytest.mark.parametrize("rate_hz", [44_100, 48_000])
def test_an_init_segment_is_read_back(rate_hz: int):
    read = parse_init_segment(init_segment(rate_hz))
    assert (read.rate_hz, read.asc) == (rate_hz, audio_specific_config(rate_hz))
    assert read.codecs == "mp4a.40.2"


@given(st.data())
def test_a_damaged_segment_is_read_or_refused(data: st.DataObject):
    for whole, parse in (
        (init_segment(), parse_init_segment),
        (media_segment(3, 70, [b"abc", b"defgh"]), parse_media_segment),
    ):
        damaged = bytearray(whole)
        at = data.draw(st.integers(0, len(whole) - 1))
        damaged[at] = data.draw(st.integers(0, 255))
        try:
            parse(bytes(damaged))
        except BoxError:
            continue


INIT_FAULTS = {
    "not ftyp free": init_segment().replace(b"moov", b"free"),
    "major brand": init_segment().replace(b"ftypcmfc", b"ftypisom"),
    "table stts is not empty": init_segment().replace(
        b"stts" + bytes(8), b"stts" + bytes(7) + b"\1"
    ),
    "edit list": init_segment().replace(b"elst" + bytes(7) + b"\1", b"elst" + bytes(7) + b"\2"),
    "trex does not have": init_segment().replace(b"\0\0\4\0" + bytes(8), b"\0\0\x08\0" + bytes(8)),
    "do not agree": init_segment(asc=audio_specific_config(44_100)),
    "2 trex boxes": init_segment()[:32]
    + box(b"moov", init_segment()[40:], full_box(b"trex", 0, 0, bytes(20))),
    "0 elst": init_segment().replace(b"edts", b"free"),
    "laid out": init_segment().replace(bytes.fromhex("0319000000"), bytes.fromhex("0419000000")),
}


@pytest.mark.parametrize("message", INIT_FAULTS)
def test_faults_of_an_init_segment_are_named(message: str):
    with pytest.raises(BoxError, match=message):
        parse_init_segment(INIT_FAULTS[message])


SEGMENT = media_segment(3, 70, [b"abc", b"defgh"])
SEGMENT_FAULTS = {
    "not styp moof": SEGMENT.replace(b"mdat", b"free"),
    "other flags": SEGMENT.replace(b"tfhd\0\2", b"tfhd\0\0"),
    "1024 samples a packet": SEGMENT.replace(b"\0\0\4\0\2", b"\0\0\4\1\2"),
    "does not hit": SEGMENT.replace(b"trun\0\0\2\1\0\0\0\2\0", b"trun\0\0\2\1\0\0\0\2\1"),
    "9 bytes are not mdat's 8": SEGMENT.replace(b"\0\0\0\3\0\0\0\5", b"\0\0\0\3\0\0\0\6"),
    "too short": SEGMENT.replace(b"\2\1\0\0\0\2", b"\2\1\0\0\0\3"),
    "3 bytes are not": SEGMENT.replace(b"\2\1\0\0\0\2", b"\2\1\0\0\0\1"),
}


@pytest.mark.parametrize("message", SEGMENT_FAULTS)
def test_faults_of_a_media_segment_are_named(message: str):
    assert SEGMENT_FAULTS[message] != SEGMENT
    with pytest.raises(BoxError, match=message):
        parse_media_segment(SEGMENT_FAULTS[message])
