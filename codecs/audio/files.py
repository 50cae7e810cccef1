"""Short audio files as bytes: decoding what others made, and writing WAV."""

import io
import wave

import av
import numpy as np
from av.audio.resampler import AudioResampler
from av.error import FFmpegError
from numpy.typing import NDArray

MAX_SECONDS = 120.0
MAX_BYTES = 64 * 1024 * 1024
"""More than two minutes of any of the formats, but for many channels at studio rates."""

SOURCE_RATES_HZ = (4_000, 192_000)
"""Lowest and highest sample rate that is decoded."""

OPEN_OPTIONS = {"format_whitelist": "mp3,wav,flac,ogg,aac,mov,mp4,m4a"}
"""FFmpeg would also take playlists, which name other files to be read."""


class AudioFormatError(ValueError):
    """A file that is not audio, of a format that is not taken, or out of bounds."""


def decode(data: bytes, *, max_seconds: float = MAX_SECONDS) -> tuple[NDArray[np.int16], int]:
    """Decode MP3, WAV, FLAC, Ogg, AAC or M4A bytes; return int16 mono samples and their rate in Hz.

    Nothing but the bytes is read. A file that was cut short gives what is left of it. For long
    files there is ``decoding.PieceDecoder``.

    Raises:
        AudioFormatError: the bytes are no such audio, or more than ``max_seconds`` of it.
    """
    if len(data) > MAX_BYTES:
        raise AudioFormatError(f"an audio file of {len(data)} bytes is over {MAX_BYTES}")
    try:
        pieces, rate_hz = _decoded(data, max_seconds)
    except (FFmpegError, ValueError, IndexError) as error:
        if isinstance(error, AudioFormatError):
            raise
        raise AudioFormatError(f"the bytes are not an audio file: {error}") from None
    if not any(len(piece) for piece in pieces):
        raise AudioFormatError("the audio file is empty")
    return np.concatenate(pieces), rate_hz


def _decoded(data: bytes, max_seconds: float) -> tuple[list[NDArray[np.int16]], int]:
    pieces: list[NDArray[np.int16]] = []
    rate_hz = 0
    samples_left = 0.0
    # tags in Latin-1 are common, and no reason to refuse the sound
    with av.open(
        io.BytesIO(data), mode="r", options=OPEN_OPTIONS, metadata_errors="replace"
    ) as container:
        if not container.streams.audio:
            raise AudioFormatError("there is no audio in the file")
        resampler = AudioResampler(format="s16", layout="mono")
        for frame in container.decode(container.streams.audio[0]):
            if not pieces:
                rate_hz = frame.sample_rate
                samples_left = max_seconds * rate_hz
                if not SOURCE_RATES_HZ[0] <= rate_hz <= SOURCE_RATES_HZ[1]:
                    raise AudioFormatError(f"{rate_hz} Hz is not between 4000 and 192000")
            samples_left -= frame.samples
            if samples_left < 0:
                raise AudioFormatError(f"the audio is longer than {max_seconds:.0f} s")
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
