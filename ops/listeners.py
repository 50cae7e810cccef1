"""The door through which listeners ask: durable before the answer, one after another."""

import asyncio
import hmac
import random
import re
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass

import msgspec

from ..agents.journal import R
from ..codecs.catalogue.limits import Limits
from ..codecs.encoding import MalformedError
from ..codecs.records import Allowance, Answered, Request, Session
from ..codecs.records.requests import MAX_REQUEST_CHARS, MOST_OBJECTS, Source
from ..codecs.session import VoiceSettings
from ..storage.access_keys import AccessKeys
from ..storage.errors import OverlapError
from ..storage.objects.names import check_source_name
from .refusals import ConflictError, checked_text
from .sessions import Sessions

APPEND_TRIES = 20
"""Several may speak for one listener; each try loses to one of them."""
LOOKED_BACK = 50
"""Requests among which the one of an ingress entry is looked for that comes again."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:@-]{0,99}")
Follow = Callable[..., AsyncGenerator[R | None]]
"""`Follower.follow`."""


@dataclass(frozen=True, slots=True)
class Listeners:
    """Takes what listeners ask.

    A listener is a session of its own that has no sound: its requests, how they were understood
    and what was played for them are its history.
    """

    sessions: Sessions
    keys: AccessKeys

    async def listener(self, name: str, owner: str = "") -> str:
        """Return the session of a listener of that name, which nobody can guess.

        Raises:
            MalformedError: it is no name.
            UnreachableError: the log does not answer.
        """
        if not _NAME.fullmatch(name):
            raise MalformedError(
                f"{name[:100]!r} is no listener's name: use 1 to 100 letters, digits, '.', ':', "
                "'@', '_' and '-', the first a letter or digit"
            )
        secret = await self.keys.secret()
        named = f"listener {owner}\0{name}".encode()
        return hmac.digest(secret, named, "sha256").hex()[:32]

    async def ask(
        self,
        name: str,
        text: str,
        *,
        objects: Sequence[str] = (),
        language: str = "",
        source: Source = "http",
        entry: str = "",
        owner: str = "",
    ) -> Request:
        """Take a request; return it as it was stored.

        Args:
            name: Who asks.
            text: In words; empty where objects are named.
            objects: Titles of the catalogue, by their files, in the order to be played.
            language: Of the words (BCP 47); empty for the listener's own.
            source: By which way it came.
            entry: Id of the ingress entry that it is of: what was taken before is not taken again.
            owner: Whose listener it is.

        Raises:
            MalformedError: the text, the language or the name is out of bounds.
            QuotaError: the owner has no more characters.
            ConflictError: too many ask for the listener at once.
            UnreachableError: the log does not answer.
        """
        asked = "" if objects else _checked(text)
        _check_objects(objects)
        voice = _voice(language)
        await self.listener(name, owner)  # what is no name costs nothing
        if self.sessions.quotas is not None:
            await self.sessions.quotas.spend(owner, len(text))
        listener = await self.known(name, owner, voice)
        requests = self.sessions.journal.of(Request)
        for lost in range(APPEND_TRIES):
            # who loses waits a little, and not as long as another: else one could lose every time
            await asyncio.sleep(lost * random.random() / 1000)  # noqa: S311 - no secret
            seq = (await requests.state(listener)).next
            request = Request(
                session=listener,
                seq=seq,
                text=asked,
                objects=tuple(objects),
                language=language,
                source=source,
                entry=entry,
            )
            taken = await self._taken(listener, seq, entry)
            if taken is not None:
                return taken
            try:
                if await requests.append(request):
                    return request
            except OverlapError:
                continue
        raise ConflictError("too many ask for this listener at once: try again")

    async def _taken(self, listener: str, seq: int, entry: str) -> Request | None:
        """Return the request that an entry became, if another pump was here before, or this one."""
        if not entry:
            return None
        requests = self.sessions.journal.of(Request)
        latest = await requests.records(listener, max(0, seq - LOOKED_BACK), seq)
        return next((one for one in latest if one.entry == entry), None)

    async def known(self, name: str, owner: str, voice: VoiceSettings | None = None) -> str:
        """Return the session of a listener, which is accepted where it is a new one.

        Raises:
            MalformedError: it is no name.
            UnreachableError: the log does not answer.
        """
        listener = await self.listener(name, owner)
        journal = self.sessions.journal
        if not (await journal.of(Session).state(listener)).closed:
            described = self.sessions.described(
                session=listener, voice=voice or VoiceSettings(), open_=True, owner=owner
            )
            await journal.append(msgspec.structs.replace(described, kind="listener"))
        return listener

    async def limits(self, name: str, owner: str = "") -> Limits:
        """Return what a listener may hear.

        Raises:
            MalformedError: it is no name.
            UnreachableError: the log does not answer.
        """
        listener = await self.listener(name, owner)
        last = await self.sessions.journal.of(Allowance).last(listener)
        return Limits() if last is None else last.limits

    async def limit(self, name: str, limits: Limits, owner: str = "") -> None:
        """Decide what a listener may hear from now on.

        Raises:
            MalformedError: it is no name.
            ConflictError: others decide at the same time.
            UnreachableError: the log does not answer.
        """
        listener = await self.known(name, owner)
        allowances = self.sessions.journal.of(Allowance)
        for lost in range(APPEND_TRIES):
            await asyncio.sleep(lost * random.random() / 1000)  # noqa: S311 - no secret
            seq = (await allowances.state(listener)).next
            if await allowances.append(Allowance(session=listener, seq=seq, limits=limits)):
                return
        raise ConflictError("too many decide for this listener at once: try again")

    async def answer(
        self, listener: str, seq: int, follow: Follow[Answered], wait_s: float
    ) -> Answered | None:
        """Return the answer to a request, None where there is none after so long.

        Raises:
            UnreachableError: the log does not answer.
        """
        end_s = asyncio.get_running_loop().time() + wait_s
        async with aclosing(follow(Answered, listener, seq, patience_s=max(0.01, wait_s))) as told:
            async for answered in told:
                if answered is not None:
                    return answered
                if asyncio.get_running_loop().time() >= end_s:
                    return None
        return None


def _checked(text: str) -> str:
    if not text.strip():
        raise MalformedError("nothing was asked: send at least one word")
    if len(text) > MAX_REQUEST_CHARS:
        raise MalformedError(
            f"{len(text)} characters are no request: at most {MAX_REQUEST_CHARS:,}"
        )
    return checked_text(text)


def _check_objects(objects: Sequence[str]) -> None:
    if len(objects) > MOST_OBJECTS:
        raise MalformedError(f"{len(objects)} titles are no request: at most {MOST_OBJECTS}")
    try:
        for one in objects:
            check_source_name(one)
    except ValueError as error:
        raise MalformedError(str(error)) from None


def _voice(language: str) -> VoiceSettings:
    try:
        return VoiceSettings(language=language) if language else VoiceSettings()
    except ValueError as error:
        raise MalformedError(str(error)) from None
