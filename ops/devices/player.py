"""What one device is sent, and when: a cursor on a session, paced by the wheel.

Everything here happens in callbacks of one thread and nothing waits, so a test turns the clock by
hand. Each sound has a generation; a frame of an older one is never sent.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from ...codecs.device.pacing import Pacer
from ...codecs.device.xiaozhi import Encoding
from ..metrics import DEVICE_FRAMES
from .wheel import SLOT_S, Wheel
from .window import OutsideError, Window

START_DELAY_S = 0.15
"""Firmware drops what comes right behind ``tts start``: it only schedules the speaking state."""
TAIL_S = 0.24
"""From the end of play-out by the schedule to ``tts stop``, which cuts what is still held: two
frames in play-out, and what the network is slower than it was."""
LATE_S = 0.020
MOST_BUFFERED_BYTES = 16_000
"""In a peer's transport, some 5 s of sound: whoever takes no more than that waits at its place."""
STUCK_S = 30.0
"""A peer that takes nothing for so long is gone."""
_in_time, _late = DEVICE_FRAMES.labels("on time"), DEVICE_FRAMES.labels("late")


class Wire(Protocol):
    """A transport that takes whole WebSocket messages."""

    @property
    def is_closing(self) -> bool:
        """True where nothing can be sent any more."""
        ...

    @property
    def buffered_bytes(self) -> int:
        """What was written and the system has not taken yet."""
        ...

    def write(self, data: bytes) -> None:
        """Send, without waiting."""
        ...

    def abort(self) -> None:
        """End the connection at once, with what was not taken yet."""
        ...


class Ending(Enum):
    """Why a sound is over."""

    PLAYED = "played"
    """The device has played it to its end."""
    OUTSIDE = "outside"
    """Its window has passed on: go on in another."""
    STUCK = "stuck"
    """The peer takes nothing."""


@dataclass(slots=True)
class Sound:
    """Something that is played: where it comes from, and how far it is."""

    generation: int
    window: Window
    session: str
    start: int
    """The frame it began with."""


class Player:
    """Sends one device its frames.

    Args:
        wheel: Of all devices of the process.
        wire: To the device.
        version: Of the binary protocol.
        lead: Frames that the device is sent ahead.
        encoding: Of the frames.
        on_ending: Called once a sound is over; ``Ending.PLAYED`` at the end of play-out.
        on_source_end: Called when the last frame is sent: what is played now follows without a
            pause.
        sentence: Makes the WebSocket message that tells which words begin to sound.
    """

    def __init__(
        self,
        wheel: Wheel,
        wire: Wire,
        version: int,
        lead: int,
        *,
        encoding: Encoding = "opus",
        on_ending: Callable[[Sound, Ending], None],
        on_source_end: Callable[[Sound], None],
        sentence: Callable[[str], bytes],
    ) -> None:
        self.generation = 0
        self.sound: Sound | None = None
        self.cursor = 0
        """The frame of the session that is to be sent next."""
        self._wheel = wheel
        self._wire = wire
        self._version = version
        self._encoding: Encoding = encoding
        self._lead = lead
        self._pacer = Pacer(lead)
        self._sent = 0
        """Frames since the device began to speak, which is what the pacer counts."""
        self._on_ending, self._on_source_end = on_ending, on_source_end
        self._sentence = sentence
        self._slot = -1
        """The slot that is waited for; -1 for none."""
        self._due_s = 0.0
        self._not_before_s = 0.0
        self._silent_at_s: float | None = None
        """When the device has played all it was sent, once that was everything."""
        self._stuck_since_s: float | None = None

    def begin(self) -> None:
        """Note that the device was just told to speak: its queue is empty, and not open yet."""
        self._pacer = Pacer(self._lead)
        self._sent = 0
        self._not_before_s = self._wheel.time() + START_DELAY_S

    def play(self, session: str, window: Window, frame: int) -> Sound:
        """Play from a frame on; what played before is silenced, with its frames not yet sent."""
        self.cut()
        self.generation += 1
        self.cursor = frame
        self.sound = Sound(self.generation, window, session, frame)
        window.listeners.add(self)
        self._schedule(max(self._wheel.time(), self._not_before_s))
        return self.sound

    def cut(self) -> None:
        """Send nothing more; what the device was sent ahead is all that it still has."""
        sound, self.sound = self.sound, None
        self.generation += 1
        self._slot, self._silent_at_s, self._stuck_since_s = -1, None, None
        if sound is not None:
            sound.window.leave(self)

    @property
    def heard(self) -> int:
        """The frame that the device plays now, or will when it goes on."""
        start = self.sound.start if self.sound is not None else 0
        return max(start, self.cursor - self._pacer.unplayed(self._sent, self._wheel.time()))

    def wake(self) -> None:
        """Look again: the window has changed."""
        if self.sound is not None and self._slot < 0 and self._silent_at_s is None:
            self._schedule(max(self._wheel.time(), self._not_before_s))

    def turn(self, slot: int, now_s: float) -> None:
        """Do what is due."""
        sound = self.sound
        if slot != self._slot or sound is None:
            return  # of an older generation
        self._slot = -1
        if self._silent_at_s is not None:
            self._finish(sound)
        elif self._takes(sound, now_s):
            self._send(sound, now_s)

    def _takes(self, sound: Sound, now_s: float) -> bool:
        """Tell whether the peer takes more; look again a frame later where it does not."""
        if self._wire.is_closing:
            return False  # whoever reads from it will know
        if self._wire.buffered_bytes <= MOST_BUFFERED_BYTES:
            self._stuck_since_s = None
            return True
        if self._stuck_since_s is None:
            self._stuck_since_s = now_s
        if now_s - self._stuck_since_s > STUCK_S:
            self.cut()
            self._on_ending(sound, Ending.STUCK)
        else:
            self._wait_until(now_s + self._pacer.frame_s)
        return False

    def _send(self, sound: Sound, now_s: float) -> None:
        window, number = sound.window, self.cursor
        try:
            message = window.message(number, self._version, self._encoding)
        except OutsideError:
            self.cut()
            self._on_ending(sound, Ending.OUTSIDE)
            return
        if message is None:
            if window.closed:
                self._drain(sound, now_s)
            else:
                window.wait(self)
            return
        due_s = self._pacer.due(self._sent, now_s)
        if due_s > now_s + SLOT_S:
            self._wait_until(due_s)  # it ran dry or was held up, and the schedule is another
            return
        text = window.sentence(number)
        self._wire.write(message if text is None else self._sentence(text) + message)
        (_late if now_s - self._due_s > LATE_S else _in_time).inc()
        self._pacer.sent(now_s)
        self._sent += 1
        self.cursor = number + 1
        self._wait_until(self._pacer.due(self._sent, now_s))

    def _drain(self, sound: Sound, now_s: float) -> None:
        played_s = self._pacer.silent_at(self._sent) if self._sent else now_s
        self._silent_at_s = max(now_s, played_s + TAIL_S)
        self._wait_until(self._silent_at_s)
        self._on_source_end(sound)

    def _finish(self, sound: Sound) -> None:
        self.cut()
        self._on_ending(sound, Ending.PLAYED)

    def _schedule(self, now_s: float) -> None:
        self._wait_until(max(now_s, self._pacer.due(self._sent, now_s)) if self._sent else now_s)

    def _wait_until(self, due_s: float) -> None:
        self._due_s = due_s
        self._slot = self._wheel.add(due_s, self)
