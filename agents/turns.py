"""Whose work is done next, where the processor is the bottleneck."""

import asyncio
import heapq
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import count
from time import time
from typing import ParamSpec, TypeVar

from .journal import Description

P = ParamSpec("P")
T = TypeVar("T")

SOON_S = 0.25
"""Audio that is due later than that is in no haste."""


class Turns:
    """A semaphore that serves its waiters in order of need rather than of arrival.

    Voices go by a chunk's number in its session: the listener of the session that has been spoken
    least would run dry first. Codecs go by the time at which the sound is due (`CodecTurns`).

    Args:
        at_once: Turns that can be held at the same time.
        kept: Turns of these that nobody gets who is patient.
    """

    def __init__(self, at_once: int, kept: int = 0) -> None:
        self.at_once = at_once
        """Turns there are in all."""
        self._kept = kept
        self._free = at_once
        self._waiting: dict[bool, list[tuple[float, int, asyncio.Future[None]]]] = {
            False: [],
            True: [],
        }
        """Who waits, a heap for those in need and one for those who are patient."""
        self._arrival = count()

    @asynccontextmanager
    async def take(self, place: float, *, patient: bool = False) -> AsyncGenerator[None]:
        """Hold a turn; among those who wait, the lowest place goes first."""
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting[patient], (place, next(self._arrival), turn))
        self._serve()
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._give_back()  # the turn came just before the cancellation
            raise
        try:
            yield
        finally:
            self._give_back()

    def _give_back(self) -> None:
        self._free += 1
        self._serve()

    def _serve(self) -> None:
        while self._free:
            heaps = (
                list(self._waiting.values()) if self._free > self._kept else [self._waiting[False]]
            )
            heap = min((heap for heap in heaps if heap), key=lambda heap: heap[0], default=None)
            if heap is None:
                return
            _, _, turn = heapq.heappop(heap)
            if not turn.done():
                self._free -= 1
                turn.set_result(None)


@dataclass(frozen=True, slots=True)
class CodecTurns:
    """Turns of one session's mastering and encoding, each in a thread.

    What is due first goes first, as if every session had been listened to since it was accepted.
    So the first segment of a new session waits neither for its own later audio nor for that of
    sessions that are ahead of their listeners.
    """

    turns: Turns
    session: Description
    hold_s: float = 0.0
    """Work that is in no haste waits for so long before it asks for its turn."""

    async def run(self, sample: int, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Do the work on the audio from this sample on."""
        due_s = self.session.created_ms / 1000 + sample / self.session.form.sample_rate_hz
        patient = due_s > time() + SOON_S
        if patient and self.hold_s:
            await asyncio.sleep(self.hold_s)
        async with self.turns.take(due_s, patient=patient):
            return await asyncio.to_thread(work, *args, **kwargs)
