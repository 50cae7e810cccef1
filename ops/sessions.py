"""The door through which sessions and their items enter: durable before the answer."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from ..agents.controls import append_control
from ..agents.journal import Description, Journal, UnknownSessionError
from ..codecs.build import codec_build
from ..codecs.encoding import MalformedError
from ..codecs.records import Control, Item, Session, check_session, text_items
from ..codecs.session import Form, Mode, Pace, VoiceSettings, not_made_yet, pauses_for
from ..storage.memory.session_index import MemorySessionIndex
from ..storage.objects.source import ObjectSource
from ..storage.session_index import SessionIndex
from .adding import Adding
from .quotas import Quotas
from .refusals import ConflictError, SessionClosedError, check_new, checked_text
from .session_objects import version_of


def new_session_id() -> str:
    """Return a session id that nobody can guess."""
    return secrets.token_hex(16)


@dataclass(frozen=True, slots=True)
class Sessions:
    """Accepts sessions and items."""

    journal: Journal
    objects: ObjectSource | None = None
    """Where object items are looked up; None refuses them."""
    form: Form = field(default_factory=Form)
    """What a session gets that asks for no form of its own."""
    check_voice: Callable[[VoiceSettings], None] = lambda _: None
    """Raises ValueError for a voice or language that nobody here speaks."""
    quotas: Quotas | None = None
    """Counts what the owners of sessions use; None counts nothing."""
    index: SessionIndex = field(default_factory=MemorySessionIndex)
    """Which sessions there are."""

    @property
    def _adding(self) -> Adding:
        return Adding(self.journal, self.index, self.quotas)

    def described(
        self,
        *,
        session: str | None = None,
        mode: Mode = "narrate",
        voice: VoiceSettings | None = None,
        form: Form | None = None,
        open_: bool = False,
        idle_close_s: float = 600.0,
        ahead_s: float = 0.0,
        owner: str = "",
    ) -> Session:
        """Return the record of a session that could be accepted now.

        Raises:
            MalformedError: in one sentence, what is out of bounds or cannot be made yet.
        """
        voice = voice or VoiceSettings()
        form = form or self.form
        refusal = not_made_yet(form)
        if refusal:
            raise MalformedError(refusal)
        try:
            self.check_voice(voice)
            return Session(
                session=session or new_session_id(),
                mode=mode,
                voice=voice,
                form=form,
                pauses=pauses_for(voice.language),
                open=open_,
                idle_close_s=idle_close_s,
                pace=Pace(ahead_s=ahead_s),
                owner=owner,
                codec_build=codec_build(),
                last=True,
            )
        except ValueError as error:
            raise MalformedError(str(error)) from None

    async def start(self, text: str, described: Session | None = None) -> Session:
        """Accept a whole session of one text; return its record.

        Raises:
            MalformedError: the text is out of bounds; the message says what is allowed.
            ConflictError: there is a session of that id with another text.
            QuotaError: its owner has no more characters or sessions.
            UnreachableError: the log does not answer.
        """
        session = described or self.described()
        items = text_items(session.session, 0, check_new(text), item_end=True, last=True)
        await self._adding.session(session, *items)
        return session

    async def open(self, described: Session) -> Session:
        """Accept an open session, to which items are added later.

        Raises:
            ConflictError: there is a session of that id already, and it is not open; or there was.
        """
        if not await self._adding.session(described):
            try:
                stored = await self.journal.describe(described.session)
            except UnknownSessionError:
                raise ConflictError(f"{described.session} was deleted: choose another id") from None
            if not stored.record.open:
                raise ConflictError(f"session {described.session} exists and is not open")
        return described

    async def add_text(
        self,
        session: str,
        text: str,
        *,
        item_end: bool = False,
        last: bool = False,
        seq: int | None = None,
    ) -> int:
        """Add text to an open session, joined to the text before it; return its position.

        Raises:
            MalformedError: the text is out of bounds.
            UnknownSessionError, SessionClosedError, ConflictError: the session does not take it.
        """
        checked = checked_text(text)
        description = await self._open_session(session)
        # what a model writes from is complete with each call
        ends = item_end or description.mode == "expand"
        return await self._adding.items(
            description.record.owner,
            session,
            seq,
            lambda at: text_items(session, at, checked, item_end=ends, last=last),
        )

    async def add_silence(
        self, session: str, seconds: float, *, last: bool = False, seq: int | None = None
    ) -> int:
        """Add silence to an open session; return its position.

        Raises:
            MalformedError: it is not longer than 0 s and at most 600 s.
            UnknownSessionError, SessionClosedError, ConflictError: the session does not take it.
        """
        description = await self._open_session(session)
        try:
            Item(session=session, seq=0, kind="silence", seconds=seconds)
        except ValueError as error:
            raise MalformedError(str(error)) from None
        return await self._adding.items(
            description.record.owner,
            session,
            seq,
            lambda at: (Item(session=session, seq=at, kind="silence", seconds=seconds, last=last),),
        )

    async def add_object(
        self,
        session: str,
        name: str,
        *,
        last: bool = False,
        seq: int | None = None,
        waits: bool = True,
    ) -> int:
        """Add an audio object to an open session, in the version it has now; return its position.

        Without ``waits`` nobody is asked on the web: its hosts may be slow, and others in line.

        Raises:
            MalformedError: there is no such object, or the name is not one.
            UnknownSessionError, SessionClosedError, ConflictError: the session does not take it.
        """
        description = await self._open_session(session)
        etag = await version_of(self.objects, name, waits=waits)
        return await self._adding.items(
            description.record.owner,
            session,
            seq,
            lambda at: (
                Item(session=session, seq=at, kind="object", object=name, etag=etag, last=last),
            ),
        )

    async def finish(self, session: str, *, seq: int | None = None) -> None:
        """Close an open session: what it has is heard to its end. Finishing again is harmless.

        Raises:
            UnknownSessionError: there is no such session.
        """
        await self.journal.describe(check_session(session))
        if (await self.journal.of(Item).state(session)).closed:
            return
        try:
            await self._adding.items(
                "",  # an end costs nothing
                session,
                seq,
                lambda at: (Item(session=session, seq=at, kind="end", last=True),),
            )
        except SessionClosedError:
            return  # another has finished it meanwhile

    async def cancel(self, session: str) -> None:
        """End a session where its audio is; raises as `control`."""
        await self.control(session, "cancel")

    async def remove(self, session: str) -> None:
        """Cancel a session, and have all that is kept of it removed once it has ended.

        Raises:
            UnknownSessionError: there is no such session.
        """
        if not await self.journal.still_has(check_session(session)):
            raise UnknownSessionError(f"there is no session {session}")
        await self.cancel(session)
        record = (await self.journal.describe(session)).record
        await self.index.add(session, record.owner)  # it may have been lost
        await self.index.ask_removal(session)

    async def control(
        self, session: str, verb: Literal["cancel", "listening"], position_s: float = -1.0
    ) -> None:
        """Append to a session's control sequence, unless it is cancelled already.

        Raises:
            UnknownSessionError: there is no such session.
        """
        await self.journal.describe(check_session(session))
        ends = verb == "cancel"
        asked = Control(session=session, seq=0, verb=verb, position_s=position_s, last=ends)
        await append_control(self.journal.of(Control), asked)

    async def _open_session(self, session: str) -> Description:
        try:
            check_session(session)
        except ValueError as error:
            raise UnknownSessionError(str(error)) from None
        description = await self.journal.describe(session)
        if not description.record.open or description.record.kind == "listener":
            raise SessionClosedError(
                f"session {session} was accepted whole and takes no more items"
            )
        if (await self.journal.of(Control).state(session)).closed:
            raise SessionClosedError(f"session {session} was cancelled")
        return description
