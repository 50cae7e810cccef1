"""What foreign programs leave at the ingress keys: texts and other items, and requests in words."""

from dataclasses import dataclass, replace

from ...agents.journal import UnknownSessionError
from ...codecs.ingress import IngressItem, parse_item, parse_request
from ...codecs.records import Item, Request, Session
from ...storage.log import IngressEntry
from ..listeners import Listeners
from ..sessions import Sessions


@dataclass(frozen=True, slots=True)
class ItemDoor:
    """Makes sessions and items of the entries of ``<namespace>:in:text``.

    The session id of an entry that names none follows from the entry's id, and a numbered item has
    its position.
    """

    sessions: Sessions
    owner: str = ""
    """Key that the sessions belong to."""

    @property
    def topic(self) -> str:
        return Item.TOPIC

    def holds_up(self, entry: IngressEntry) -> bytes:
        return entry.fields.get(b"session", entry.id.encode())

    async def accept(self, entry: IngressEntry) -> None:
        item = parse_item(entry.fields)
        session = item.session or f"in-{entry.id}"
        existing = await self._existing(session)
        if existing is None or not existing.open:
            whole = item.seq is None and item.last and bool(item.text)
            described = self.sessions.described(
                session=session,
                mode=item.mode,
                voice=item.voice,
                open_=not whole,
                owner=self.owner,
            )
            if whole:
                await self.sessions.start(item.text, described)
                return
            if item.seq in (None, 0) or item.text:
                await self.sessions.open(described)
        # a session that is named after its entry has this item only, however often it is moved
        await self._add(session, item if item.session else replace(item, seq=0))

    async def _existing(self, session: str) -> Session | None:
        """Return the session's record: what later entries ask of voice and mode counts no more."""
        try:
            return (await self.sessions.journal.describe(session)).record
        except UnknownSessionError:
            return None

    async def _add(self, session: str, item: IngressItem) -> None:
        if item.text:
            await self.sessions.add_text(session, item.text, last=item.last, seq=item.seq)
        elif item.object:
            await self.sessions.add_object(
                session, item.object, last=item.last, seq=item.seq, waits=False
            )
        elif item.silence_s:
            await self.sessions.add_silence(session, item.silence_s, last=item.last, seq=item.seq)
        else:
            await self.sessions.finish(session, seq=item.seq)


@dataclass(frozen=True, slots=True)
class RequestDoor:
    """Has listeners ask what is left at ``<namespace>:in:request``."""

    listeners: Listeners
    owner: str = ""
    """Key that the listeners belong to."""

    @property
    def topic(self) -> str:
        return Request.TOPIC

    def holds_up(self, entry: IngressEntry) -> bytes:
        return entry.fields.get(b"listener", b"")

    async def accept(self, entry: IngressEntry) -> None:
        asked = parse_request(entry.fields)
        await self.listeners.ask(
            asked.listener,
            asked.text,
            objects=asked.objects,
            language=asked.language,
            source="topic",
            entry=entry.id,
            owner=self.owner,
        )
