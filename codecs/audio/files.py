"""Audio files as bytes: decoding what others made, and writing WAV."""

import io
import wave

import av
import numpy as np
from av.audio.resampler import AudioResampler
from av.error import FFmpegError
from numpy.typing import NDArray

from ..encoding import MalformedError

MAX_SECONDS = 120.0
MAX_BYTES = 64 * 1024 * 1024
"""More than two minutes of any of the formats, but for many channels at studio rates."""
_RATES_HZ = (4_000, 192_000)
_FORMATS = {"format_whitelist": "mp3,wav,flac,ogg,aac,mov,mp4,m4a"}
"""FFmpeg would also take playlists, which name other files to be read."""


def decode(data: bytes, *, max_seconds: float = MAX_SECONDS) -> tuple[NDArray[np.int16], int]:
    """Decode MP3, WAV, FLAC, Ogg, AAC or M4A bytes; return int16 mono samples and their rate in Hz.

    Nothing but the bytes is read. A file that was cut short gives what is left of it.

    Raises:
        MalformedError: the bytes are no such audio, or more than ``max_seconds`` of it.
    """
    if len(data) > MAX_BYTES:
        raise MalformedError(f"an audio file of {len(data)} bytes is over {MAX_BYTES}")
    try:
        pieces, rate_hz = _decoded(data, max_seconds)
    except (FFmpegError, ValueError, IndexError) as error:
        if isinstance(error, MalformedError):
            raise
        raise MalformedError(f"the bytes are no audio file: {error}") from None
    if not any(len(piece) for piece in pieces):
        raise MalformedError("the audio file is empty")
    return np.concatenate(pieces), rate_hz


def _decoded(data: bytes, max_seconds: float) -> tuple[list[NDArray[np.int16]], int]:
    pieces: list[NDArray[np.int16]] = []
    rate_hz = 0
    left = 0.0
    with av.open(io.BytesIO(data), mode="r", options=_FORMATS) as container:
        if not container.streams.audio:
            raise MalformedError("there is no audio in the file")
        resampler = AudioResampler(format="s16", layout="mono")
        for frame in container.decode(container.streams.audio[0]):
            if not pieces:
                rate_hz = frame.sample_rate
                left = max_seconds * rate_hz
                if not _RATES_HZ[0] <= rate_hz <= _RATES_HZ[1]:
                    raise MalformedError(f"{rate_hz} Hz is not between 4000 and 192000")
            left -= frame.samples
            if left < 0:
                raise MalformedError(f"the audio is longer than {max_seconds:.0f} s")
            pieces += [
                mono.to_ndarray().reshape(-1).astype(np.int16) for mono in resampler.resample(frame)
            ]
    return pieces, rate_hz


def wav(samples: NDArray[np.int16] | bytes, rate_hz: int) -> bytes:
    """Return int16 mono samples, or the bytes of such, as a WAV file."""
    pcm = samples if isinstance(samples, bytes) else samples.astype("<i2").tobytes()
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(rate_hz)
        writer.writeframes(pcm)
    return file.getvalue()
