"""A clock turned by hand, and a transport with a network behind it, for devices in one process."""

import heapq
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count

from .device_emulator import Emulator, messages_of


class HandClock:
    """Tells the time and calls back, as an event loop does, when it is turned."""

    def __init__(self) -> None:
        self._now_s = 1_000.0
        self._calls: list[tuple[float, int, Callable[[], object]]] = []
        self._order = count()

    def time(self) -> float:
        return self._now_s

    def call_at(self, when: float, callback: Callable[[], object]) -> None:
        heapq.heappush(self._calls, (when, next(self._order), callback))

    def turn(self, seconds: float) -> None:
        """Let so much time pass, and do what was to be done in it."""
        end_s = self._now_s + seconds
        while self._calls and self._calls[0][0] <= end_s:
            when_s, _, callback = heapq.heappop(self._calls)
            self._now_s = max(self._now_s, when_s)
            callback()
        self._now_s = end_s


@dataclass
class SimulatedWire:
    """Takes messages and delivers them in order, each a little later than it was sent."""

    clock: HandClock
    device: Emulator
    latency_s: float = 0.03
    jitter_s: float = 0.0
    chance: random.Random = field(default_factory=random.Random)
    is_closing: bool = False
    buffered_bytes: int = 0
    written: int = 0
    _last_s: float = 0.0

    def write(self, data: bytes) -> None:
        self.written += 1
        late_s = self.latency_s + self.chance.random() * self.jitter_s
        at_s = self._last_s = max(self._last_s, self.clock.time() + late_s)
        messages = messages_of(data)

        def deliver() -> None:
            for message in messages:
                self.device.receive(message, at_s)

        self.clock.call_at(at_s, deliver)

    def abort(self) -> None:
        self.is_closing = True
