"""Real speech for stand-in services: espeak-ng at 24 kHz, encoded as services send it."""

import io

import av
import numpy as np
from numpy.typing import NDArray

from rhapsode.agents.voices.espeak_library import espeak_library
from rhapsode.codecs.audio import pcm
from rhapsode.codecs.audio.files import wav

RATE_HZ = 24_000


def speech(text: str, language: str = "en", words_per_minute: int = 175) -> NDArray[np.int16]:
    """Return speech at 24 kHz."""
    library = espeak_library()
    voice = library.language(language) or "en-us"
    samples, _ = library.speak(text, voice, words_per_minute)
    return pcm.resample(samples, library.rate_hz, RATE_HZ)


def mp3(samples: NDArray[np.int16]) -> bytes:
    """Return 24 kHz samples as MP3, 64 kbit/s mono without a Xing header, as Google's is."""
    file = io.BytesIO()
    with av.open(file, "w", format="mp3", options={"write_xing": "0", "id3v2_version": "0"}) as out:
        stream = out.add_stream("libmp3lame", rate=RATE_HZ, layout="mono")
        assert isinstance(stream, av.AudioStream)
        stream.bit_rate = 64_000
        frame = av.AudioFrame.from_ndarray(samples[np.newaxis, :], format="s16", layout="mono")
        frame.sample_rate = RATE_HZ
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            out.mux(packet)
    return file.getvalue()


def encoded(samples: NDArray[np.int16], container: str) -> tuple[bytes, str]:
    """Return samples as ``pcm``, ``wav`` or ``mp3``, with the content type."""
    if container == "pcm":
        return pcm.to_bytes(samples), "audio/pcm"
    if container == "wav":
        return wav(samples, RATE_HZ), "audio/wav"
    return mp3(samples), "audio/mpeg"
