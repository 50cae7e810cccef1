"""Fragmented MP4 (CMAF) for one mono AAC-LC track: the init segment and media segments.

Both are pure functions of what they hold. The encoder's priming packet is in segment 0 and an
edit list skips it, so decode times of all other segments are one frame later than their sound::

    init     ftyp
             moov(mvhd trak(tkhd edts(elst) mdia(mdhd hdlr minf(smhd dinf(dref) stbl))) mvex(trex))
    segment  styp
             moof(mfhd traf(tfhd tfdt trun))
             mdat
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

from ..audio.pcm import SAMPLE_RATE_HZ
from .boxes import Box, BoxError, box, find_boxes, full_box, parse_boxes
from .grid import AAC_FRAME_SAMPLES, AAC_RATES_HZ

PRIMING_SAMPLES = AAC_FRAME_SAMPLES
"""Samples FFmpeg's AAC encoder puts in front of the sound; the edit list skips them."""

PARTS_A_SEGMENT = 64
"""Sequence numbers set aside for each segment, so that parts could be numbered too."""

TRACK_ID = 1

_SEGMENT_BRANDS = b"cmfs" + bytes(4) + b"cmfscmffcmfliso6"
_MATRIX = struct.pack(">9I", 0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)
_LANGUAGE = 0x55C4  # "und", 5 bits a letter
_TFHD_FLAGS = 0x020028  # default-base-is-moof, default duration and flags (14496-12, 8.8.7.1)
_TRUN_FLAGS = 0x201  # data offset and sizes (8.8.8.1)
_SYNC_SAMPLE = 0x02000000  # sample_depends_on = 2: every AAC frame is one (14496-12, 8.8.3.1)


def audio_specific_config(rate_hz: int = SAMPLE_RATE_HZ, channels: int = 1) -> bytes:
    """Return the two bytes that configure an AAC-LC decoder (ISO/IEC 14496-3, 1.6.2.1).

    5 bits object type (2, LC), 4 bits rate index, 4 bits channels, 3 zero bits (1024-sample
    frames, no core coder, no extension).

    Raises:
        ValueError: the rate has no index, or there are not 1 to 6 channels.
    """
    if rate_hz not in AAC_RATES_HZ:
        raise ValueError(f"AAC has no index for {rate_hz} Hz; it knows {AAC_RATES_HZ}")
    if not 1 <= channels <= 6:
        raise ValueError(f"AAC-LC here has 1 to 6 channels, not {channels}")
    return struct.pack(">H", 2 << 11 | AAC_RATES_HZ.index(rate_hz) << 7 | channels << 3)


def init_segment(rate_hz: int = SAMPLE_RATE_HZ, asc: bytes | None = None) -> bytes:
    """Return ``ftyp`` and ``moov`` for a mono track; every playlist's EXT-X-MAP.

    ``asc`` is the AudioSpecificConfig, computed from the rate by default. Brands and the empty
    sample tables are those of a CMAF header (ISO/IEC 23000-19, 7.3.1).
    """
    asc = audio_specific_config(rate_hz) if asc is None else asc
    return box(b"ftyp", b"cmfc", struct.pack(">I", 0), b"iso6cmfccmfamp41") + box(
        b"moov",
        full_box(
            b"mvhd",
            0,
            0,
            # created, modified, timescale, duration, rate 1.0, volume 1.0, reserved
            struct.pack(">IIIIIHHII", 0, 0, rate_hz, 0, 0x10000, 0x100, 0, 0, 0),
            _MATRIX,
            bytes(24),
            struct.pack(">I", TRACK_ID + 1),
        ),
        _track(rate_hz, asc),
        box(
            b"mvex",
            full_box(b"trex", 0, 0, struct.pack(">IIIII", TRACK_ID, 1, AAC_FRAME_SAMPLES, 0, 0)),
        ),
    )


def media_segment(number: int, first_frame: int, packets: Sequence[bytes]) -> bytes:
    """Return segment ``number``, whose sound begins with AAC frame ``first_frame``.

    Segment 0 carries the priming packet in front, at decode time 0; later ones begin at
    ``(first_frame + 1) * 1024``, where the one before ends.

    Raises:
        ValueError: there is no packet, or number and frame do not go together.
    """
    if not packets:
        raise ValueError(f"segment {number} has no packets: list no empty segment")
    if number < 0 or (number == 0) != (first_frame == 0):
        raise ValueError(f"segment {number} cannot begin at frame {first_frame}")
    decode_time = 0 if number == 0 else (first_frame + 1) * AAC_FRAME_SAMPLES
    # one sync sample a packet, so the data offset is known before the boxes are
    offset = len(_moof(number, decode_time, packets, 0)) + 8
    moof = _moof(number, decode_time, packets, offset)
    return box(b"styp", _SEGMENT_BRANDS) + moof + box(b"mdat", *packets)


def sequence_number(segment: int, part: int = 0) -> int:
    """Return the ``mfhd`` sequence number of a segment's part, in closed form."""
    return segment * PARTS_A_SEGMENT + part + 1


def _moof(number: int, decode_time: int, packets: Sequence[bytes], data_offset: int) -> bytes:
    sizes = struct.pack(f">{len(packets)}I", *map(len, packets))
    return box(
        b"moof",
        full_box(b"mfhd", 0, 0, struct.pack(">I", sequence_number(number))),
        box(
            b"traf",
            full_box(
                b"tfhd",
                0,
                _TFHD_FLAGS,
                struct.pack(">III", TRACK_ID, AAC_FRAME_SAMPLES, _SYNC_SAMPLE),
            ),
            full_box(b"tfdt", 1, 0, struct.pack(">Q", decode_time)),
            full_box(b"trun", 0, _TRUN_FLAGS, struct.pack(">Ii", len(packets), data_offset), sizes),
        ),
    )


def _track(rate_hz: int, asc: bytes) -> bytes:
    return box(
        b"trak",
        full_box(
            b"tkhd",
            0,
            7,  # enabled, in movie, in preview
            # created, modified, track, reserved, duration, reserved, layer, group, volume
            struct.pack(">IIIIIIIHHHH", 0, 0, TRACK_ID, 0, 0, 0, 0, 0, 0, 0x100, 0),
            _MATRIX,
            struct.pack(">II", 0, 0),
        ),
        box(
            b"edts",
            full_box(b"elst", 0, 0, struct.pack(">IIiHH", 1, 0, PRIMING_SAMPLES, 1, 0)),
        ),
        box(
            b"mdia",
            full_box(b"mdhd", 0, 0, struct.pack(">IIIIHH", 0, 0, rate_hz, 0, _LANGUAGE, 0)),
            full_box(b"hdlr", 0, 0, bytes(4), b"soun", bytes(12), b"sound\0"),
            box(
                b"minf",
                full_box(b"smhd", 0, 0, bytes(4)),
                # flag 1: the media is in this file
                box(
                    b"dinf", full_box(b"dref", 0, 0, struct.pack(">I", 1), full_box(b"url ", 0, 1))
                ),
                _sample_tables(rate_hz, asc),
            ),
        ),
    )


def _sample_tables(rate_hz: int, asc: bytes) -> bytes:
    entry = box(
        b"mp4a",
        # reserved, data reference, reserved, channels, bits, reserved, rate 16.16
        struct.pack(">6xH8xHHIHH", 1, 1, 16, 0, rate_hz & 0xFFFF, 0),
        full_box(b"esds", 0, 0, _elementary_stream(asc)),
    )
    return box(
        b"stbl",
        full_box(b"stsd", 0, 0, struct.pack(">I", 1), entry),
        full_box(b"stts", 0, 0, bytes(4)),
        full_box(b"stsc", 0, 0, bytes(4)),
        full_box(b"stsz", 0, 0, bytes(8)),
        full_box(b"stco", 0, 0, bytes(4)),
    )


def _elementary_stream(asc: bytes) -> bytes:
    """Return an ES_Descriptor for MPEG-4 audio (ISO/IEC 14496-1, 7.2.6.5 and 7.2.6.6)."""
    decoder = struct.pack(">BB3xII", 0x40, 5 << 2 | 1, 0, 0) + _descriptor(5, asc)
    # ES_ID 0, no flags; SLConfigDescriptor predefined 2 is what MP4 files use
    return _descriptor(
        3, struct.pack(">HB", 0, 0) + _descriptor(4, decoder) + _descriptor(6, b"\2")
    )


def _descriptor(tag: int, body: bytes) -> bytes:
    assert len(body) < 128  # sizes of one byte reach so far
    return struct.pack(">BB", tag, len(body)) + body


@dataclass(frozen=True, slots=True)
class InitSegment:
    """What an init segment promises."""

    rate_hz: int
    asc: bytes
    """AudioSpecificConfig of the decoder."""

    @property
    def codecs(self) -> str:
        """The CODECS attribute that goes with it (RFC 6381, 3.3), ``mp4a.40.2`` for AAC-LC."""
        return f"mp4a.40.{self.asc[0] >> 3}"


@dataclass(frozen=True, slots=True)
class MediaSegment:
    """What a media segment holds."""

    sequence: int
    decode_time: int
    """In samples, from the priming packet on."""
    packets: tuple[bytes, ...]


def parse_init_segment(data: bytes) -> InitSegment:
    """Read an init segment, and check what a player of fragments relies on.

    Raises:
        BoxError: what is wrong with it.
    """
    boxes = parse_boxes(data)
    if [outer.kind for outer in boxes] != [b"ftyp", b"moov"]:
        raise BoxError(f"an init segment is ftyp and moov, not {_names(boxes)}")
    if boxes[0].payload[:4] != b"cmfc":
        raise BoxError(f"the major brand is {boxes[0].payload[:4]!r}, not cmfc")
    for table in (b"stts", b"stsc", b"stco", b"stsz"):
        if any(_one(boxes, table).payload[4:]):
            raise BoxError(f"the table {table.decode()} is not empty: the sound is in fragments")
    if _one(boxes, b"elst").read(">IIiI", 4) != (1, 0, PRIMING_SAMPLES, 0x10000):
        raise BoxError(f"the edit list does not skip the {PRIMING_SAMPLES} priming samples")
    if _one(boxes, b"trex").read(">III", 4) != (TRACK_ID, 1, AAC_FRAME_SAMPLES):
        raise BoxError(f"trex does not have {AAC_FRAME_SAMPLES} samples a packet")
    entry = _inside(_one(boxes, b"stsd"), 8, b"mp4a")
    asc = _decoder_config(_inside(entry, 28, b"esds").payload[4:])
    rate_hz = _one(boxes, b"mdhd").read(">I", 12)[0]
    if rate_hz not in AAC_RATES_HZ or (asc, entry.read(">I", 24)[0] >> 16) != (
        audio_specific_config(rate_hz),
        rate_hz,
    ):
        raise BoxError(f"decoder, sample entry and time scale ({rate_hz} Hz) do not agree")
    return InitSegment(rate_hz, asc)


def parse_media_segment(data: bytes) -> MediaSegment:
    """Read a segment of one fragment, and check it against what ``media_segment`` writes.

    Raises:
        BoxError: what is wrong with it.
    """
    boxes = parse_boxes(data)
    if [outer.kind for outer in boxes] != [b"styp", b"moof", b"mdat"]:
        raise BoxError(f"a segment is styp, moof and mdat, not {_names(boxes)}")
    header, time, run = (_one(boxes, kind) for kind in (b"tfhd", b"tfdt", b"trun"))
    if (header.flags, time.version, run.flags) != (_TFHD_FLAGS, 1, _TRUN_FLAGS):
        raise BoxError("tfhd, tfdt or trun has other flags than ours, so offsets may be off")
    if header.read(">III", 4) != (TRACK_ID, AAC_FRAME_SAMPLES, _SYNC_SAMPLE):
        raise BoxError(
            f"tfhd does not have {AAC_FRAME_SAMPLES} samples a packet, each a sync sample"
        )
    count, offset = run.read(">Ii", 4)
    moof, mdat = boxes[1:]
    if moof.start + offset != mdat.start + 8:
        raise BoxError(f"the data offset {offset} does not hit the payload of mdat")
    sizes = run.read(f">{min(count, len(run.payload))}I", 12)
    if 0 in sizes:
        raise BoxError("trun has a packet without bytes")
    if sum(sizes) != len(mdat.payload) or len(run.payload) != 12 + 4 * count:
        raise BoxError(f"trun's {sum(sizes)} bytes are not mdat's {len(mdat.payload)}")
    ends = list(accumulate(sizes))
    return MediaSegment(
        sequence=_one(boxes, b"mfhd").read(">I", 4)[0],
        decode_time=time.read(">Q", 4)[0],
        packets=tuple(mdat.payload[end - n : end] for n, end in zip(sizes, ends, strict=True)),
    )


def _names(boxes: Sequence[Box]) -> str:
    return " ".join(outer.kind.decode("latin-1") for outer in boxes)


def _one(boxes: Sequence[Box], kind: bytes) -> Box:
    found = find_boxes(boxes, kind)
    if len(found) != 1:
        raise BoxError(f"there are {len(found)} {kind.decode()} boxes, not one")
    return found[0]


def _inside(outer: Box, offset: int, kind: bytes) -> Box:
    """Return the box of a kind among those after ``offset`` bytes of fields."""
    return _one(parse_boxes(outer.payload[offset:]), kind)


def _decoder_config(descriptor: bytes) -> bytes:
    """Return the DecoderSpecificInfo out of an ES_Descriptor with one-byte sizes."""
    # ES header 2 + 3 bytes, decoder header 2 + 13, then tag and size of what is wanted
    if len(descriptor) < 22 or (descriptor[0], descriptor[5], descriptor[20]) != (3, 4, 5):
        raise BoxError("esds is not laid out as ES, decoder and specific descriptors")
    return descriptor[22 : 22 + descriptor[21]]
