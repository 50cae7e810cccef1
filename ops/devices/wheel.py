"""One timer for all devices of a process: what is due within a slot is done together.

A task and a timer for each device cost ten times as much a frame, and their timers delay each
other. Slots divide a frame's 60 ms, the ramp's 45 and the 20 between frames that catch up, so a
device stays with its slot and nothing drifts.
"""

import heapq
from collections.abc import Callable
from math import ceil
from typing import Any, Protocol

SLOT_S = 0.005
"""Shorter: less late by rounding, and more turns of the event loop."""
_EARLY_S = 1e-4
"""An event loop's timers may fire so much too soon."""


class Clock(Protocol):
    """What tells the time and calls back: an event loop, or a stand-in turned by hand."""

    def time(self) -> float:
        """Return seconds that never go back."""
        ...

    def call_at(self, when: float, callback: Callable[[], object]) -> Any:
        """Have something called at a time."""
        ...


class Turn(Protocol):
    """What waits for its turn."""

    def turn(self, slot: int, now_s: float) -> None:
        """Do what was due in this slot; it may ask for the next turn."""
        ...


class Wheel:
    """Turns by slot; the timer runs only while somebody waits."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._turns: dict[int, list[Turn]] = {}
        self._slots: list[int] = []
        """A heap of those that somebody waits for."""
        self._timer_slot: int | None = None

    def time(self) -> float:
        """Return the clock's time."""
        return self._clock.time()

    def add(self, due_s: float, turn: Turn) -> int:
        """Have a turn taken at a time or up to a slot later; return the slot it will be told.

        Who has changed its mind meanwhile passes over a slot that it does not wait for.
        """
        slot = ceil(due_s / SLOT_S)
        waiting = self._turns.get(slot)
        if waiting is None:
            self._turns[slot] = [turn]
            heapq.heappush(self._slots, slot)
            self._set_timer()
        else:
            waiting.append(turn)
        return slot

    def _set_timer(self) -> None:
        first = self._slots[0] if self._slots else None
        if first is not None and (self._timer_slot is None or first < self._timer_slot):
            self._timer_slot = first
            self._clock.call_at(first * SLOT_S, self._run)

    def _run(self) -> None:
        now_s = self._clock.time()
        if self._timer_slot is not None and now_s + _EARLY_S < self._timer_slot * SLOT_S:
            return  # a timer that an earlier one has replaced
        self._timer_slot = None
        while self._slots and self._slots[0] * SLOT_S <= now_s + _EARLY_S:
            slot = heapq.heappop(self._slots)
            for one in self._turns.pop(slot):
                one.turn(slot, now_s)
            now_s = self._clock.time()
        self._set_timer()
