"""The heartbeat of a member of a group in memory."""

import asyncio
from collections.abc import Awaitable, Callable

from ..groups import Beat


class TaskHeartbeat:
    """Renews a lease from a task of the event loop."""

    def __init__(
        self,
        beat: Callable[[], Awaitable[Beat]],
        interval_s: float,
        on_beat: Callable[[Beat | BaseException], None],
    ) -> None:
        self._beat = beat
        self._interval_s = interval_s
        self._on_beat = on_beat
        self._task: asyncio.Task[None] | None = None
        self._stopped = False
        self._told: Beat | None = None

    def start(self) -> None:
        """Start the task; a heartbeat is started once."""
        self._task = asyncio.create_task(self._run(), name="heartbeat")

    def stop(self) -> None:
        self._stopped = True
        if self._task is not None:
            self._task.cancel()

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(self._interval_s)
            loop.call_soon(self._report, await self._beat())

    def _report(self, beat: Beat) -> None:
        if not self._stopped and beat != self._told:
            self._told = beat
            self._on_beat(beat)
