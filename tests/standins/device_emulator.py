"""A voice device by the rules of its firmware, stricter than any client that can be installed.

Rules from xiaozhi-esp32 (``main/application.cc``, ``main/audio/audio_service.cc``): audio is
dropped unless the device speaks; ``tts start`` only schedules that state, and entering it empties
the queue; a full queue drops the newest packet and tells nobody; ``tts stop`` cuts what is held.
"""

import json
import struct
from collections import deque
from dataclasses import dataclass, field
from typing import Any

FRAME_S = 0.060
SCHEDULED_S = 0.1
"""From ``tts start`` to the speaking state."""
PLAYBACK_PACKETS = 2
"""Held behind the decoder."""


def messages_of(data: bytes) -> list[str | bytes]:
    """Take apart what a server wrote: whole, unmasked, uncompressed messages, or it fails."""
    found: list[str | bytes] = []
    while data:
        head, size = data[0], data[1]
        assert head in (0x81, 0x82), f"a frame that begins with {head:#x}"
        start = 2
        if size == 126:
            (size,) = struct.unpack_from(">H", data, 2)
            start = 4
        assert size < 126 or start == 4, "longer than any message of ours, or masked"
        payload = data[start : start + size]
        assert len(payload) == size, "half a message"
        found.append(payload.decode() if head == 0x81 else payload)
        data = data[start + size :]
    return found


@dataclass
class Emulator:
    """What one device does with what it is sent; it is told the time."""

    queue_packets: int = 40
    """5 until firmware 1.6.0, 10 until 1.6.2, 40 since 1.6.6."""
    version: int = 1
    scheduled_s: float = SCHEDULED_S
    state: str = "listening"
    heard: list[bytes] = field(default_factory=list[bytes])
    unexpected: list[bytes] = field(default_factory=list[bytes])
    """Packets that came while the device did not speak."""
    overflown: list[bytes] = field(default_factory=list[bytes])
    cleared: list[bytes] = field(default_factory=list[bytes])
    """Packets lost to `tts start` (a clipped head) or `tts stop` (a clipped tail)."""
    gaps_s: list[float] = field(default_factory=list[float])
    """Silences between two packets of one speaking state."""
    starts: int = 0
    stops: int = 0
    most_held: int = 0
    sentences: list[tuple[int, str]] = field(default_factory=list[tuple[int, str]])
    """(packets received before it, text)."""
    said: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    _held: deque[bytes] = field(default_factory=deque[bytes])
    _speaks_at_s: float | None = None
    _free_at_s: float | None = None
    _received: int = 0

    def receive(self, message: str | bytes, now_s: float) -> None:
        """Take a message."""
        self.advance(now_s)
        if isinstance(message, bytes):
            self._audio(self._unframed(message), now_s)
            return
        told = json.loads(message)
        self.said.append(told)
        if told["type"] != "tts":
            return
        if told["state"] == "start":
            self.starts += 1
            if self.state != "speaking" and self._speaks_at_s is None:
                self._speaks_at_s = now_s + self.scheduled_s
        elif told["state"] == "stop":
            self.stops += 1
            self.state, self._speaks_at_s, self._free_at_s = "listening", None, None
            self._clear()
        else:
            self.sentences.append((self._received, told["text"]))

    def advance(self, now_s: float) -> None:
        """Let time pass: enter the speaking state, and play what is held."""
        if self._speaks_at_s is not None and now_s >= self._speaks_at_s:
            self.state, self._speaks_at_s, self._free_at_s = "speaking", None, None
            self._clear()
        while self._held and self._free_at_s is not None and self._free_at_s <= now_s:
            self.heard.append(self._held.popleft())
            self._free_at_s += FRAME_S

    def _audio(self, packet: bytes, now_s: float) -> None:
        self._received += 1
        if self.state != "speaking":
            self.unexpected.append(packet)
        elif self._free_at_s is None or self._free_at_s <= now_s:
            if self._free_at_s is not None:
                self.gaps_s.append(now_s - self._free_at_s)
            self.heard.append(packet)
            self._free_at_s = now_s + FRAME_S
        elif len(self._held) >= self.queue_packets + PLAYBACK_PACKETS:
            self.overflown.append(packet)
        else:
            self._held.append(packet)
            self.most_held = max(self.most_held, len(self._held))

    def _clear(self) -> None:
        self.cleared += self._held
        self._held.clear()

    def _unframed(self, message: bytes) -> bytes:
        """Take a packet out of its frame; firmware trusts the size, so it has to be right."""
        if self.version == 1:
            return message
        if self.version == 2:
            version, kind, reserved, _, size = struct.unpack_from(">HHIII", message)
            assert (version, kind, reserved) == (2, 0, 0)
            packet = message[16:]
        else:
            kind, reserved, size = struct.unpack_from(">BBH", message)
            assert (kind, reserved) == (0, 0)
            packet = message[4:]
        assert size == len(packet)
        return packet
