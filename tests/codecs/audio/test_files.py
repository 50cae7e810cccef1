"""Audio files: every format comes back as it went in, and hostile bytes stay bytes."""

import io

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sample_audio import film

from rhapsode.codecs.audio.files import MAX_BYTES, AudioFormatError, decode, wav


def tone(rate_hz: int, seconds: float = 1.0) -> np.ndarray:
    times_s = np.arange(round(rate_hz * seconds)) / rate_hz
    return (8_000 * np.sin(2 * np.pi * 440 * times_s)).astype(np.int16)


def encoded(samples: np.ndarray, rate_hz: int, container: str, codec: str, layout="mono") -> bytes:
    file = io.BytesIO()
    channels = {"mono": 1, "stereo": 2, "5.1": 6}[layout]
    with av.open(file, "w", format=container) as output:
        stream = output.add_stream(codec, rate=rate_hz, layout=layout)
        assert isinstance(stream, av.AudioStream)
        frame = av.AudioFrame.from_ndarray(
            np.repeat(samples, channels)[np.newaxis, :], format="s16", layout=layout
        )
        frame.sample_rate = rate_hz
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            output.mux(packet)
    return file.getvalue()


def pitch_hz(samples: np.ndarray, rate_hz: int) -> float:
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return float(np.argmax(spectrum) * rate_hz / len(samples))


@pytest.mark.parametrize("layout", ["mono", "stereo"])
@pytest.mark.parametrize(
    ("container", "codec", "rate_hz"),
    [
        ("mp3", "libmp3lame", 24_000),
        ("flac", "flac", 44_100),
        ("ogg", "libopus", 48_000),
        ("adts", "aac", 48_000),
        ("ipod", "aac", 44_100),
        ("wav", "pcm_s16le", 22_050),
    ],
)
def test_every_format_is_decoded_to_mono_at_its_rate(container, codec, rate_hz, layout):
    samples, rate = decode(encoded(tone(rate_hz), rate_hz, container, codec, layout))
    assert rate == rate_hz
    assert samples.dtype == np.int16
    assert len(samples) == pytest.approx(rate_hz, rel=0.08)
    assert pitch_hz(samples, rate) == pytest.approx(440, abs=5)
    middle = samples[rate // 4 : rate // 2].astype(float)
    assert np.sqrt(np.mean(middle**2)) == pytest.approx(8_000 / np.sqrt(2), rel=0.1)


@given(st.binary(max_size=400).map(lambda pcm: pcm[: len(pcm) // 2 * 2]).filter(bool))
def test_wav_comes_back_to_the_bit(pcm):
    samples = np.frombuffer(pcm, "<i2").astype(np.int16)
    assert wav(samples, 16_000) == wav(pcm, 16_000)
    back, rate_hz = decode(wav(samples, 16_000))
    assert rate_hz == 16_000
    assert np.array_equal(back, samples)


def test_wav_is_a_44_byte_header_and_the_samples():
    golden = "52494646 28000000 57415645 666d7420 10000000 0100 0100 80bb0000 00770100 0200 1000"
    assert wav(b"\x01\x00\xff\xff", 48_000) == bytes.fromhex(golden + "64617461 04000000 0100ffff")


def test_audio_that_is_longer_than_allowed_is_refused():
    data = encoded(tone(24_000, 3), 24_000, "mp3", "libmp3lame")
    assert len(decode(data, max_seconds=4)[0]) > 0
    with pytest.raises(AudioFormatError, match="longer than 2 s"):
        decode(data, max_seconds=2)


def test_a_file_that_was_cut_short_gives_what_is_left():
    data = encoded(tone(24_000, 3), 24_000, "mp3", "libmp3lame")
    samples, rate_hz = decode(data[: len(data) // 2])
    assert len(samples) == pytest.approx(1.5 * rate_hz, rel=0.1)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"no audio at all" * 100,
        b"\xff\xfb" * 10,
        wav(b"", 48_000),
        wav(b"\1\0" * 100, 1),
        b"\x89PNG\r\n\x1a\n" + bytes(100),
        bytes(1000),
    ],
    ids=["nothing", "text", "headers only", "empty", "1 Hz", "picture", "zeros"],
)
def test_what_is_no_audio_is_refused(data):
    with pytest.raises(AudioFormatError):
        decode(data)


@pytest.mark.parametrize(
    "playlist",
    [
        "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{path}\n#EXT-X-ENDLIST\n",
        "ffconcat version 1.0\nfile '{path}'\n",
        "<?xml version='1.0'?><MPD><BaseURL>{path}</BaseURL></MPD>",
    ],
)
def test_a_playlist_reads_no_file(tmp_path, playlist):
    other = tmp_path / "other.wav"
    other.write_bytes(wav(tone(24_000), 24_000))
    with pytest.raises(AudioFormatError):
        decode(playlist.format(path=other).encode())


def test_a_film_without_sound_is_refused():
    with pytest.raises(AudioFormatError, match="no audio in the file"):
        decode(film())


def test_too_many_bytes_are_refused_unread():
    with pytest.raises(AudioFormatError, match="bytes is over"):
        decode(bytes(MAX_BYTES + 1))


@given(st.data())
def test_damage_anywhere_is_survived(data):
    whole = bytearray(WHOLE[data.draw(st.sampled_from(sorted(WHOLE)))])
    for _ in range(data.draw(st.integers(1, 20))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    try:
        samples, rate_hz = decode(bytes(whole), max_seconds=30)
    except AudioFormatError:
        return
    assert 0 < len(samples) <= 30 * rate_hz


WHOLE = {
    "mp3": encoded(tone(24_000, 0.3), 24_000, "mp3", "libmp3lame"),
    "flac": encoded(tone(24_000, 0.3), 24_000, "flac", "flac"),
    "m4a": encoded(tone(24_000, 0.3), 24_000, "ipod", "aac"),
    "ogg": encoded(tone(24_000, 0.3), 24_000, "ogg", "libopus"),
    "wav": wav(tone(24_000, 0.3), 24_000),
}
