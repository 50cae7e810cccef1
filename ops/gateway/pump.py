"""The pump: what foreign programs left on the ingress key becomes sessions and items."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace

import structlog

from ...agents.journal import UnknownSessionError
from ...codecs.encoding import MalformedError, encode
from ...codecs.ingress import IngressItem, parse_ingress
from ...codecs.records import DeadLetter, Item
from ...storage.log import IngressEntry, Log, LogError, NewEntry, UnreachableError
from ..refusals import ConflictError, SessionClosedError
from ..sessions import Sessions

IDLE_S = 0.05
REFUSALS = (MalformedError, ConflictError, SessionClosedError, UnknownSessionError)
log = structlog.get_logger()


class Pump:
    """Moves entries from ``<namespace>:in:text`` into the log.

    Any number may run at once: the session id of an entry that names none follows from the
    entry's id, and a numbered item has its position, so an entry that is moved twice is stored
    once.
    """

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    @property
    def _log(self) -> Log:
        return self._sessions.journal.log

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[None]:
        """Pump until the block is left."""
        task = asyncio.create_task(self._run())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait([task])
            if not task.cancelled():
                task.result()  # a bug that ended it early is raised here

    async def _run(self) -> None:
        pause = IDLE_S
        while True:
            try:
                moved = await self.pump_once()
                pause = IDLE_S
            except (UnreachableError, LogError) as error:
                log.warning("the log takes no items, trying again", error=str(error))
                moved, pause = 0, min(2 * pause, 2.0)
            if not moved:
                await asyncio.sleep(pause)

    async def pump_once(self) -> int:
        """Move what waits; return how many entries."""
        entries = await self._log.read_ingress(Item.TOPIC)
        for entry in entries:
            try:
                await self._accept(entry)
            except REFUSALS as error:
                await self._dead_letter(entry, str(error))
        if entries:
            await self._log.drop_ingress(Item.TOPIC, [entry.id for entry in entries])
        return len(entries)

    async def _accept(self, entry: IngressEntry) -> None:
        item = parse_ingress(entry.fields)
        whole = item.seq is None and item.last and bool(item.text)
        described = self._sessions.described(
            session=item.session or f"in-{entry.id}",
            mode=item.mode,
            voice=item.voice,
            open_=not whole,
        )
        if whole and not await self._is_open(item):
            await self._sessions.start(item.text, described)
            return
        if item.seq in (None, 0) or item.text:
            await self._sessions.open(described)
        # a session that is named after its entry has this item only, however often it is moved
        await self._add(described.session, item if item.session else replace(item, seq=0))

    async def _is_open(self, item: IngressItem) -> bool:
        """Tell whether the entry adds to a session that was accepted open."""
        if not item.session:
            return False
        try:
            return (await self._sessions.journal.describe(item.session)).record.open
        except UnknownSessionError:
            return False

    async def _add(self, session: str, item: IngressItem) -> None:
        if item.text:
            await self._sessions.add_text(session, item.text, last=item.last, seq=item.seq)
        elif item.object:
            await self._sessions.add_object(session, item.object, last=item.last, seq=item.seq)
        elif item.silence_s:
            await self._sessions.add_silence(session, item.silence_s, last=item.last, seq=item.seq)
        else:
            await self._sessions.finish(session, seq=item.seq)

    async def _dead_letter(self, entry: IngressEntry, reason: str) -> None:
        value = b" ".join(name + b"=" + content for name, content in entry.fields.items())
        log.warning("ingress entry refused", entry=entry.id, reason=reason)
        letter = DeadLetter(
            session="",
            stage="pump",
            topic=f"in:{Item.TOPIC}",
            partition=0,
            offset=int(entry.id.partition("-")[0]),
            reason=reason[:1000],
            value=value[:32_000],
        )
        await self._log.append(
            DeadLetter.TOPIC, 0, [NewEntry(key=entry.id.encode(), value=encode(letter))]
        )
