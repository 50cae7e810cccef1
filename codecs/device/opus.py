"""Opus packets for devices as a pure function of the log, and an Ogg file of what one heard.

As with AAC, a run of frames has an encoder of its own, opened a few frames early, so any worker
can make any run again to the byte, given one libopus build. (It picks code by CPU features and has
no switch for that; machines of one kind are safe.) ::

    fed      [50r-4 .... 50r ............... 50r+50)
    dropped   |<- 4 ->|
    kept                [50r, 50r+50)     3 s of 60 ms frames
"""

import struct
from collections.abc import Iterable, Sequence
from functools import cache

from ..audio.pcm import DEVICE_FRAME_SAMPLES, Samples, from_bytes, to_bytes
from ..libraries import opuslib
from ..records import DEVICE_RATE_HZ

RUN_FRAMES = 50
"""Frames of 60 ms that share an encoder."""

PREROLL_FRAMES = 4
"""Frames fed before a run's first one; measured, seams are then no worse than a running
encoder's."""

BIT_RATE = 24_000
"""Variable, of a mean; measured on speech 23.1 kb/s, packets of 174 bytes and 180 at most."""

COMPLEXITY = 5
"""Of 10. Larger: three times the work for a little less noise."""

PRE_SKIP_SAMPLES = 312
"""Samples at 48 kHz that the encoder looks ahead, to be dropped by the player (RFC 7845, 4.2)."""

_OGG_SERIAL = 1
_PACKETS_A_PAGE = 16
_SAMPLES_48K = DEVICE_FRAME_SAMPLES * 48_000 // DEVICE_RATE_HZ


class OpusFormatError(ValueError):
    """Bytes that are no Opus packet."""


class RunEncoder:
    """Encode the 60 ms frames of run ``run``: 16 kHz mono in, one Opus packet a frame out.

    AUDIO application (CELT at this rate), 24 kb/s variable, complexity 5, no DTX (a device takes a
    missing frame for a lost one), no FEC (it comes over TCP).
    """

    def __init__(self, run: int) -> None:
        if run < 0:
            raise ValueError(f"there is no run {run}")
        self._first = run * RUN_FRAMES
        self._next = max(0, self._first - PREROLL_FRAMES)
        library = opuslib()
        self._encoder = library.Encoder(DEVICE_RATE_HZ, 1, "audio")
        self._encoder.bitrate = BIT_RATE
        self._encoder.complexity = COMPLEXITY
        self._encoder.vbr = True
        # constrained, the default, comes out as constant at three 20 ms frames a packet
        self._encoder.vbr_constraint = False

    @property
    def first_needed(self) -> int:
        """The frame that must be encoded next."""
        return self._next

    def encode(self, frame_number: int, samples: Samples) -> bytes | None:
        """Return the frame's packet; None for pre-roll frames, which only warm the encoder up.

        Raises:
            ValueError: it is not the frame ``first_needed``, not of this run, or has not 960
                samples.
        """
        if frame_number != self._next or frame_number >= self._first + RUN_FRAMES:
            raise ValueError(
                f"frame {frame_number} cannot be encoded, the next one of this run is {self._next}"
            )
        if len(samples) != DEVICE_FRAME_SAMPLES:
            raise ValueError(
                f"a device frame has {DEVICE_FRAME_SAMPLES} samples, not {len(samples)}"
            )
        packet: bytes = self._encoder.encode(to_bytes(samples), DEVICE_FRAME_SAMPLES)
        self._next += 1
        return packet if frame_number >= self._first else None


class Decoder:
    """Decode the packets of one stream, in order, to 16 kHz mono."""

    def __init__(self) -> None:
        self._library = opuslib()
        self._decoder = self._library.Decoder(DEVICE_RATE_HZ, 1)

    def decode(self, packet: bytes) -> Samples:
        """Return the packet's samples (960 for ours).

        Raises:
            OpusFormatError: it is no Opus packet, or longer than 120 ms.
        """
        if not packet:
            raise OpusFormatError("an empty packet stands for a lost one and has no sound")
        try:
            decoded: bytes = self._decoder.decode(packet, DEVICE_RATE_HZ * 120 // 1000)
        except self._library.OpusError as error:
            raise OpusFormatError(f"{len(packet)} bytes are no Opus packet: {error}") from None
        return from_bytes(decoded)


def ogg_opus(packets: Sequence[bytes], samples: int | None = None) -> bytes:
    """Return the packets as an Ogg Opus file (RFC 7845), for saving what a device heard.

    ``samples`` is the length of the sound at 16 kHz, by default all of the packets; the file's
    last granule position trims what is beyond. The granule position of a page counts 48 kHz
    samples to its end, pre-skip included.

    Raises:
        ValueError: the packets do not hold that many samples.
    """
    whole = DEVICE_FRAME_SAMPLES * len(packets)
    samples = max(0, whole - PRE_SKIP_SAMPLES // 3) if samples is None else samples
    end = PRE_SKIP_SAMPLES + samples * 48_000 // DEVICE_RATE_HZ
    if not samples >= 0 or end > len(packets) * _SAMPLES_48K:
        raise ValueError(f"{len(packets)} packets do not hold {samples} samples and the pre-skip")
    head = b"OpusHead" + struct.pack("<BBHIhB", 1, 1, PRE_SKIP_SAMPLES, DEVICE_RATE_HZ, 0, 0)
    vendor = b"rhapsode"
    tags = b"OpusTags" + struct.pack("<I", len(vendor)) + vendor + struct.pack("<I", 0)
    pages = [_page(0, 0, 2, [head]), _page(1, 0, 0, [tags])]
    end = PRE_SKIP_SAMPLES + samples * 48_000 // DEVICE_RATE_HZ
    for start in range(0, len(packets), _PACKETS_A_PAGE):
        group = packets[start : start + _PACKETS_A_PAGE]
        after = start + len(group)
        last = after == len(packets)
        granule = end if last else after * _SAMPLES_48K
        pages.append(_page(len(pages), granule, 4 if last else 0, group))
    return b"".join(pages)


def _page(sequence: int, granule: int, flags: int, packets: Iterable[bytes]) -> bytes:
    """Return an Ogg page of whole packets (RFC 3533, 6); flags: 2 first page, 4 last."""
    lacing = bytearray()
    for packet in packets:
        # 255 means that the packet goes on, so a multiple of 255 ends with a 0
        lacing += b"\xff" * (len(packet) // 255) + bytes((len(packet) % 255,))
    if len(lacing) > 255:
        raise ValueError(f"{len(lacing)} lacing values do not fit a page: packets are too large")
    header = struct.pack("<4sBBQIII", b"OggS", 0, flags, granule, _OGG_SERIAL, sequence, 0)
    page = bytearray(header + bytes((len(lacing),)) + lacing + b"".join(packets))
    page[22:26] = struct.pack("<I", _checksum(page))
    return bytes(page)


@cache
def _checksum_table() -> tuple[int, ...]:
    table: list[int] = []
    for value in range(256):
        remainder = value << 24
        for _ in range(8):
            remainder = remainder << 1 ^ (0x04C11DB7 if remainder & 0x80000000 else 0)
        table.append(remainder & 0xFFFFFFFF)
    return tuple(table)


def _checksum(page: bytes | bytearray) -> int:
    """Return Ogg's CRC: polynomial 0x04c11db7, not reflected, from 0 (RFC 3533, 6, field 7)."""
    table = _checksum_table()
    remainder = 0
    for byte in page:
        remainder = (remainder << 8 & 0xFFFFFFFF) ^ table[remainder >> 24 ^ byte]
    return remainder
