"""The reference of everything that makes AAC: PyAV's encoder alone, one for the whole sound."""

from fractions import Fraction
from typing import Any

import av
import numpy as np

from rhapsode.codecs.audio.pcm import SAMPLE_RATE_HZ
from rhapsode.codecs.hls.aac import CODER
from rhapsode.codecs.libraries import force_portable_cpu

FRAME_SAMPLES = 1024
BIT_RATE = 96_000


def encode(pcm: bytes, *, bit_rate: int = BIT_RATE) -> int:
    """Encode 48 kHz mono s16 PCM with the packer's settings; return the bytes it came to."""
    force_portable_cpu()
    encoder: Any = av.CodecContext.create("aac", "w")
    encoder.sample_rate = SAMPLE_RATE_HZ
    encoder.layout = "mono"
    encoder.format = "fltp"
    encoder.bit_rate = bit_rate
    encoder.thread_count = 1
    encoder.time_base = Fraction(1, SAMPLE_RATE_HZ)
    encoder.options = {"flags": "+bitexact", "aac_coder": CODER}
    encoder.open()
    samples = np.frombuffer(pcm, "<i2")
    size = 0
    for start in range(0, len(samples), FRAME_SAMPLES):
        piece = samples[start : start + FRAME_SAMPLES].astype(np.float32) / np.float32(32768)
        frame = av.AudioFrame.from_ndarray(piece.reshape(1, -1), format="fltp", layout="mono")
        frame.sample_rate = SAMPLE_RATE_HZ
        frame.pts = start
        frame.time_base = Fraction(1, SAMPLE_RATE_HZ)
        size += sum(packet.size for packet in encoder.encode(frame))
    return size + sum(packet.size for packet in encoder.encode(None))
