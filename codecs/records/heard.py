"""What devices hear, as they send it."""

from typing import ClassVar, Literal

import msgspec

from .record import SequenceRecord

MAX_PACKETS = 16
MAX_PACKET_BYTES = 4_000
"""RFC 6716, section 3.4, allows 61,440; devices send some 200."""
_RATES_HZ = (8_000, 12_000, 16_000, 24_000, 48_000)


class Microphone(msgspec.Struct, frozen=True, omit_defaults=True):
    """In what form a device sends what it hears; mono."""

    encoding: Literal["opus", "pcm"] = "opus"
    """``pcm``: signed 16-bit little-endian."""
    rate_hz: int = 16_000
    frame_ms: int = 60
    """Of a packet."""

    def __post_init__(self) -> None:
        if self.rate_hz not in _RATES_HZ:
            raise ValueError(f"{self.rate_hz} Hz is none of {', '.join(map(str, _RATES_HZ))}")
        if not 5 <= self.frame_ms <= 120:
            raise ValueError(f"packets of {self.frame_ms} ms are not between 5 and 120")
        size = 2 * self.rate_hz * self.frame_ms // 1000
        if self.encoding == "pcm" and size > MAX_PACKET_BYTES:
            raise ValueError(f"packets of {size} bytes are over {MAX_PACKET_BYTES}: shorten them")


class Heard(SequenceRecord, tag="heard/1", frozen=True, kw_only=True, omit_defaults=True):
    """A piece of what a listener says: topic ``heard``, position = seq, in the listener's session.

    An utterance is what lies between the moments at which a device begins and ends to listen. It
    may lack its end, where the device has gone, or its gateway; then the next one begins.
    """

    TOPIC: ClassVar[str] = "heard"

    seq: int
    first: int
    """Position of the utterance's first piece, which is its name."""
    packets: tuple[bytes, ...] = ()
    microphone: Microphone = Microphone()
    until: Literal["told", "silence"] = "told"
    """What ends the utterance: the device says so, or nobody speaks any more."""
    ended: bool = False
    """No piece follows."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.first <= self.seq:
            raise ValueError(f"piece {self.seq} cannot begin an utterance at {self.first}")
        if len(self.packets) > MAX_PACKETS:
            raise ValueError(f"{len(self.packets)} packets in a piece are over {MAX_PACKETS}")
        if any(not 0 < len(packet) <= MAX_PACKET_BYTES for packet in self.packets):
            raise ValueError(f"a packet has 1 to {MAX_PACKET_BYTES} bytes")

    @property
    def start(self) -> int:
        return self.seq
