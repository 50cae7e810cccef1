"""The heartbeat of a member of a group on the server, in a thread of its own."""

import asyncio
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager

from ..errors import UnreachableError, UnusableServerError
from ..groups import Beat

STOP_S = 0.5
"""How long `ThreadHeartbeat.stop` waits for a beat under way, which ends by itself later."""

OnBeat = Callable[[Beat | BaseException], None]


class ThreadHeartbeat:
    """Renews a lease from an OS thread of its own, over a connection of its own.

    Code that keeps the event loop busy for longer than a lease must not lose the lease. (Compiled
    code that holds the interpreter lock for that long still would.)
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
        """Start the thread; a heartbeat is started once."""
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
            while not self._stopping.is_set():
                result: Beat | BaseException
                try:
                    result = beat()
                except (UnreachableError, UnusableServerError) as error:
                    result = error
                try:
                    loop.call_soon_threadsafe(self._report, result)
                except RuntimeError:  # the loop is closed: nobody is left to report to
                    return
                self._stopping.wait(self._interval_s)

    def _report(self, result: Beat | BaseException) -> None:
        if not self._stopping.is_set():
            self._on_beat(result)
