"""Who speaks next, where the processor is the bottleneck."""

import asyncio
import heapq
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from itertools import count


class Turns:
    """A semaphore whose waiters go in order of need, not of arrival.

    The need is the chunk's place in its session: a session that has spoken least so far is the one
    whose listener would run dry first.
    """

    def __init__(self, at_once: int) -> None:
        self.at_once = at_once
        """Turns there are in all."""
        self._free = at_once
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []
        self._arrival = count()

    @asynccontextmanager
    async def take(self, place: int) -> AsyncGenerator[None]:
        """Hold a turn; the lowest place waits least."""
        if self._free:
            self._free -= 1
        else:
            turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            heapq.heappush(self._waiting, (place, next(self._arrival), turn))
            try:
                await turn
            except asyncio.CancelledError:
                if turn.done() and not turn.cancelled():
                    self._pass_on()  # it was given just before the cancellation
                raise
        try:
            yield
        finally:
            self._pass_on()

    def _pass_on(self) -> None:
        while self._waiting:
            _, _, turn = heapq.heappop(self._waiting)
            if not turn.done():
                turn.set_result(None)
                return
        self._free += 1
