"""Following the end of topics once for everyone in the process who waits on a session."""

import asyncio
from collections import OrderedDict
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager

import structlog

from ..codecs.records import DeviceFrames, Event
from ..codecs.wire import unpack
from ..storage.log import Entry, Log, UnreachableError
from .progress import Progress, load_progress

KEPT_SESSIONS = 2_000
log = structlog.get_logger()


class Tail:
    """Reads ``event`` and ``device`` from their ends and wakes who waits for a session.

    Here is no group and no offset to keep: whoever listens has a cursor of its own, and a
    process that dies loses its connections and nothing else.
    """

    def __init__(self, log: Log, partitions: int) -> None:
        self._log = log
        self._partitions = partitions
        self._changed: dict[str, asyncio.Event] = {}
        self._progress: OrderedDict[str, Progress] = OrderedDict()
        self.on_event: list[Callable[[Progress, Event], None]] = []
        """Called with each live event after it was folded in."""

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[None]:
        """Follow until the block is left."""
        positions: dict[tuple[str, int], int] = {}
        for topic in (Event.TOPIC, DeviceFrames.TOPIC):
            await self._log.declare(topic, self._partitions)
            for number in range(self._partitions):
                positions[topic, number] = (await self._log.span(topic, number)).next
        task = asyncio.create_task(self._follow(positions))
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _follow(self, positions: dict[tuple[str, int], int]) -> None:
        while True:
            try:
                found = await self._log.read(positions, limit=100, timeout_s=1.0)
                for place, entries in found.items():
                    positions[place] = entries[-1].offset + 1
                    for entry in entries:
                        await self._see(place[0], entry)
            except UnreachableError as error:
                log.warning("log out of reach, trying again", error=str(error))
                await asyncio.sleep(0.5)

    async def _see(self, topic: str, entry: Entry) -> None:
        session = (entry.key or b"").decode()
        if topic == Event.TOPIC:
            event = unpack(entry.value or b"", Event)
            progress = await self.progress(session)
            if progress is not None:
                progress.apply(event, entry.timestamp_ms)
                for callback in self.on_event:
                    callback(progress, event)
        changed = self._changed.pop(session, None)
        if changed is not None:
            changed.set()

    async def progress(self, session: str) -> Progress | None:
        """Return how far the session is, None if it was never accepted."""
        known = self._progress.get(session)
        if known is None:
            loaded = await load_progress(self._log, self._partitions, session)
            if loaded is None:
                return None
            # another may have loaded it meanwhile: events must all fall on one object
            known = self._progress.setdefault(session, loaded)
            while len(self._progress) > KEPT_SESSIONS:
                self._progress.popitem(last=False)
        else:
            self._progress.move_to_end(session)
        return known

    def next_change(self, session: str) -> asyncio.Event:
        """Return what is set at the session's next word.

        To miss nothing, take it before looking at the progress, and wait for it after.
        """
        return self._changed.setdefault(session, asyncio.Event())

    @staticmethod
    async def wait(change: asyncio.Event, timeout_s: float) -> bool:
        """Wait for a change; False on time-out."""
        try:
            await asyncio.wait_for(change.wait(), timeout_s)
        except TimeoutError:
            return False
        return True
