import hashlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rhapsode.codecs.audio.pcm import Samples
from rhapsode.codecs.device.opus import (
    PREROLL_FRAMES,
    RUN_FRAMES,
    Decoder,
    DeviceFormat,
    OpusFormatError,
    RunEncoder,
)
from rhapsode.codecs.libraries import opus_library, opuslib

RATE_HZ = 16_000
LOOK_AHEAD = 104  # 312 samples at 48 kHz


def voice(frames: int, seed: int = 5) -> Samples:
    """Make something like speech at 16 kHz: gliding harmonics with syllables and hiss."""
    t = np.arange(frames * 960) / RATE_HZ
    phase = 2 * np.pi * np.cumsum(130 + 30 * np.sin(2 * np.pi * 0.6 * t)) / RATE_HZ
    tone = sum(np.sin(h * phase + h * h) / h**1.3 for h in range(1, 25))
    syllables = np.clip(np.sin(2 * np.pi * 3.1 * t), 0, 1) ** 0.5
    hiss = np.random.default_rng(seed).normal(0, 0.02, len(t))
    return (6000 * (tone * syllables + hiss)).clip(-32_768, 32_767).astype(np.int16)


FRAMES = 4 * RUN_FRAMES
SESSION = voice(FRAMES)


def frame(number: int) -> Samples:
    return SESSION[960 * number : 960 * (number + 1)]


def encode_run(run: int) -> list[bytes]:
    encoder = RunEncoder(run)
    packets = [
        encoder.encode(number, frame(number))
        for number in range(encoder.first_needed, (run + 1) * RUN_FRAMES)
    ]
    return [packet for packet in packets if packet is not None]


def encode_continuously() -> list[bytes]:
    encoder = opuslib().Encoder(RATE_HZ, 1, "audio")
    encoder.bitrate, encoder.complexity = 24_000, 5
    encoder.vbr, encoder.vbr_constraint = True, False
    return [encoder.encode(frame(number).tobytes(), 960) for number in range(FRAMES)]


def decode(packets: list[bytes]) -> np.ndarray:
    decoder = Decoder()
    return np.concatenate([decoder.decode(packet) for packet in packets]).astype(float)


def snr_db(source: np.ndarray, heard: np.ndarray) -> float:
    return float(10 * np.log10(np.sum(source**2) / np.sum((heard - source) ** 2)))


PACKETS = [packet for run in range(4) for packet in encode_run(run)]


def digest(packets: list[bytes]) -> str:
    return hashlib.sha256(repr(packets).encode()).hexdigest()


def test_the_library_is_the_one_in_the_wheel():
    assert "av.libs" in opus_library()
    assert opuslib().api.libopus._name == opus_library()


def test_every_frame_has_one_packet_at_about_the_rate():
    assert len(PACKETS) == FRAMES
    assert len({len(packet) for packet in PACKETS}) > 5  # variable
    mean_bit_rate = 8 * sum(map(len, PACKETS)) / (FRAMES * 0.06)
    assert 15_000 < mean_bit_rate < 27_000
    # TOC (RFC 6716, 3.1): CELT wideband 20 ms, mono, three frames of their own size
    assert {(packet[0] >> 3, packet[0] >> 2 & 1) for packet in PACKETS} == {(23, 0)}


def test_preroll_frames_have_no_packet():
    assert RunEncoder(0).first_needed == 0
    encoder = RunEncoder(2)
    assert encoder.first_needed == 2 * RUN_FRAMES - PREROLL_FRAMES
    for number in range(encoder.first_needed, 2 * RUN_FRAMES):
        assert encoder.encode(number, frame(number)) is None
    assert encoder.encode(2 * RUN_FRAMES, frame(2 * RUN_FRAMES)) == PACKETS[2 * RUN_FRAMES]


def test_a_run_encoded_again_in_a_fresh_process_gives_the_same_bytes():
    again = subprocess.run(
        [sys.executable, str(Path(__file__)), "0", "1", "3"],
        check=True,
        capture_output=True,
        text=True,
    )
    assert again.stdout.split() == [digest(encode_run(run)) for run in (0, 1, 3)]


def test_the_round_trip_keeps_the_sound():
    heard = decode(PACKETS)
    assert snr_db(SESSION[:-LOOK_AHEAD].astype(float), heard[LOOK_AHEAD:]) > 14


def test_seams_between_runs_sound_like_a_running_encoder():
    source = SESSION.astype(float)
    ours, running = decode(PACKETS)[LOOK_AHEAD:], decode(encode_continuously())[LOOK_AHEAD:]
    for seam in range(RUN_FRAMES * 960, len(source), RUN_FRAMES * 960):
        for at in range(seam - 960, seam + 3 * 960, 480):
            window = slice(at, at + 480)
            if np.sqrt(np.mean(source[window] ** 2)) < 300:
                continue
            here = snr_db(source[window], ours[window])
            assert here > snr_db(source[window], running[window]) - 2.0


def test_frames_out_of_order_or_of_another_size_are_refused():
    encoder = RunEncoder(1)
    with pytest.raises(ValueError, match=r"frame 50 cannot be encoded, the next one .* is 46"):
        encoder.encode(50, frame(50))
    with pytest.raises(ValueError, match="960 samples, not 320"):
        encoder.encode(46, frame(46)[:320])
    for number in range(46, 100):
        encoder.encode(number, frame(number))
    with pytest.raises(ValueError, match="frame 100 cannot"):
        encoder.encode(100, frame(100))
    with pytest.raises(ValueError, match="no run -1"):
        RunEncoder(-1)


@pytest.mark.parametrize("packet", [b"", b"\xff" * 9, PACKETS[3][:1] + b"\xff"])
def test_what_is_no_packet_is_refused(packet: bytes):
    with pytest.raises(OpusFormatError):
        Decoder().decode(packet)


def test_runs_of_other_formats_last_as_long():
    form = DeviceFormat(24_000, 20, 32_000)
    assert (form.frame_samples, form.run_frames, form.preroll_frames) == (480, 150, 12)
    encoder = RunEncoder(1, form)
    assert encoder.first_needed == 138
    packet = None
    for number in range(138, 151):
        packet = encoder.encode(number, np.zeros(480, np.int16))
    assert packet is not None
    assert len(Decoder(24_000).decode(packet)) == 480


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"sample_rate_hz": 44_100}, "Opus has no 44100 Hz"),
        ({"frame_ms": 30}, "frames of 30 ms"),
        ({"bit_rate": 1}, "1 bit/s"),
    ],
)
def test_formats_that_opus_does_not_know_are_refused(fields: dict[str, int], message: str):
    with pytest.raises(ValueError, match=message):
        DeviceFormat(**fields)


@given(st.binary(min_size=1, max_size=300))
def test_any_bytes_decode_or_are_refused(packet: bytes):
    try:
        heard = Decoder().decode(packet)
    except OpusFormatError:
        return
    assert 0 < len(heard) <= 1920


if __name__ == "__main__":
    for number in sys.argv[1:]:
        sys.stdout.write(digest(encode_run(int(number))) + "\n")
