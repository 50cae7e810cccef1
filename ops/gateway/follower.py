"""Following the end of topics once for everyone in the process who waits on a session."""

import asyncio
from collections import OrderedDict
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import TypeVar
from weakref import WeakValueDictionary

import structlog

from ...agents.journal import STEP_ENTRIES, Journal
from ...codecs.encoding import MalformedError, decode
from ...codecs.records import Answered, DeviceFrames, Event, SequenceRecord
from ...storage.errors import OUT_OF_REACH
from ...storage.foreign_streams import next_to_read
from ...storage.log import Entry, LogError, TruncatedError, UnreachableError
from ..progress import Progress, load_progress
from .background import Background

KEPT_SESSIONS = 2_000
TRY_AGAIN_S = 0.5
LONGEST_READ_S = 4.0
"""How long a read waits; a stop whose cancellation is lost waits for its end."""
LOST = "the log's server lost its last writes, and this session with them: ask for it again"
R = TypeVar("R", bound=SequenceRecord)
log = structlog.get_logger()


class Follower:
    """Reads ``event``, ``device`` and ``answer`` from their ends and wakes who waits for a session.

    There is no group and no offset to keep: whoever listens has a cursor of its own, and a
    process that dies loses its connections and nothing else.
    """

    def __init__(self, journal: Journal) -> None:
        self.journal = journal
        # who waits holds the event: sessions that nobody waits for any more are forgotten
        self._changed: WeakValueDictionary[str, asyncio.Event] = WeakValueDictionary()
        self._epoch = 0
        """The log's epoch in which it is followed."""
        self._progress: OrderedDict[str, Progress] = OrderedDict()
        # what was pushed out, but is still looked at by somebody, must go on
        self._looked_at: WeakValueDictionary[str, Progress] = WeakValueDictionary()
        self.background = Background("following the log")
        self.on_event: list[Callable[[Progress, Event], None]] = []
        """Called with each live event after it was folded in."""

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[None]:
        """Follow until the block is left."""
        positions: dict[tuple[str, int], int] = {}
        self._epoch = self.journal.log.epoch
        log_, partitions = self.journal.log, self.journal.partitions
        for topic in (Event.TOPIC, DeviceFrames.TOPIC, Answered.TOPIC):
            await log_.declare(topic, partitions)
            for number in range(partitions):
                positions[topic, number] = await next_to_read(log_, topic, number)
        async with self.background.running(partial(self._follow, positions)):
            yield

    async def _follow(self, positions: dict[tuple[str, int], int]) -> None:
        task = asyncio.current_task()
        assert task is not None
        while not task.cancelling():  # a cancellation may be lost in wait_for before Python 3.12
            try:
                if self._epoch != self.journal.log.epoch:
                    await self._learn_anew()
                found = await self.journal.log.read(
                    positions, limit=100, timeout_s=LONGEST_READ_S, epoch=self._epoch
                )
                for place, entries in found.items():
                    for entry in entries:
                        await self._see_surely(place[0], entry)
                        # not before: what could not be looked up is to be seen again
                        positions[place] = entry.offset + 1
            except TruncatedError as lost:
                positions |= lost.starts
            except (UnreachableError, LogError) as error:
                # a server without memory, say, may be given some: listeners must not freeze
                log.warning("the log cannot be followed, trying again", error=str(error))
                await asyncio.sleep(TRY_AGAIN_S)

    async def _learn_anew(self) -> None:
        """Take the sessions as the log has them, which has lost some of what was told of them."""
        epoch = self.journal.log.epoch
        self._progress.clear()
        for session, known in list(self._looked_at.items()):
            loaded = await load_progress(self.journal, session)
            known.become(loaded or Progress(session, done=True, error=LOST))
        while self._changed:
            self._changed.popitem()[1].set()
        self._epoch = epoch

    async def _see_surely(self, topic: str, entry: Entry) -> None:
        try:
            await self._see(topic, entry)
        except (UnreachableError, LogError):
            raise
        except Exception as error:  # a bug that one entry shows must not stop those behind it
            log.exception("bug while following an entry", topic=topic, offset=entry.offset)
            self.background.failed(error)

    async def _see(self, topic: str, entry: Entry) -> None:
        session = (entry.key or b"").decode(errors="replace")
        if topic == Event.TOPIC:
            try:
                event = decode(entry.value or b"", Event)
                progress = await self.progress(session)
            except MalformedError as error:
                log.warning("not an event, ignored", offset=entry.offset, error=str(error))
                return
            if progress is not None:
                progress.apply(event, entry.timestamp_ms)
                for callback in self.on_event:
                    callback(progress, event)
        changed = self._changed.pop(session, None)
        if changed is not None:
            changed.set()

    async def progress(self, session: str) -> Progress | None:
        """Return how far the session is, None if it was never accepted."""
        known = self._looked_at.get(session)
        if known is not None and known.done and not await self.journal.still_has(session):
            self._looked_at.pop(session, None)  # it was removed
            self._progress.pop(session, None)
            return None
        if known is None:
            loaded = await load_progress(self.journal, session)
            if loaded is None:
                return None
            # another may have loaded it meanwhile: events must all fall on one object
            known = self._looked_at.setdefault(session, loaded)
        self._progress[session] = known
        self._progress.move_to_end(session)
        while len(self._progress) > KEPT_SESSIONS:
            self._progress.popitem(last=False)
        return known

    def next_change(self, session: str) -> asyncio.Event:
        """Return what is set when the session next changes.

        To miss nothing, take it before looking at the progress, and wait for it after.
        """
        return self._changed.setdefault(session, asyncio.Event())

    @staticmethod
    async def wait(change: asyncio.Event, timeout_s: float) -> bool:
        """Wait for a change; False on time-out."""
        try:
            async with asyncio.timeout(timeout_s):
                await change.wait()
        except TimeoutError:
            return False
        return True

    async def follow(
        self, kind: type[R], sequence: str, start: int = 0, *, patience_s: float
    ) -> AsyncGenerator[R | None]:
        """Yield a sequence's records as they come, in bounded steps, to its last one.

        Yields None where nothing came for ``patience_s``, so that the caller may give up. Only
        topics that the follower reads wake it. It goes on once a log out of reach is back.
        """
        session = sequence.partition("/")[0]
        sequences = self.journal.of(kind)
        while True:
            change = self.next_change(session)
            try:
                found = await sequences.records(sequence, start, limit=STEP_ENTRIES)
            except OUT_OF_REACH as error:
                log.warning("a listener waits for the log", session=session, error=str(error))
                await asyncio.sleep(TRY_AGAIN_S)
                continue
            for record in found:
                start = record.end
                yield record
                if record.last:
                    return
            if not found and not await self.wait(change, patience_s):
                yield None
