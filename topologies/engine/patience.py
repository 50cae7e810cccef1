"""What the engine asks of the log is asked again while the log is out of reach."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from time import monotonic
from typing import ParamSpec, TypeVar

import structlog

from ...storage.log import UnreachableError

P = ParamSpec("P")
T = TypeVar("T")

STOPPING_S = 2.0
"""An app that is stopping waits for so long: what was not committed is delivered again."""
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.05, 0.5
TELL_EVERY_S = 10.0
log = structlog.get_logger()


class Complaints:
    """Says what is out of reach at once, and again every ten seconds while that lasts.

    A process has dozens of consumers, heartbeats and producers that all wait for the same server,
    and try several times a second.
    """

    def __init__(self) -> None:
        self._told_s: dict[str, float] = {}

    def say(self, what: str, error: BaseException) -> None:
        """Log it, unless somebody has done so a moment ago."""
        now_s = monotonic()
        if now_s - self._told_s.get(what, float("-inf")) >= TELL_EVERY_S:
            self._told_s[what] = now_s
            log.warning("%s, trying again", what, why=str(error))


COMPLAINTS = Complaints()
"""Of this process."""


@dataclass(frozen=True, slots=True)
class Patience:
    """Rides out a connection that is cut, a server that starts again, memory that is full.

    A worker that gave up instead would end because of what passes, and acknowledgements behind an
    offset that could not be committed would be lost with it.
    """

    stops: Callable[[], bool]
    """Tells whether the app is stopping."""

    async def ask(
        self, question: Callable[P, Awaitable[T]], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Return the answer, however long it takes.

        The question has to be one that may be repeated: it may have arrived.

        Raises:
            UnreachableError: the log is still out of reach 2 s after the app was stopped.
        """
        pause_s, end_s = FIRST_PAUSE_S, float("inf")
        while True:
            if self.stops():  # a server that hangs keeps each question for long
                end_s = min(end_s, monotonic() + STOPPING_S)
            try:
                async with asyncio.timeout(None if end_s == float("inf") else end_s - monotonic()):
                    return await question(*args, **kwargs)
            except UnreachableError as error:
                if monotonic() >= end_s:
                    raise
                COMPLAINTS.say("log out of reach", error)
            except TimeoutError:
                raise UnreachableError(f"no answer within {STOPPING_S:g} s of the stop") from None
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
