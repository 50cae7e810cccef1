"""Audio files as bytes: decoding what others made, and writing WAV."""

import io
import wave

import av
import numpy as np
from numpy.typing import NDArray

from .wire import MalformedError

MAX_SECONDS = 120.0


def decode(data: bytes, *, max_seconds: float = MAX_SECONDS) -> tuple[NDArray[np.int16], int]:
    """Decode MP3, WAV, FLAC, Ogg, AAC or M4A bytes to int16 mono; return samples and their rate.

    Raises:
        MalformedError: the bytes are no audio, or more than ``max_seconds`` of it.
    """
    pieces: list[NDArray[np.int16]] = []
    rate_hz = 0
    total = 0
    try:
        with av.open(io.BytesIO(data), mode="r") as container:
            if not container.streams.audio:
                raise MalformedError("there is no audio in the file")
            resampler = av.AudioResampler(format="s16", layout="mono")
            for frame in container.decode(audio=0):
                rate_hz = frame.sample_rate
                for mono in resampler.resample(frame):
                    piece = np.asarray(mono.to_ndarray(), np.int16).reshape(-1)
                    total += len(piece)
                    pieces.append(piece)
                if total > max_seconds * rate_hz:
                    raise MalformedError(f"the audio is longer than {max_seconds:.0f} s")
    except (av.FFmpegError, ValueError, IndexError) as error:
        if isinstance(error, MalformedError):
            raise
        raise MalformedError(f"the bytes are no audio file: {error}") from None
    if not total:
        raise MalformedError("the audio file is empty")
    return np.concatenate(pieces), rate_hz


def wav(samples: NDArray[np.int16] | bytes, rate_hz: int) -> bytes:
    """Return 16-bit mono samples as a WAV file."""
    pcm = samples if isinstance(samples, bytes) else samples.astype("<i2").tobytes()
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(rate_hz)
        writer.writeframes(pcm)
    return file.getvalue()
