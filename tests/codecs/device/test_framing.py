import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rhapsode.codecs.device.framing import (
    MAX_PAYLOAD_BYTES,
    VERSIONS,
    Frame,
    FrameKind,
    FramingError,
    agreed_version,
    decode_frame,
    encode_frame,
)

OPUS = bytes.fromhex("b8aabbcc")

GOLDEN = {
    (1, Frame(OPUS)): "b8aabbcc",
    (2, Frame(OPUS, timestamp_ms=0x01020304)): "0002 0000 00000000 01020304 00000004 b8aabbcc",
    (2, Frame(b"{}", FrameKind.JSON)): "0002 0001 00000000 00000000 00000002 7b7d",
    (3, Frame(OPUS)): "00 00 0004 b8aabbcc",
    (3, Frame(b"{}", FrameKind.JSON)): "01 00 0002 7b7d",
}

payloads = st.binary(min_size=1, max_size=600)


@pytest.mark.parametrize(("version", "frame"), GOLDEN)
def test_frames_have_the_bytes_that_firmware_reads(version: int, frame: Frame):
    golden = bytes.fromhex(GOLDEN[version, frame])
    assert encode_frame(version, frame) == golden
    assert decode_frame(version, golden) == frame


@given(payloads, st.sampled_from(FrameKind), st.integers(0, 2**32 - 1))
def test_version_2_comes_back_whole(payload: bytes, kind: FrameKind, timestamp_ms: int):
    frame = Frame(payload, kind, timestamp_ms)
    assert decode_frame(2, encode_frame(2, frame)) == frame


@given(payloads, st.sampled_from(FrameKind))
def test_version_3_comes_back_but_for_the_time(payload: bytes, kind: FrameKind):
    message = encode_frame(3, Frame(payload, kind, 77))
    assert decode_frame(3, message) == Frame(payload, kind)


@given(payloads)
def test_version_1_is_the_payload(payload: bytes):
    assert encode_frame(1, Frame(payload)) == payload
    assert decode_frame(1, payload) == Frame(payload)


@given(st.sampled_from(VERSIONS), st.binary(max_size=100))
def test_any_bytes_are_a_frame_or_refused(version: int, message: bytes):
    try:
        frame = decode_frame(version, message)
    except FramingError:
        return
    assert message.endswith(frame.payload)
    assert len(encode_frame(version, frame)) == len(message)


@given(st.sampled_from([2, 3]), payloads, st.integers(-3, 3))
def test_a_size_that_is_not_the_payloads_is_refused(version: int, payload: bytes, off: int):
    whole = encode_frame(version, Frame(payload))
    wrong = whole + bytes(off) if off >= 0 else whole[:off]
    if off == 0:
        assert decode_frame(version, wrong).payload == payload
    else:
        with pytest.raises(FramingError):
            decode_frame(version, wrong)


@pytest.mark.parametrize(
    ("version", "message", "reason"),
    [
        (1, b"", "payload of 0 bytes"),
        (2, b"\0\2", "2 bytes are too few for version 2"),
        (3, b"\0\0\0", "3 bytes are too few for version 3"),
        (2, struct.pack(">HHIII", 3, 0, 0, 0, 1) + b"x", "of version 3 where version 2"),
        (2, struct.pack(">HHIII", 2, 2, 0, 0, 1) + b"x", "2 is not a valid FrameKind"),
        (3, struct.pack(">BBH", 9, 0, 1) + b"x", "9 is not a valid FrameKind"),
        (2, struct.pack(">HHIII", 2, 0, 0, 0, 0xFFFFFFFF) + b"x", "counts 4294967295 bytes"),
        (3, struct.pack(">BBH", 0, 0, 0), "payload of 0 bytes"),
        (4, b"x", "no framing version 4"),
    ],
)
def test_what_is_no_frame_is_refused(version: int, message: bytes, reason: str):
    with pytest.raises(FramingError, match=reason):
        decode_frame(version, message)


def test_reserved_fields_are_ignored():
    assert decode_frame(2, struct.pack(">HHIII", 2, 0, 99, 5, 1) + b"x") == Frame(
        b"x", timestamp_ms=5
    )
    assert decode_frame(3, struct.pack(">BBH", 0, 99, 1) + b"x") == Frame(b"x")


def test_frames_that_cannot_be_sent_are_refused():
    with pytest.raises(FramingError, match="version 1 carries audio only"):
        encode_frame(1, Frame(b"{}", FrameKind.JSON))
    with pytest.raises(FramingError, match="no framing version 0"):
        encode_frame(0, Frame(b"x"))
    with pytest.raises(FramingError, match="payload of 65536 bytes"):
        Frame(bytes(MAX_PAYLOAD_BYTES + 1))
    with pytest.raises(FramingError, match="does not fit 32 bits"):
        Frame(b"x", timestamp_ms=-1)


def test_the_largest_payload_fits_every_version():
    for version in VERSIONS:
        frame = Frame(bytes(MAX_PAYLOAD_BYTES))
        assert decode_frame(version, encode_frame(version, frame)) == frame


@pytest.mark.parametrize(
    ("header", "version"), [(None, 1), ("", 1), ("1", 1), (" 3 ", 3), ("2", 2)]
)
def test_the_version_is_that_of_the_header(header: str | None, version: int):
    assert agreed_version(header) == version


@pytest.mark.parametrize("header", ["0", "4", "two", "1.0", "٢", "9" * 9999])
def test_other_versions_are_refused(header: str):
    with pytest.raises(FramingError, match="send 1, 2 or 3"):
        agreed_version(header)
