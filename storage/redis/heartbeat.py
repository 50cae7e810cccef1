"""Heartbeats: a member's lease is renewed beside whatever else its process does."""

import asyncio
import threading
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager

from ..errors import UnreachableError, UnusableServerError
from ..groups import Beat

STOP_S = 0.5
"""How long `ThreadHeartbeat.stop` waits for a beat under way; it ends by itself later."""

OnBeat = Callable[[Beat | BaseException], None]


class ThreadHeartbeat:
    """Beats from an OS thread of its own, over a connection of its own.

    Code that keeps the event loop busy for longer than a lease must not cost the lease. (Compiled
    code that keeps the interpreter lock for as long still would.)
    """

    def __init__(
        self,
        connect: Callable[[], AbstractContextManager[Callable[[], Beat]]],
        interval_s: float,
        on_beat: OnBeat,
    ) -> None:
        self._connect = connect
        self._interval_s = interval_s
        self._on_beat = on_beat
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to beat; a heartbeat is started once."""
        loop = asyncio.get_running_loop()
        self._thread = threading.Thread(
            target=self._run, args=(loop,), name="heartbeat", daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(STOP_S)

    def _run(self, loop: asyncio.AbstractEventLoop) -> None:
        with self._connect() as beat:
            while not self._stopping.wait(self._interval_s):
                said: Beat | BaseException
                try:
                    said = beat()
                except (UnreachableError, UnusableServerError) as error:
                    said = error
                try:
                    loop.call_soon_threadsafe(self._hand_over, said)
                except RuntimeError:  # the loop is closed, and with it went whoever listened
                    return

    def _hand_over(self, said: Beat | BaseException) -> None:
        if not self._stopping.is_set():
            self._on_beat(said)


class TaskHeartbeat:
    """Beats from the event loop itself: the twin for groups in memory."""

    def __init__(
        self, beat: Callable[[], Awaitable[Beat]], interval_s: float, on_beat: OnBeat
    ) -> None:
        self._beat = beat
        self._interval_s = interval_s
        self._on_beat = on_beat
        self._task: asyncio.Task[None] | None = None
        self._stopped = False

    def start(self) -> None:
        """Begin to beat; a heartbeat is started once."""
        self._task = asyncio.create_task(self._run(), name="heartbeat")

    def stop(self) -> None:
        self._stopped = True
        if self._task is not None:
            self._task.cancel()

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(self._interval_s)
            loop.call_soon(self._hand_over, await self._beat())

    def _hand_over(self, said: Beat | BaseException) -> None:
        if not self._stopped:
            self._on_beat(said)
