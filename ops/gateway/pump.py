"""The pump: what foreign programs left on the ingress key becomes sessions and items."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from time import monotonic

import structlog

from ...agents.journal import UnknownSessionError
from ...codecs.encoding import MalformedError, encode
from ...codecs.ingress import IngressItem, parse_ingress
from ...codecs.records import DeadLetter, Item, Session
from ...storage.log import IngressEntry, Log, LogError, NewEntry, UnreachableError
from ...storage.objects.store import ObjectsUnreachableError
from ..refusals import ConflictError, QuotaError, SessionClosedError
from ..sessions import Sessions
from .background import Background

WAITS_S = 5.0
"""For an entry."""
HELD_PAUSE_S = 0.05
"""Between two looks whether those that wait can be moved."""
FIRST_PAUSE_S = 0.05
HELD_S = 30.0
"""An entry whose object cannot be looked up waits for so long, and its session's next ones do."""
REFUSALS = (MalformedError, ConflictError, SessionClosedError, UnknownSessionError, QuotaError)
log = structlog.get_logger()


class Pump:
    """Moves entries from ``<namespace>:in:text`` into the log.

    Any number may run at once: the session id of an entry that names none follows from the
    entry's id, and a numbered item has its position, so an entry that is moved twice is stored
    once.

    Args:
        sessions: The door.
        owner: Key that the sessions belong to.
    """

    def __init__(self, sessions: Sessions, owner: str = "") -> None:
        self._sessions = sessions
        self._owner = owner
        self.background = Background("taking texts from the ingress key")
        self._held_since_s: dict[str, float] = {}
        """By id of entries that wait for the object source."""

    @property
    def _log(self) -> Log:
        return self._sessions.journal.log

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[None]:
        """Pump until the block is left."""
        async with self.background.running(self._run):
            yield

    async def _run(self) -> None:
        pause_s = FIRST_PAUSE_S
        while True:
            try:
                moved = await self.pump_once(WAITS_S)
                pause_s = FIRST_PAUSE_S
            except (UnreachableError, LogError) as error:
                log.warning("the log takes no items, trying again", error=str(error))
                pause_s = min(2 * pause_s, 2.0)
                await asyncio.sleep(pause_s)
                continue
            if self._held_since_s and not moved:
                await asyncio.sleep(HELD_PAUSE_S)

    async def pump_once(self, timeout_s: float = 0.0) -> int:
        """Move what is there, or comes in so long; return how many entries."""
        entries = await self._log.read_ingress(Item.TOPIC, timeout_s=timeout_s)
        done: list[str] = []
        held: set[bytes] = set()
        for entry in entries:
            session = entry.fields.get(b"session", entry.id.encode())
            if session not in held and await self._is_dealt_with(entry):
                done.append(entry.id)
            else:
                held.add(session)
        if done:
            await self._log.drop_ingress(Item.TOPIC, done)
        return len(done)

    async def _is_dealt_with(self, entry: IngressEntry) -> bool:
        """Move an entry or make it a dead letter; return False where it has to wait."""
        try:
            await self._accept(entry)
        except REFUSALS as error:
            await self._dead_letter(entry, str(error))
        except ObjectsUnreachableError as error:
            since_s = self._held_since_s.setdefault(entry.id, monotonic())
            if monotonic() - since_s < HELD_S:
                return False
            await self._dead_letter(entry, f"the object source was out of reach: {error}")
        except (UnreachableError, LogError):
            raise
        except Exception as error:  # a bug that one entry shows must not stop those behind it
            log.exception("bug while moving an ingress entry", entry=entry.id)
            await self._dead_letter(entry, f"a bug in the pump: {error!r}")
        self._held_since_s.pop(entry.id, None)
        return True

    async def _accept(self, entry: IngressEntry) -> None:
        item = parse_ingress(entry.fields)
        session = item.session or f"in-{entry.id}"
        existing = await self._existing(session)
        if existing is None or not existing.open:
            whole = item.seq is None and item.last and bool(item.text)
            described = self._sessions.described(
                session=session,
                mode=item.mode,
                voice=item.voice,
                open_=not whole,
                owner=self._owner,
            )
            if whole:
                await self._sessions.start(item.text, described)
                return
            if item.seq in (None, 0) or item.text:
                await self._sessions.open(described)
        # a session that is named after its entry has this item only, however often it is moved
        await self._add(session, item if item.session else replace(item, seq=0))

    async def _existing(self, session: str) -> Session | None:
        """Return the session's record: what later entries ask of voice and mode counts no more."""
        try:
            return (await self._sessions.journal.describe(session)).record
        except UnknownSessionError:
            return None

    async def _add(self, session: str, item: IngressItem) -> None:
        if item.text:
            await self._sessions.add_text(session, item.text, last=item.last, seq=item.seq)
        elif item.object:
            await self._sessions.add_object(
                session, item.object, last=item.last, seq=item.seq, waits=False
            )
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
