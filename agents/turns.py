"""Whose work is done next, where the processor is the bottleneck."""

import asyncio
import heapq
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import lru_cache
from itertools import count
from time import monotonic, time
from typing import ParamSpec, TypeVar

from ..codecs.hls.grid import Grid
from ..codecs.session import Form
from .journal import Description

P = ParamSpec("P")
T = TypeVar("T")

SOON_S = 0.25
"""Audio that is due later than that is in no haste."""
QUIET_S = 0.03
"""For so long after a turn of a session that starts, what is in no haste does not begin: the next
stage of that session is about to need the processor."""
FADES = 0.9
"""What is left of the longest turn with each further one."""
MOST_QUIET_S = 0.3
"""Nobody waits for longer only because others start: where some always do, nothing else would."""
FREE_S = 1.0
"""A session may hold turns for so long at no cost; what it held fades by half a second a second."""
DEFERS = 4.0
"""Beyond that each second makes it due so many seconds later: what cannot be made in real time
would be the most overdue for ever, and nobody else would have a turn."""

TIME_ENOUGH_S = 10.0
"""A session whose run of segments is due later than that is served by runs."""


@dataclass(frozen=True, slots=True)
class Due:
    """When a piece of work is due, and whether its session is heard already."""

    at_s: float
    """Unix time; of a session that starts, when it was accepted."""
    starts: bool = False
    session: str = ""
    """Whose it is; empty for nobody's."""

    def in_haste(self, now_s: float) -> bool:
        """Tell whether it is due so soon that nothing else should come before it."""
        return self.starts or self.at_s <= now_s + SOON_S


NOW = Due(0.0)


class Turns:
    """A semaphore that serves its waiters in order of need rather than of arrival.

    What is due first goes first: its listener would run dry first. Sessions that start come in
    their order, behind what could run dry if another's turn came first, and before all else. While
    one starts, nothing else begins.

    Args:
        at_once: Turns that can be held at the same time.
        kept: Turns of these that nobody gets who is in no haste.
        reserved_s: For so long after a turn nobody starts whose predecessor is not well ahead: it
            may be back with its next piece in a moment.
    """

    def __init__(self, at_once: int, kept: int = 0, *, reserved_s: float = 0.0) -> None:
        self.at_once = at_once
        """Turns there are in all."""
        self._kept = kept
        self._longest_s = 0.0
        """Of the turns of late."""
        self._reserved_s = reserved_s
        self._reservations = 0
        self._starting = 0
        """Turns of sessions that start: asked for, held, or over for less than ``QUIET_S``."""
        self._free = at_once
        self._waiting: dict[bool, list[_Place]] = {False: [], True: []}
        """Who waits: a heap for sessions that are heard, and one for those that start."""
        self._arrival = count()
        self._held: dict[str, tuple[float, float]] = {}
        """By session: seconds that it held turns for, and when that was."""

    @asynccontextmanager
    async def take(self, due: Due = NOW) -> AsyncGenerator[None]:
        """Hold a turn."""
        loop = asyncio.get_running_loop()
        turn: asyncio.Future[None] = loop.create_future()
        if due.starts:
            self._starting += 1
        try:
            async with self._taken(due, turn):
                yield
        finally:
            if due.starts:
                loop.call_later(QUIET_S, self._end_quiet)

    def _end_quiet(self) -> None:
        self._starting -= 1
        self._serve()

    @asynccontextmanager
    async def _taken(self, due: Due, turn: asyncio.Future[None]) -> AsyncGenerator[None]:
        due = replace(due, at_s=due.at_s + self._deferred_s(due.session))
        place = _Place(due.at_s, next(self._arrival), due, turn)
        heapq.heappush(self._waiting[due.starts], place)
        self._serve()
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._give_back()  # the turn came just before the cancellation
            raise
        begun_s = monotonic()
        try:
            yield
        finally:
            held_s = monotonic() - begun_s
            self._longest_s = max(held_s, FADES * self._longest_s)
            self._note_held(due.session, held_s)
            self._reserve(due)
            self._give_back()

    def _deferred_s(self, session: str) -> float:
        """Return how much later a session is due than it would be: it held turns for long."""
        return DEFERS * max(0.0, self._holds_s(session) - FREE_S)

    def _holds_s(self, session: str) -> float:
        if session not in self._held:
            return 0.0
        held_s, at_s = self._held[session]
        return max(0.0, held_s - (monotonic() - at_s) / 2)

    def _note_held(self, session: str, held_s: float) -> None:
        if not session:
            return
        self._held[session] = (self._holds_s(session) + held_s, monotonic())
        for other in [one for one in self._held if not self._holds_s(one)]:
            del self._held[other]

    @property
    def _soon_s(self) -> float:
        """What is due in so long could run dry: it may have to wait for a turn, and takes one."""
        return SOON_S + 2 * self._longest_s

    def _reserve(self, due: Due) -> None:
        if self._reserved_s and (due.starts or due.at_s <= time() + self._soon_s):
            # counted, not dated: a timer may come a moment before its time, and only once
            self._reservations += 1
            # and no longer than a turn: who waits for it in vain could have had one
            reserved_s = min(self._reserved_s, self._longest_s)
            asyncio.get_running_loop().call_later(reserved_s, self._end_reservation)

    def _end_reservation(self) -> None:
        self._reservations -= 1
        self._serve()

    def _give_back(self) -> None:
        self._free += 1
        self._serve()

    def _serve(self) -> None:
        now_s = time()
        while self._free:
            starting = None if self._reservations else self._first(starts=True)
            heard = self._first(starts=False)
            kept = self._free <= self._kept and not starting
            lazy = heard is not None and kept and not heard.due.in_haste(now_s)
            if heard and (lazy or self._is_quiet_for(heard, now_s)):
                heard = None
            chosen = heard or starting
            if chosen is None:
                return
            heapq.heappop(self._waiting[chosen.due.starts])
            self._free -= 1
            chosen.turn.set_result(None)

    def _is_quiet_for(self, place: "_Place", now_s: float) -> bool:
        """Tell whether a session starts, and this can wait."""
        if not self._starting or monotonic() - place.since_s >= MOST_QUIET_S:
            return False
        return place.due.at_s > now_s + self._soon_s

    def _first(self, *, starts: bool) -> "_Place | None":
        """Return who is first of those that still wait."""
        heap = self._waiting[starts]
        while heap and heap[0].turn.done():
            heapq.heappop(heap)  # cancelled
        return heap[0] if heap else None


@dataclass(order=True, slots=True)
class _Place:
    """Somebody who waits: what is due first goes first, equals in order of arrival."""

    at_s: float
    arrival: int
    due: Due = field(compare=False)
    turn: asyncio.Future[None] = field(compare=False)
    since_s: float = field(compare=False, default_factory=monotonic)


def grid_of(form: Form) -> Grid:
    """Return the segments of a form; the same one for the same form."""
    return _grid(form.segment_s, form.ramp, form.sample_rate_hz)


@lru_cache(maxsize=64)
def _grid(segment_s: float, ramp: bool, sample_rate_hz: int) -> Grid:
    return Grid(segment_s=segment_s, ramp=ramp, sample_rate_hz=sample_rate_hz)


def needed_from(form: Form, sample: int) -> int:
    """Return the sample at whose time another one is needed.

    A segment is heard from its first sample on, and made once its last one is there.
    """
    return grid_of(form).sample_of_segment(sample)


def due(session: Description, position_s: float, heard_from_s: float | None) -> Due:
    """Return when a position of a session is due.

    Args:
        session: The session.
        position_s: Seconds from its first sample.
        heard_from_s: Unix time at which somebody could begin to listen; None where that is still
            to come.
    """
    if heard_from_s is None:
        return Due(session.accepted_s + position_s, starts=True, session=session.session)
    return Due(heard_from_s + position_s, session=session.session)


@dataclass(frozen=True, slots=True)
class CodecTurns:
    """Turns of one session's mastering and encoding, each in a thread.

    What is due first goes first. So the first segment of a new session waits neither for its own
    later audio nor for that of sessions that are well ahead of their listeners.

    Those are served by runs: all of a run is due when its first segment is, so who has begun one
    finishes it before another begins. Encoders, resamplers and the audio between them are held for
    the sessions that are served, and not for all that are live.
    """

    turns: Turns
    session: Description
    heard_from_s: float | None = None
    """Unix time at which somebody could begin to listen; None where that is still to come."""

    async def run(self, sample: int, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Do the work on the audio from this sample on."""
        async with self.turns.take(self._due(sample)):
            return await asyncio.to_thread(work, *args, **kwargs)

    async def reach(self, sample: int) -> None:
        """Wait until the session is served, for who has time: what follows is not in memory yet."""
        if self.has_time(sample):
            async with self.turns.take(self._due(sample)):
                pass

    def has_time(self, sample: int) -> bool:
        """Tell whether the run that holds a sample is due so late that others come first."""
        return self.due_in_s(sample) > TIME_ENOUGH_S

    def due_in_s(self, sample: int) -> float:
        """Return in how many seconds the run that holds a sample is due."""
        return self._run_due_s(sample) - time()

    def _run_due_s(self, sample: int) -> float:
        form = self.session.form
        if self.heard_from_s is None:
            return 0.0
        return self.heard_from_s + grid_of(form).sample_of_run(sample) / form.sample_rate_hz

    def _due(self, sample: int) -> Due:
        when = due(self.session, sample / self.session.form.sample_rate_hz, self.heard_from_s)
        return replace(when, at_s=self._run_due_s(sample)) if self.has_time(sample) else when
