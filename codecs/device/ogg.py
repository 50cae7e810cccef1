"""An Ogg Opus file of what a device heard."""

import io
from collections.abc import Sequence
from fractions import Fraction

import av

from .opus import DEVICE, PRE_SKIP_SAMPLES, DeviceFormat

_CLOCK_HZ = 48_000
"""Granule positions count samples at 48 kHz, whatever was encoded (RFC 7845, 4)."""

_BIT_EXACT = {"fflags": "+bitexact", "serial_offset": "1"}
"""Else the muxer writes its version and a random serial number."""


def ogg_opus(
    packets: Sequence[bytes], samples: int | None = None, form: DeviceFormat = DEVICE
) -> bytes:
    """Return the packets as an Ogg Opus file (RFC 7845).

    ``samples`` is the length of the sound at the format's rate, by default all that the packets
    hold; the last granule position trims what is beyond. FFmpeg's muxer, through PyAV, is exact to
    the sample where it is given what an encoder knows: packet times from ``-PRE_SKIP_SAMPLES`` on,
    and a shortened last packet (measured: 1 to 150 packets, with and without a trimmed end, all of
    the length asked for, 3000 packets in 8 ms). Without those it is up to a frame too long.

    Raises:
        ValueError: the packets do not hold that many samples.
    """
    frame = _CLOCK_HZ * form.frame_ms // 1000
    whole = len(packets) * frame - PRE_SKIP_SAMPLES
    end = whole if samples is None else samples * _CLOCK_HZ // form.sample_rate_hz
    if not 0 < end <= whole:
        raise ValueError(f"{len(packets)} packets do not hold {samples} samples and the pre-skip")
    file = io.BytesIO()
    with av.open(file, "w", format="ogg", container_options=_BIT_EXACT) as container:
        # this encoder encodes nothing: it is what writes OpusHead
        stream = container.add_stream(
            "libopus",
            rate=form.sample_rate_hz,
            layout="mono",
            options={"frame_duration": str(form.frame_ms), "application": "audio"},
        )
        for start, data in zip(range(-PRE_SKIP_SAMPLES, end, frame), packets, strict=False):
            packet = av.Packet(data)
            packet.stream = stream
            packet.time_base = Fraction(1, _CLOCK_HZ)
            packet.pts = packet.dts = start
            packet.duration = min(frame, end - start)
            container.mux(packet)
    return file.getvalue()
