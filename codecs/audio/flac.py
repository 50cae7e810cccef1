"""PCM without loss in about half of its size: FLAC (RFC 9639)."""

import io

import av
import numpy as np

FLAC_RATE_HZ = 48_000
"""Written into every file, and of no meaning: whoever has the samples knows their rate."""


def to_flac(pcm: bytes, channels: int) -> bytes:
    """Return interleaved 16-bit samples, of one or two channels, as a FLAC file."""
    if not pcm:
        return b""
    file = io.BytesIO()
    layout = "stereo" if channels == 2 else "mono"
    with av.open(file, "w", format="flac", options={"metadata_header_padding": "0"}) as container:
        stream = container.add_stream("flac", rate=FLAC_RATE_HZ)
        stream.codec_context.format = "s16"
        stream.codec_context.layout = layout
        stream.codec_context.open()
        samples = np.frombuffer(pcm, "<i2").reshape(1, -1)
        step = (stream.codec_context.frame_size or 4_096) * channels
        for at in range(0, samples.shape[1], step):
            frame = av.AudioFrame.from_ndarray(
                np.ascontiguousarray(samples[:, at : at + step]), format="s16", layout=layout
            )
            frame.sample_rate = FLAC_RATE_HZ
            frame.pts = at // channels
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return file.getvalue()


def from_flac(data: bytes) -> bytes:
    """Return a FLAC file's interleaved 16-bit samples.

    Raises:
        FFmpegError, ValueError: the bytes are no FLAC file.
    """
    if not data:
        return b""
    with av.open(io.BytesIO(data), "r", format="flac") as container:
        return b"".join(
            frame.to_ndarray().astype("<i2").tobytes()
            for frame in container.decode(container.streams.audio[0])
        )
