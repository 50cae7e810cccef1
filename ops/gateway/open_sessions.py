"""Open sessions: telling production that somebody listens, and closing those left alone."""

import asyncio
from collections import OrderedDict
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from time import monotonic

import structlog

from ...agents.journal import UnknownSessionError
from ...codecs.records import Item
from ...storage.errors import ForeignStreamError
from ...storage.log import LogError, UnreachableError
from ..progress import load_progress
from ..refusals import ConflictError
from ..sessions import Sessions
from .background import Background

REPORT_S = 3.0
"""Listening is reported for each session at most so often."""
LOOK_S = 1.0
RECENT_SESSIONS = 1_000
MAX_WATCHED = 10_000
log = structlog.get_logger()


class OpenSessions:
    """What a gateway does for sessions that stay open; any number of gateways may do it.

    A session that gets no item for its ``idle_close_s`` is closed by appending its last item,
    which is the same item whoever appends it.
    """

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions
        self.background = Background("looking after open sessions")
        self._reported_s: OrderedDict[str, float] = OrderedDict()
        self._watched: OrderedDict[str, tuple[int, float]] = OrderedDict()
        """(items, when that was seen) by session."""

    async def heard(self, session: str, position_s: float = -1.0) -> None:
        """Report that somebody listens to a session that is open or has a pace, and where."""
        self.watch(session)
        now_s = monotonic()
        if now_s - self._reported_s.get(session, float("-inf")) < REPORT_S:
            return
        self._reported_s[session] = now_s
        while len(self._reported_s) > MAX_WATCHED:
            self._reported_s.popitem(last=False)
        try:
            await self._sessions.control(session, "listening", position_s)
        except (UnreachableError, LogError) as error:
            # who listens hears what there is, and is reported again soon
            log.warning("a listener could not be reported", session=session, error=str(error))

    def watch(self, session: str) -> None:
        """Close the session once nobody has added to it for long."""
        self._watched.setdefault(session, (-1, monotonic()))
        while len(self._watched) > MAX_WATCHED:
            self._watched.popitem(last=False)

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[None]:
        """Look after open sessions until the block is left."""
        async with self.background.running(self._run):
            yield

    async def _run(self) -> None:
        known = False
        while True:
            try:
                if not known:
                    journal, index = self._sessions.journal, self._sessions.index
                    for one in await index.newest(RECENT_SESSIONS):
                        progress = (
                            None if one.ended_ms else await load_progress(journal, one.session)
                        )
                        if progress is not None and progress.open and not progress.done:
                            self.watch(progress.session)
                    known = True
                for session in list(self._watched):
                    await self._look_at_surely(session)
            except (UnreachableError, LogError) as error:
                log.warning("open sessions are not looked after, trying again", error=str(error))
            await asyncio.sleep(LOOK_S)

    async def _look_at_surely(self, session: str) -> None:
        try:
            await self._look_at(session)
        except ForeignStreamError as error:
            # until somebody adds to it again, or this process starts again
            self._watched.pop(session, None)
            log.warning("an open session is not looked after", session=session, why=str(error))

    async def _look_at(self, session: str) -> None:
        journal = self._sessions.journal
        try:
            description = await journal.describe(session)
        except UnknownSessionError:
            self._watched.pop(session, None)
            return
        state = await journal.of(Item).state(session)
        if state.closed or not description.record.open:
            self._watched.pop(session, None)
            return
        # it may have been pushed out meanwhile; then another gateway, or a restart, closes it
        items, since_s = self._watched.get(session, (state.next, monotonic()))
        if state.next != items:
            self._watched[session] = (state.next, monotonic())
        elif monotonic() - since_s > description.record.idle_close_s:
            log.info("closing a session that nobody adds to", session=session)
            try:
                await self._sessions.finish(session, seq=items)
            except ConflictError:
                return  # an item has come meanwhile
