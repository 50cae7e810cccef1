"""From what a listener asks to what is played: titles of the catalogue, or a spoken reply."""

from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass
from hashlib import sha256

import msgspec

from ..codecs.catalogue.answers import Answer, Ask, Control, NotFound, Play, not_allowed
from ..codecs.catalogue.limits import Limits
from ..codecs.catalogue.matching import Catalogue
from ..codecs.catalogue.replies import reply_to
from ..codecs.catalogue.titles import Title
from ..codecs.records import (
    Allowance,
    Answered,
    Item,
    Request,
    SequenceRecord,
    Session,
    Track,
    text_items,
)
from ..codecs.session import pauses_for
from ..storage.objects.source import ObjectSource
from ..storage.objects.store import ObjectsRefusedError
from .catalogue import CatalogueReader
from .choose import Chooser, choose
from .journal import Description, Sequences
from .recognise import NOTHING_HEARD

NO_CATALOGUE = "there is no catalogue: the words themselves are said"
NOTHING_ASKED = "nothing was asked"
SILENT = frozenset(("stop", "pause", "mute", "sleep", "volume_down", "shuffle"))
"""Controls that let nothing be heard: they may be said at any hour."""
MOST_PICKS = 10
"""Titles without a file that are passed over where any title would do."""
HISTORY = 50
"""Answers that a choice without a title looks back on."""


@dataclass(frozen=True, slots=True)
class _Planned:
    """A session that is to be heard for an answer."""

    track: Track
    records: tuple[Session | Item, ...]


@dataclass(frozen=True, slots=True)
class Match:
    """Answer each request of a listener, once, and accept the sessions that the answer needs.

    They are accepted before the answer is written, under ids that follow from what is in them: who
    is started again finds them there, whatever the catalogue has become.
    """

    catalogue: CatalogueReader
    objects: ObjectSource
    requests: Sequences[Request]
    answers: Sequences[Answered]
    allowances: Sequences[Allowance]
    items: Sequences[Item]
    chooser: Chooser | None = None
    """Asked about what the rules leave open."""

    async def __call__(
        self, listener: Description, requests: AsyncIterator[Request]
    ) -> AsyncGenerator[tuple[SequenceRecord, ...]]:
        """Yield the sessions of each answer, then the answer."""
        async for request in requests:
            if request.seq < (await self.answers.state(listener.session)).next:
                continue
            answer = await self._answer(listener, request)
            answer, planned, said = await self._planned(listener, request, answer)
            for one in planned:
                if not (await self.items.state(one.track.session)).closed:
                    yield one.records
            yield (
                Answered(
                    session=listener.session,
                    seq=request.seq,
                    answer=answer,
                    said=said,
                    tracks=tuple(one.track for one in planned),
                ),
            )

    async def given_up(
        self, listener: Description, record: Request, reason: str
    ) -> tuple[SequenceRecord, ...]:
        """Return the answer that nothing can be done, so that the next request has its turn."""
        state = await self.answers.state(listener.session)
        if state.next > record.seq:
            return ()
        empty = Catalogue(()).answer("")
        answer = NotFound(slots=empty.slots, reason=reason)
        return (Answered(session=listener.session, seq=record.seq, answer=answer),)

    async def _answer(
        self, listener: Description, request: Request, without: frozenset[str] = frozenset()
    ) -> Answer:
        if not request.text.strip() and not request.objects:
            slots = Catalogue(()).answer("").slots
            return NotFound(slots=slots, reason=request.trouble or NOTHING_ASKED)
        limits = await self._limits(listener)
        answer = await self._found(listener, request, limits, without)
        if isinstance(answer, Control) and answer.action in SILENT:
            return answer
        return await self._in_hours(listener, request, limits, answer)

    async def _limits(self, listener: Description) -> Limits:
        last = await self.allowances.last(listener.session)
        return Limits() if last is None else last.limits

    async def _in_hours(
        self, listener: Description, request: Request, limits: Limits, answer: Answer
    ) -> Answer:
        """Return the answer, or that nothing may be heard at the hour when it was asked."""
        if not limits.begins:
            return answer
        (entry,) = await self.requests.entries(listener.session, request.seq, request.seq + 1)
        if limits.open_for_s(entry.timestamp_ms / 1000) != 0:
            return answer
        reason = f"nothing may be heard between {limits.ends} and {limits.begins}"
        return NotFound(slots=answer.slots, reason=reason, until=limits.begins)

    async def _found(
        self, listener: Description, request: Request, limits: Limits, without: frozenset[str]
    ) -> Answer:
        catalogue = await self.catalogue.current()
        if request.objects:
            return _named(catalogue, request.objects, limits)
        first = max(0, request.seq - HISTORY)
        before = await self.answers.records(listener.session, first, request.seq)
        language = request.language or listener.record.voice.language
        if before and isinstance(before[-1].answer, Ask):
            chosen = _chosen(before[-1].answer, request.text, language)
            if chosen is not None and all(map(limits.allows, chosen.titles)):
                return chosen
            if chosen is not None:
                return not_allowed(chosen.slots, chosen.titles[0].title)
        heard = [track.object for answered in before for track in answered.tracks if track.object]

        def allow(title: Title) -> bool:
            return limits.allows(title) and title.object not in without

        answer = catalogue.answer(request.text, language=language, heard=heard, allow=allow)
        if not len(catalogue) and not isinstance(answer, Control):
            return NotFound(slots=answer.slots, reason=NO_CATALOGUE, wanted=request.text)
        if self.chooser is None:
            return answer
        return await choose(self.chooser, catalogue, answer, request.text, limits)

    async def _planned(
        self,
        listener: Description,
        request: Request,
        answer: Answer,
        without: frozenset[str] = frozenset(),
    ) -> tuple[Answer, list[_Planned], str]:
        """Return the answer that can be given, what is heard for it, and what is said.

        Where any title would do, and the file of the one that was picked is not there, another one
        is picked; ``without`` those that were tried.
        """
        planned: list[_Planned] = []
        if isinstance(answer, Play):
            found = [await self._of_title(listener, request, title) for title in answer.titles]
            planned = [one for one in found if one is not None]
            if planned:
                return self._explained(listener, request, answer, planned)
            without |= {title.object for title in answer.titles}
            if answer.slots.intent == "pick" and len(without) < MOST_PICKS:
                another = await self._answer(listener, request, without)
                if isinstance(another, Play):
                    return await self._planned(listener, request, another, without)
            named = answer.titles[0]
            why = f"the file of {named.title!r} ({named.object}) cannot be read"
            answer = NotFound(slots=answer.slots, reason=why, wanted=named.title)
        wanted = request.language or listener.record.voice.language
        said, language = reply_to(answer, wanted)
        if answer.reason.startswith(NOTHING_HEARD):
            said = ""  # a button that was pressed by accident need not be talked about
        if answer.reason == NO_CATALOGUE:
            said, language = request.text.strip(), wanted
        return answer, [_spoken(listener, request, said, language)] if said else [], said

    def _explained(
        self, listener: Description, request: Request, answer: Play, planned: list[_Planned]
    ) -> tuple[Answer, list[_Planned], str]:
        """Return titles that play, behind words that say why, if there are any to say."""
        said, language = reply_to(answer, request.language or listener.record.voice.language)
        if not said or planned[0].track.object != answer.titles[0].object:
            return answer, planned, ""
        return answer, [_spoken(listener, request, said, language), *planned], said

    async def _of_title(
        self, listener: Description, request: Request, title: Title
    ) -> _Planned | None:
        """Return the session of a title, None where its file is not there."""
        try:
            info = await self.objects.stat(title.object)
        except (ValueError, ObjectsRefusedError):
            return None
        if info is None:
            return None
        session = _session_id(listener, request, f"{title.object}\0{info.etag}")
        described = _described(listener, session, listener.record.voice.language)
        item = Item(
            session=session, seq=0, kind="object", object=title.object, etag=info.etag, last=True
        )
        sort = (title.kind, title.category, title.language)
        return _Planned(Track(session, title.title, title.object, sort), (described, item))


def _named(catalogue: Catalogue, objects: tuple[str, ...], limits: Limits) -> Answer:
    """Return the titles of these files, as far as there are any that may be heard."""
    slots = Catalogue(()).answer("").slots
    titles = catalogue.of_objects(objects)
    allowed = tuple(filter(limits.allows, titles))
    if allowed:
        return Play(slots=slots, reason="named by their files", titles=allowed, score=100.0)
    if titles:
        return not_allowed(slots, titles[0].title)
    reason = "the catalogue has no such files"
    return NotFound(slots=slots, reason=reason, wanted=objects[0].rpartition("/")[2])


def _chosen(asked: Ask, text: str, language: str) -> Play | None:
    """Return the title that answers "did you mean A or B?", None where something else is meant."""
    answer = Catalogue(asked.titles).answer(text, language=language)
    if isinstance(answer, Play) and answer.slots.title:
        return answer
    number = answer.slots.number
    if number.isdigit() and 1 <= int(number) <= len(asked.titles):
        title = asked.titles[int(number) - 1]
        return Play(slots=answer.slots, reason="chosen by its place", titles=(title,))
    return None


def _spoken(listener: Description, request: Request, said: str, language: str) -> _Planned:
    session = _session_id(listener, request, said)
    described = _described(listener, session, language)
    items = text_items(session, 0, said, item_end=True, last=True)
    return _Planned(Track(session, said), (described, *items))


def _described(listener: Description, session: str, language: str) -> Session:
    """Return a session like the listener's own, which is heard whole."""
    voice = msgspec.structs.replace(listener.record.voice, language=language)
    return msgspec.structs.replace(
        listener.record,
        session=session,
        kind="speech",
        voice=voice,
        pauses=pauses_for(language),
        open=False,
        last=True,
    )


def _session_id(listener: Description, request: Request, content: str) -> str:
    """Return an id that nobody can guess who does not know the listener's."""
    named = f"{listener.session}\0{request.seq}\0{content}"
    return sha256(named.encode()).hexdigest()[:32]
