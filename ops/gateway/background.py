"""Work that goes on beside the requests, for as long as a block lasts."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import asynccontextmanager
from time import monotonic
from typing import Any

import structlog

AGAIN_FIRST_S = 0.5
AGAIN_MOST_S = 10.0
"""Pause before work that a bug has ended is begun again: doubled each time."""
TOLD_S = 30.0
"""For so long after a bug `Background.failure` tells of it."""
log = structlog.get_logger()


class Background:
    """Work that goes on for ever. A bug interrupts it, and is told; it does not end it.

    Args:
        name: What the work does, for those who read the log.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._failure = ""
        self._failed_s = 0.0

    @property
    def failure(self) -> str:
        """What interrupted the work a moment ago; empty where nothing did."""
        return self._failure if monotonic() - self._failed_s < TOLD_S else ""

    def failed(self, error: Exception) -> None:
        """Have `failure` tell of a bug."""
        self._failure, self._failed_s = f"{self._name}: {error!r}", monotonic()

    @asynccontextmanager
    async def running(self, work: Callable[[], Coroutine[Any, Any, None]]) -> AsyncGenerator[None]:
        """Do the work until the block is left."""
        task = asyncio.create_task(self._again_and_again(work))
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait([task])

    async def _again_and_again(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        pause_s = AGAIN_FIRST_S
        while True:
            begun_s = monotonic()
            try:
                await work()
            except Exception as error:  # a bug, whatever it is: a gateway must not go deaf of it
                log.exception("a bug has interrupted the gateway's work", work=self._name)
                self.failed(error)
            else:
                return
            if monotonic() - begun_s > TOLD_S:
                pause_s = AGAIN_FIRST_S
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, AGAIN_MOST_S)
