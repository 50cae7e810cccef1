"""Binary framing of the xiaozhi protocol, versions 1, 2 and 3: one WebSocket message a frame.

All fields are big-endian (xiaozhi-esp32, ``main/protocols/protocol.h``)::

    1   payload                                                    Opus only
    2   u16 version = 2, u16 kind, u32 reserved, u32 timestamp ms, u32 size, payload
    3   u8 kind, u8 reserved, u16 size, payload

Kind 0 is audio, 1 is JSON. Firmware does not check ``size``: a wrong one makes it read beyond the
message, so frames are never built or taken with one.
"""

import struct
from dataclasses import dataclass
from enum import IntEnum

VERSIONS = (1, 2, 3)

MAX_PAYLOAD_BYTES = 65_535
"""What version 3 can count; a 60 ms Opus packet has some 200 bytes."""

_V2 = struct.Struct(">HHIII")
_V3 = struct.Struct(">BBH")


class FramingError(ValueError):
    """A binary message that is not a frame of the version agreed on."""


class FrameKind(IntEnum):
    """What a frame carries."""

    AUDIO = 0
    JSON = 1


@dataclass(frozen=True, slots=True)
class Frame:
    """One binary message.

    Raises:
        FramingError: the payload is empty or too large, or the timestamp does not fit 32 bits.
    """

    payload: bytes
    kind: FrameKind = FrameKind.AUDIO
    timestamp_ms: int = 0
    """When the sound begins, on the sender's clock; only version 2 carries it."""

    def __post_init__(self) -> None:
        if not 0 < len(self.payload) <= MAX_PAYLOAD_BYTES:
            raise FramingError(f"a payload of {len(self.payload)} bytes: 1 to {MAX_PAYLOAD_BYTES}")
        if not 0 <= self.timestamp_ms < 1 << 32:
            raise FramingError(f"timestamp {self.timestamp_ms} does not fit 32 bits")


def agreed_version(header: str | None) -> int:
    """Return the framing version of a ``Protocol-Version`` header, 1 where there is none.

    Raises:
        FramingError: it is not 1, 2 or 3.
    """
    if header is None or header.strip() == "":
        return 1
    versions = {str(version): version for version in VERSIONS}
    try:
        return versions[header.strip()]
    except KeyError:
        raise FramingError(f"protocol version {header[:20]!r}: send 1, 2 or 3") from None


def encode_frame(version: int, frame: Frame) -> bytes:
    """Return a frame as a binary message.

    Raises:
        FramingError: there is no such version, or version 1 was to carry JSON.
    """
    size = len(frame.payload)
    if version == 3:
        return _V3.pack(frame.kind, 0, size) + frame.payload
    if version == 2:
        return _V2.pack(2, frame.kind, 0, frame.timestamp_ms, size) + frame.payload
    if version != 1:
        raise FramingError(f"there is no framing version {version}")
    if frame.kind != FrameKind.AUDIO:
        raise FramingError("version 1 carries audio only: send JSON as a text message")
    return frame.payload


def decode_frame(version: int, message: bytes) -> Frame:
    """Read a binary message; reserved fields are ignored.

    Raises:
        FramingError: there is no such version, or the message is not a frame of it: too short, of
            another version or an unknown kind, or its size is not that of the payload.
    """
    if version == 1:
        return Frame(message)
    timestamp_ms = 0
    try:
        if version == 2:
            marked, kind, _, timestamp_ms, size = _V2.unpack_from(message)
            payload = message[_V2.size :]
        elif version == 3:
            kind, _, size = _V3.unpack_from(message)
            marked, payload = 3, message[_V3.size :]
        else:
            raise FramingError(f"there is no framing version {version}")
    except struct.error:
        raise FramingError(f"{len(message)} bytes are too few for version {version}") from None
    if marked != version:
        raise FramingError(f"a frame of version {marked} where version {version} was agreed on")
    if size != len(payload):
        raise FramingError(f"the header counts {size} bytes of payload, there are {len(payload)}")
    try:
        return Frame(payload, FrameKind(kind), timestamp_ms)
    except ValueError as error:
        raise FramingError(str(error)) from None
