"""Packets as raw samples, for devices that have no decoder."""

from collections.abc import Callable

from ..audio.pcm import to_bytes
from .opus import PREROLL_FRAMES, Decoder, OpusFormatError

SILENCE = bytes(2 * 960)


class Decoded:
    """The packets of one session decoded, mostly one after another.

    Whoever begins in the middle, or jumps, has the decoder warmed up by the packets before.

    Args:
        packet: Returns a frame's packet, None where there is none.
    """

    def __init__(self, packet: Callable[[int], bytes | None]) -> None:
        self._packet = packet
        self._decoder = Decoder()
        self._next = -1

    def frame(self, number: int) -> bytes:
        """Return a frame as 16-bit samples, little-endian, mono at 16 kHz: 1,920 bytes."""
        if number != self._next:
            self._decoder = Decoder()
            for before in range(max(0, number - PREROLL_FRAMES), number):
                self._decode(before)
        self._next = number + 1
        return self._decode(number)

    def _decode(self, number: int) -> bytes:
        packet = self._packet(number)
        if packet is None:
            return SILENCE
        try:
            return to_bytes(self._decoder.decode(packet))
        except OpusFormatError:  # what the log has is ours, so it is: yet no device may end by it
            return SILENCE
