"""Long files, piece by piece: what comes out, and from where one resumes."""

import hashlib
import io
import os
import struct
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import sample_audio
from hypothesis import given, settings
from hypothesis import strategies as st
from sample_audio import FORMATS, decoded, encoded, encoded_as, sample_file, sweep

from rhapsode.codecs.audio.decoding import PieceDecoder
from rhapsode.codecs.audio.files import decode, wav

# what FFmpeg has no encoder for
_UNKNOWN = {("mp3", "5.1"), ("ogg vorbis", "mono"), ("ogg vorbis", "5.1")}
_FILES = [
    (name, layout)
    for name in FORMATS
    for layout in ("mono", "stereo", "5.1")
    if (name, layout) not in _UNKNOWN
]


@pytest.mark.parametrize(("name", "layout"), _FILES)
def test_every_format_keeps_its_length_level_and_sound(name: str, layout: str):
    heard = decoded(sample_file(name, layout=layout)).astype(float)
    # ADTS does not tell the encoder's padding, FFmpeg's M4A and Vorbis not that at the end
    padded = FORMATS[name][1] in ("aac", "vorbis")
    assert 96_000 <= len(heard) <= 96_000 + (4 * 2048 if padded else 0)
    source = sweep(48_000, 2.0).astype(float)[5_000:91_000]
    delays = range(-50, 3_000) if name == "aac" else range(-3, 4)
    windows = ((heard[5_000 + d : 91_000 + d], d) for d in delays)
    error, _ = min((float(np.std(window - source)), d) for window, d in windows)
    assert error < 0.09 * np.std(source)


def test_loud_stereo_is_mixed_down_without_clipping():
    rate_hz = FORMATS["flac"][2]
    loud = (32_767 * np.sign(sweep(rate_hz, 1.0))).astype(np.int16)
    data = encoded("wav", loud, "stereo")
    mono = encoded("wav", loud)
    assert np.array_equal(decoded(data), decoded(mono))


def test_channels_that_differ_are_weighed_by_their_position():
    t = np.arange(48_000)
    channels = [np.zeros(48_000) for _ in range(6)]
    channels[2] = 8_000 * np.sin(t * 0.05)  # FC
    channels[3] = 9_000 * np.sin(t * 0.09)  # LFE, which is left out
    frame = av.AudioFrame.from_ndarray(
        np.stack(channels, axis=1).astype(np.int16).reshape(1, -1), format="s16", layout="5.1"
    )
    frame.sample_rate = 48_000
    file = io.BytesIO()
    with av.open(file, "w", format="wav") as container:
        stream = container.add_stream("pcm_s16le", rate=48_000, layout="5.1")
        container.mux(stream.encode(frame))
    heard = decoded(file.getvalue()).astype(float)
    expected = channels[2].astype(np.int16) / (1 + 2 * 0.70710678 + 2 * 0.5)
    assert np.max(np.abs(heard - expected)) <= 1


def test_samples_at_the_wanted_rate_come_back_to_the_bit():
    samples = sweep(48_000, 1.0)
    assert np.array_equal(decoded(wav(samples, 48_000)), samples)


def test_another_rate_can_be_wanted():
    with PieceDecoder(io.BytesIO(sample_file("mp3")), 16_000) as decoder:
        assert sum(map(len, decoder.pieces(960))) == 32_000


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(list(FORMATS)), st.integers(0, 97_000), st.integers(100, 30_000))
def test_resuming_anywhere_continues_to_the_bit(name: str, skip: int, piece: int):
    data = sample_file(name, layout="stereo")
    assert np.array_equal(decoded(data, piece, skip), decoded(data)[skip:])


def test_skipping_beyond_the_end_leaves_nothing():
    assert len(decoded(sample_file("mp3"), skip=10**7)) == 0


def in_another_process(*arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, str(Path(__file__)), *arguments],
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(sample_audio.__file__).parent)},
    )
    return done.stdout


def test_another_process_decodes_the_same_samples():
    assert in_another_process() == digests()


def test_title_and_length_are_told():
    for name in ("mp3", "flac", "m4a", "ogg opus"):
        data = encoded(name, sweep(FORMATS[name][2], 2.0), "stereo", title="  A\nMill " + "x" * 300)
        with PieceDecoder(io.BytesIO(data)) as decoder:
            assert decoder.title == ("A Mill " + "x" * 300)[:200]
            assert decoder.duration_s == pytest.approx(2.0, abs=0.1)
    with PieceDecoder(io.BytesIO(sample_file("wav"))) as decoder:
        assert decoder.title == ""


def test_a_title_that_is_not_utf_8_is_no_reason_to_refuse():
    plain = wav(sweep(48_000, 0.5), 48_000)
    tag = b"LIST" + struct.pack("<I", 16) + b"INFOINAM" + struct.pack("<I", 4) + b"caf\xe9"
    body = plain[8:36] + tag + plain[36:]
    data = b"RIFF" + struct.pack("<I", len(body)) + body
    with PieceDecoder(io.BytesIO(data)) as decoder:
        assert decoder.title == "caf\ufffd"
    assert np.array_equal(decoded(data), decoded(plain))
    assert np.array_equal(decode(data)[0], decode(plain)[0])


def test_samples_that_are_no_numbers_are_silence():
    samples = np.array([np.nan, np.inf, -np.inf, 1e30, 0.5] * 1000, np.float32)
    header = wav(samples.tobytes(), 48_000)
    # format 3, 32 bits a sample (RIFF MCI, 3-34)
    fields = struct.pack("<HHIIHH", 3, 1, 48_000, 192_000, 4, 32)
    heard = decoded(header[:20] + fields + header[36:])
    assert list(heard[:5]) == [0, 32_767, -32_768, 32_767, 16_384]


def test_what_is_asked_wrongly_is_refused():
    data = sample_file("wav")
    with pytest.raises(ValueError, match="2 channels"):
        PieceDecoder(io.BytesIO(data), channels=2)
    decoder = PieceDecoder(io.BytesIO(data))
    with pytest.raises(ValueError, match="pieces of 0"):
        next(decoder.pieces(0))
    with pytest.raises(ValueError, match="cannot skip -1"):
        next(decoder.pieces(1, -1))
    assert len(next(decoder.pieces(100))) == 100
    with pytest.raises(ValueError, match="once"):
        next(decoder.pieces(100))


def test_joined_files_of_two_rates_are_one_sound():
    one = sample_file("aac", 2.0)
    other = encoded_as("adts", "aac", 48_000, sweep(48_000, 2.0))
    assert len(decoded(one + other)) == pytest.approx(4.0 * 48_000, rel=0.05)


def test_memory_stays_flat_over_half_an_hour(tmp_path: Path):
    for name in ("mp3", "m4a"):
        path = tmp_path / "long"
        write_long(path, name, minutes=30)
        seconds, grown_kb = map(float, in_another_process(str(path)).split())
        assert seconds == pytest.approx(30 * 60, rel=0.01)
        assert grown_kb < 8_000  # the samples are 172,800


def write_long(path: Path, name: str, minutes: int) -> None:
    container_name, codec, _ = FORMATS[name]
    with av.open(str(path), "w", format=container_name) as container:
        stream = container.add_stream(codec, rate=16_000, layout="mono")
        assert isinstance(stream, av.AudioStream)
        frame = av.AudioFrame.from_ndarray(
            sweep(16_000, 60.0)[np.newaxis, :], format="s16", layout="mono"
        )
        frame.sample_rate = 16_000
        packets = [bytes(packet) for packet in [*stream.encode(frame), *stream.encode(None)]]
        length = 16_000 * 60 // len(packets)
        for number, data in enumerate(packets * minutes):  # encoded once, for speed
            packet = av.Packet(data)
            packet.stream = stream
            packet.time_base = Fraction(1, 16_000)
            packet.pts = packet.dts = number * length
            packet.duration = length
            container.mux(packet)


def growth(path: Path) -> str:
    """Decode a file; return its seconds and by how many KB the peak grew after the first minute."""
    from resource import RUSAGE_SELF, getrusage

    with path.open("rb") as file, PieceDecoder(file) as decoder:
        samples = peak_kb = 0
        for piece in decoder.pieces(48_000):
            samples += len(piece)
            if samples == 60 * 48_000:
                peak_kb = getrusage(RUSAGE_SELF).ru_maxrss
    return f"{samples / 48_000} {getrusage(RUSAGE_SELF).ru_maxrss - peak_kb}"


def digests() -> str:
    heard = [decoded(sample_file(name, layout="stereo")).tobytes() for name in FORMATS]
    return " ".join(hashlib.sha256(samples).hexdigest() for samples in heard)


if __name__ == "__main__":
    sys.stdout.write(growth(Path(sys.argv[1])) if len(sys.argv) > 1 else digests())
