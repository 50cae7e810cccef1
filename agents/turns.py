"""Which chunk is spoken next, where the processor is the bottleneck."""

import asyncio
import heapq
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from itertools import count


class Turns:
    """A semaphore that serves its waiters in order of need rather than of arrival.

    The need follows from the chunk's number in its session: the listener of the session that has
    been spoken least would run dry first.

    Args:
        at_once: Turns that can be held at the same time.
    """

    def __init__(self, at_once: int) -> None:
        self.at_once = at_once
        """Turns there are in all."""
        self._free = at_once
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []
        self._arrival = count()

    @asynccontextmanager
    async def take(self, chunk: int) -> AsyncGenerator[None]:
        """Hold a turn; among those who wait, the lowest chunk number goes first."""
        if self._free:
            self._free -= 1
        else:
            turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            heapq.heappush(self._waiting, (chunk, next(self._arrival), turn))
            try:
                await turn
            except asyncio.CancelledError:
                if turn.done() and not turn.cancelled():
                    self._pass_on()  # the turn came just before the cancellation
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
