"""What the engine asks of the log is asked again while the log is out of reach."""

import asyncio
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import ParamSpec, TypeVar

import structlog

from ...storage.log import UnreachableError

P = ParamSpec("P")
T = TypeVar("T")

STOPPING_S = 3.0
"""An app that is stopping waits for so long: what was not committed is delivered again."""
LAST_QUESTION_S = 0.05
"""And then for so long for each answer, as most are there at once, until one is not."""
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


class Patience:
    """Rides out a connection that is cut, a server that starts again, memory that is full.

    A worker that gave up instead would end because of what passes, and acknowledgements behind an
    offset that could not be committed would be lost with it. An app has one: however much it asks
    while it stops, all of it together is waited for as long.

    Args:
        stops: tells whether the app is stopping.
    """

    def __init__(self, stops: Callable[[], bool]) -> None:
        self._stops = stops
        self._ends_s: float | None = None
        self._gave_up = False
        """Whether a question after the end had no answer: no other will have one."""
        self._limits: set[asyncio.Timeout] = set()
        """Of the questions under way."""

    async def ask(
        self, question: Callable[P, Awaitable[T]], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Return the answer, however long it takes.

        The question has to be one that may be repeated: it may have arrived.

        Raises:
            UnreachableError: the log is still out of reach 3 s after the app was stopped.
        """
        pause_s = FIRST_PAUSE_S
        while True:
            try:
                return await self._ask_once(question, *args, **kwargs)
            except UnreachableError as error:
                if self._is_over():
                    self._gave_up = True
                    raise
                COMPLAINTS.say("log out of reach", error)
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)

    async def _ask_once(
        self, question: Callable[P, Awaitable[T]], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        limit = asyncio.timeout(self.left_s())
        try:
            async with limit:
                self._limits.add(limit)
                return await question(*args, **kwargs)
        except TimeoutError:
            if not limit.expired():
                raise
            raise UnreachableError(f"no answer within {STOPPING_S:g} s of the stop") from None
        finally:
            self._limits.discard(limit)

    def _is_over(self) -> bool:
        self.left_s()  # from the first look on, the stop has begun
        return self._ends_s is not None and monotonic() >= self._ends_s

    def left_s(self) -> float | None:
        """Return how long a question may take from now on; None for as long as it takes."""
        if not self._stops():
            self._ends_s, self._gave_up = None, False  # an app may be started again
            return None
        if self._ends_s is None:
            self._ends_s = monotonic() + STOPPING_S
        return max(self._ends_s - monotonic(), 0.0 if self._gave_up else LAST_QUESTION_S)

    def at_most(self, seconds: float) -> float:
        """Return so many seconds, or what is left where that is less."""
        left_s = self.left_s()
        return seconds if left_s is None else min(left_s, seconds)

    def hurry(self) -> None:
        """Bound what is asked already, where the app is stopping: a server that hangs keeps it."""
        left_s = self.left_s()
        if left_s is not None:
            end_s = asyncio.get_running_loop().time() + left_s
            for limit in self._limits:
                if not limit.expired():
                    limit.reschedule(end_s)
