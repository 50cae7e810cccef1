"""Audio files for tests, made by FFmpeg: one sound in every format, and how it is decoded."""

import io
import tempfile
from fractions import Fraction
from functools import cache
from pathlib import Path

import av
import numpy as np

from rhapsode.codecs.audio.decoding import PieceDecoder

CHANNELS = {"mono": 1, "stereo": 2, "5.1": 6}
FORMATS = {
    "wav": ("wav", "pcm_s16le", 22_050),
    "wav, 24 bit": ("wav", "pcm_s24le", 48_000),
    "wav, float": ("wav", "pcm_f32le", 96_000),
    "wav, 8 bit": ("wav", "pcm_u8", 8_000),
    "mp3": ("mp3", "libmp3lame", 44_100),
    "flac": ("flac", "flac", 44_100),
    "ogg opus": ("ogg", "libopus", 48_000),
    "ogg vorbis": ("ogg", "vorbis", 44_100),
    "aac": ("adts", "aac", 32_000),
    "m4a": ("ipod", "aac", 24_000),
    "m4a, lossless": ("ipod", "alac", 44_100),
}


def sweep(rate_hz: int, seconds: float) -> np.ndarray:
    t = np.arange(round(rate_hz * seconds)) / rate_hz
    return (8_000 * np.sin(2 * np.pi * (300 * t + 40 * t * t))).astype(np.int16)


def encoded(name: str, samples: np.ndarray, layout: str = "mono", title: str = "") -> bytes:
    """Encode the same samples in every channel."""
    return encoded_as(*FORMATS[name], samples, layout, title)


def encoded_as(
    container_name: str,
    codec: str,
    rate_hz: int,
    samples: np.ndarray,
    layout: str = "mono",
    title: str = "",
) -> bytes:
    file = io.BytesIO()
    with av.open(file, "w", format=container_name) as container:
        stream = container.add_stream(codec, rate=rate_hz, options={"strict": "-2"})
        assert isinstance(stream, av.AudioStream)
        stream.codec_context.layout = layout
        if title:
            container.metadata["title"] = title
        frame = av.AudioFrame.from_ndarray(
            np.repeat(samples, CHANNELS[layout])[np.newaxis, :], format="s16", layout=layout
        )
        frame.sample_rate = rate_hz
        frame.pts = 0  # else the container cannot tell the encoder's padding
        frame.time_base = Fraction(1, rate_hz)
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            container.mux(packet)
    return file.getvalue()


@cache
def sample_file(name: str, seconds: float = 2.0, layout: str = "mono") -> bytes:
    return encoded(name, sweep(FORMATS[name][2], seconds), layout)


def moved_to_the_front(data: bytes, flags: str = "empty_moov") -> bytes:
    """Return an M4A with its index before its sound, as streaming needs it."""
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "moved.m4a"  # FFmpeg reopens it to move the index
        with (
            av.open(io.BytesIO(data), "r") as source,
            av.open(str(target), "w", format="ipod", options={"movflags": flags}) as to,
        ):
            stream = to.add_stream_from_template(source.streams.audio[0])
            packets = source.demux(audio=0)
            for packet in packets:
                if packet.size:
                    packet.stream = stream
                    to.mux(packet)
        return target.read_bytes()


def decoded(
    data: bytes, piece: int = 10_000, skip: int = 0, max_seconds: float = 60.0
) -> np.ndarray:
    with PieceDecoder(io.BytesIO(data), max_seconds=max_seconds) as decoder:
        pieces = list(decoder.pieces(piece, skip))
    assert all(len(samples) == piece for samples in pieces[:-1])
    assert all(0 < len(samples) <= piece and samples.dtype == np.int16 for samples in pieces)
    return np.concatenate(pieces) if pieces else np.zeros(0, np.int16)


def film() -> bytes:
    """Return an MP4 with a picture and no sound."""
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as container:
        stream = container.add_stream("mpeg4", rate=10)
        assert isinstance(stream, av.VideoStream)
        stream.width = stream.height = 64
        stream.pix_fmt = "yuv420p"
        frame = av.VideoFrame(64, 64, "yuv420p")
        container.mux([*stream.encode(frame), *stream.encode(None)])
    return file.getvalue()
