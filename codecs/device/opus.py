"""Opus packets for devices as a pure function of the log.

As with AAC, a run of frames has an encoder of its own, opened a few frames early, so any worker
can make any run again to the byte, given one libopus build. (It picks code by CPU features and has
no switch for that; at each of its five x86 levels 5000 packets were the same.) ::

    fed      [50r-4 .... 50r ............... 50r+50)
    dropped   |<- 4 ->|
    kept                [50r, 50r+50)     3 s of 60 ms frames
"""

from dataclasses import dataclass
from typing import Any

from ..audio.pcm import Samples, from_bytes, to_bytes
from ..libraries import opuslib

DEVICE_RATE_HZ = 16_000
DEVICE_FRAME_MS = 60

RUN_FRAMES = 50
"""Frames of 60 ms that share an encoder; runs last 3 s whatever the frame's length."""

PREROLL_FRAMES = 4
"""Frames of 60 ms fed before a run's first one; measured, seams are then no worse than a running
encoder's."""

BIT_RATE = 24_000
"""Variable, of a mean; measured on speech 23.1 kb/s, packets of 174 bytes and 180 at most."""

COMPLEXITY = 5
"""Of 10. Larger: three times the work for a little less noise."""

PRE_SKIP_SAMPLES = 312
"""Samples at 48 kHz that the encoder looks ahead, to be dropped by the player (RFC 7845, 4.2)."""

_RATES_HZ = (8_000, 12_000, 16_000, 24_000, 48_000)
_FRAMES_MS = (10, 20, 40, 60)
_BIT_RATES = (6_000, 256_000)


class OpusFormatError(ValueError):
    """Bytes that are not an Opus packet."""


@dataclass(frozen=True, slots=True)
class DeviceFormat:
    """The Opus stream that a session's devices get: mono, variable bit rate.

    Raises:
        ValueError: Opus has no such rate or frame length (RFC 6716, 2), or the bit rate is not
            between 6 and 256 kb/s.
    """

    sample_rate_hz: int = DEVICE_RATE_HZ
    frame_ms: int = DEVICE_FRAME_MS
    bit_rate: int = BIT_RATE
    """Bits a second."""

    def __post_init__(self) -> None:
        if self.sample_rate_hz not in _RATES_HZ:
            raise ValueError(f"Opus has no {self.sample_rate_hz} Hz: choose one of {_RATES_HZ}")
        if self.frame_ms not in _FRAMES_MS:
            raise ValueError(f"frames of {self.frame_ms} ms: choose one of {_FRAMES_MS}")
        if not _BIT_RATES[0] <= self.bit_rate <= _BIT_RATES[1]:
            raise ValueError(f"{self.bit_rate} bit/s: choose {_BIT_RATES[0]} to {_BIT_RATES[1]}")

    @property
    def frame_samples(self) -> int:
        """Samples of a frame, 960 by default."""
        return self.sample_rate_hz * self.frame_ms // 1000

    @property
    def run_frames(self) -> int:
        """Frames that share an encoder, 3 s of them."""
        return RUN_FRAMES * DEVICE_FRAME_MS // self.frame_ms

    @property
    def preroll_frames(self) -> int:
        """Frames fed before a run's first one, 240 ms of them."""
        return PREROLL_FRAMES * DEVICE_FRAME_MS // self.frame_ms


DEVICE = DeviceFormat()
"""What xiaozhi firmware asks for: 16 kHz, 60 ms."""

DEVICE_FRAME_SAMPLES = DEVICE.frame_samples


class RunEncoder:
    """Encode the frames of run ``run``: mono samples in, one Opus packet a frame out.

    AUDIO application (CELT at 16 kHz), complexity 5, no DTX (a device takes a missing frame for a
    lost one), no FEC (it comes over TCP).
    """

    def __init__(self, run: int, form: DeviceFormat = DEVICE) -> None:
        if run < 0:
            raise ValueError(f"there is no run {run}")
        self._form = form
        self._first = run * form.run_frames
        self._next = max(0, self._first - form.preroll_frames)
        self._opened: Any = None

    @property
    def _encoder(self) -> Any:
        # opened with the first frame, in whichever thread that is encoded: it takes a millisecond
        if self._opened is None:
            encoder = opuslib().Encoder(self._form.sample_rate_hz, 1, "audio")
            encoder.bitrate = self._form.bit_rate
            encoder.complexity = COMPLEXITY
            encoder.vbr = True
            # constrained, the default, comes out as constant at three 20 ms frames a packet
            encoder.vbr_constraint = False
            self._opened = encoder
        return self._opened

    @property
    def first_needed(self) -> int:
        """The frame that must be encoded next."""
        return self._next

    def encode(self, frame_number: int, samples: Samples) -> bytes | None:
        """Return the frame's packet; None for pre-roll frames, which only warm the encoder up.

        Raises:
            ValueError: it is not the frame ``first_needed``, not of this run, or not a frame's
                length.
        """
        size = self._form.frame_samples
        if frame_number != self._next or frame_number >= self._first + self._form.run_frames:
            raise ValueError(
                f"frame {frame_number} cannot be encoded, the next one of this run is {self._next}"
            )
        if len(samples) != size:
            raise ValueError(f"a device frame has {size} samples, not {len(samples)}")
        packet: bytes = self._encoder.encode(to_bytes(samples), size)
        self._next += 1
        return packet if frame_number >= self._first else None


class Decoder:
    """Decode the packets of one stream, in order, to mono at the rate asked for."""

    def __init__(self, sample_rate_hz: int = DEVICE_RATE_HZ) -> None:
        self._library = opuslib()
        self._decoder = self._library.Decoder(sample_rate_hz, 1)
        self._most_samples = sample_rate_hz * 120 // 1000

    def decode(self, packet: bytes) -> Samples:
        """Return the packet's samples (960 of a 60 ms packet at 16 kHz).

        Raises:
            OpusFormatError: it is not an Opus packet, or longer than 120 ms.
        """
        if not packet:
            raise OpusFormatError("an empty packet means a lost one and has no sound")
        try:
            decoded: bytes = self._decoder.decode(packet, self._most_samples)
        except self._library.OpusError as error:
            raise OpusFormatError(f"{len(packet)} bytes are not an Opus packet: {error}") from None
        return from_bytes(decoded)
