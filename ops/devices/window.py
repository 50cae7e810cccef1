"""A stretch of one session's packets, shared by all devices that play there.

Each packet is kept once, and each WebSocket message made of it once for all devices of a binary
protocol version. A window is bounded: it is read so far ahead of its furthest device, and a device
that falls too far behind has to find another.
"""

from typing import Protocol

from ...codecs.device.decoded import Decoded
from ...codecs.device.framing import Frame, encode_frame
from ...codecs.device.opus import DEVICE
from ...codecs.device.websocket_frames import binary_message
from ...codecs.device.xiaozhi import Encoding
from ...codecs.records import DeviceFrames

AHEAD_FRAMES = 100
"""Read ahead of the furthest device, 6 s: longer than the log is ever away without notice."""
BEHIND_FRAMES = 250
"""Kept for those behind it, 15 s."""


class Listener(Protocol):
    """What plays from a window."""

    @property
    def cursor(self) -> int:
        """The frame that it needs next."""
        ...

    def wake(self) -> None:
        """Look again: the frame that was missing may be there, or the window is at its end."""
        ...


class OutsideError(LookupError):
    """The window does not have that frame any more."""


class _Shared:
    __slots__ = ("messages", "packet", "samples")

    def __init__(self, packet: bytes) -> None:
        self.packet = packet
        self.samples = b""
        """Decoded, once somebody wants that."""
        self.messages: dict[tuple[int, Encoding], bytes] = {}


class Window:
    """Packets ``[first, end)`` of a session."""

    def __init__(self, first: int) -> None:
        self.first = first
        self.end = first
        self.closed = False
        """True once nothing will come behind ``end``."""
        self.error = ""
        """Why it ends there; empty where the session does."""
        self.listeners: set[Listener] = set()
        self._waiting: set[Listener] = set()
        self._shared: dict[int, _Shared] = {}
        self._sentences: dict[int, str] = {}
        self._decoded: Decoded | None = None

    @property
    def furthest(self) -> int:
        """The cursor of the device furthest along."""
        return max((one.cursor for one in self.listeners), default=self.first)

    @property
    def wants_more(self) -> bool:
        """True where the reader is not far enough ahead."""
        return self.end < self.furthest + AHEAD_FRAMES

    def covers(self, number: int) -> bool:
        """Tell whether a device can play here from this frame on."""
        return self.first <= number <= self.end

    def message(self, number: int, version: int, encoding: Encoding = "opus") -> bytes | None:
        """Return a frame as the WebSocket message of a protocol version; None if not there yet.

        Raises:
            OutsideError: the window has passed on.
        """
        shared = self._shared.get(number)
        if shared is None:
            if number < self.first:
                raise OutsideError(f"frame {number} is before {self.first}")
            return None
        made = shared.messages.get((version, encoding))
        if made is None:
            sound = shared.packet if encoding == "opus" else self._samples(number, shared)
            frame = Frame(sound, timestamp_ms=number * DEVICE.frame_ms & 0xFFFFFFFF)
            made = binary_message(encode_frame(version, frame))
            shared.messages[version, encoding] = made
        return made

    def _samples(self, number: int, shared: _Shared) -> bytes:
        if self._decoded is None:
            self._decoded = Decoded(self._packet)
        if not shared.samples:
            shared.samples = self._decoded.frame(number)
        return shared.samples

    def _packet(self, number: int) -> bytes | None:
        shared = self._shared.get(number)
        return None if shared is None else shared.packet

    def sentence(self, number: int) -> str | None:
        """Return the text that begins to sound with a frame, None where none does."""
        return self._sentences.get(number)

    def wait(self, listener: Listener) -> None:
        """Have a listener woken by the next change."""
        self._waiting.add(listener)

    def leave(self, listener: Listener) -> None:
        """Play no longer here."""
        self.listeners.discard(listener)
        self._waiting.discard(listener)

    def add(self, run: DeviceFrames) -> None:
        """Take a record that continues the window; what nobody here needs any more is dropped."""
        for number, packet in enumerate(run.packets, start=run.first_frame):
            if number == self.end:
                self._shared[number] = _Shared(packet)
                self.end += 1
        for number, text in run.sentences:
            if number >= self.first:
                self._sentences[number] = text
        self._drop_before(min((one.cursor for one in self.listeners), default=self.first))
        if run.last:
            self.closed = True
        self._wake()

    def close(self, error: str = "") -> None:
        """Let the devices know that nothing more comes."""
        self.closed, self.error = True, error
        self._wake()

    def _drop_before(self, slowest: int) -> None:
        first = max(min(slowest, self.end), self.furthest - BEHIND_FRAMES)
        for number in range(self.first, first):
            self._shared.pop(number, None)
            self._sentences.pop(number, None)
        self.first = max(self.first, first)

    def _wake(self) -> None:
        waiting, self._waiting = self._waiting, set()
        for listener in waiting:
            listener.wake()
