"""From what listeners say to what they ask: each utterance becomes a request, once."""

import asyncio
import unicodedata
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass, field

import structlog

from ..codecs.records import Heard, Request, SequenceRecord
from ..codecs.records.requests import MAX_REQUEST_CHARS
from .journal import Description, Sequences
from .recognisers.ears import Ears
from .recognisers.messages import Activity
from .recognisers.recogniser import (
    Recognised,
    Recogniser,
    RecogniserFailedError,
    RecogniserUnavailableError,
    RecogniserUnreachableError,
)

SPOKEN_S = 0.2
"""What has less speech in it is nobody's request: recognisers make up words for noise."""
PAUSE_S = 0.8
"""Who says nothing for so long has finished, where the device does not say so."""
MOST_S = 30.0
"""An utterance that only silence would end is taken to end here."""
LOOK_BACK = 50
"""Requests in which an utterance's own is looked for."""
NOTHING_HEARD = "nothing was heard"
NO_RECOGNISER = "nobody here makes words of what is said: pip install 'rhapsode[whisper]'"
log = structlog.get_logger()


@dataclass(slots=True)
class _Utterance:
    """What is known of an utterance."""

    first: int = -1
    packets: list[bytes] = field(default_factory=list[bytes])
    taken: int = 0
    """Packets that the ears have taken in."""
    answered: bool = False


@dataclass(frozen=True, slots=True)
class Recognise:
    """Make a request of each utterance, at its end, or where a pause follows what was said.

    Others may ask for the same listener meanwhile: whoever loses a position is started again, and
    looks whether its utterance has been answered.
    """

    recogniser: Recogniser | None
    ears: Ears
    heard: Sequences[Heard]
    requests: Sequences[Request]
    preparing: set["asyncio.Task[None]"] = field(default_factory=set["asyncio.Task[None]"])
    """The recogniser's loading, while it is under way."""

    async def __call__(
        self, listener: Description, pieces: AsyncIterator[Heard]
    ) -> AsyncGenerator[tuple[SequenceRecord, ...]]:
        """Yield a request for each utterance."""
        utterance = _Utterance()
        async for piece in pieces:
            if piece.first != utterance.first:
                utterance = await self._begun(listener, piece)
            if not utterance.answered:
                utterance.packets += piece.packets
            if utterance.answered or not await self._is_over(listener, piece, utterance):
                continue
            words, trouble = await self._words(listener, piece, utterance)
            if trouble == NOTHING_HEARD and piece.until == "silence":
                utterance.answered = True  # it has listened for nothing, and nobody waits
                continue
            request = await self._request(listener, utterance.first, words, trouble)
            if request is not None:
                yield (request,)
            utterance.answered = True
            utterance.packets.clear()

    async def given_up(
        self, listener: Description, record: Heard, reason: str
    ) -> tuple[SequenceRecord, ...]:
        """Return the request that says why there are no words."""
        request = await self._request(listener, record.first, Recognised(""), reason)
        return () if request is None else (request,)

    async def _begun(self, listener: Description, piece: Heard) -> _Utterance:
        """Return the utterance that a piece is of, with what came before it."""
        if self.recogniser is not None and not self.preparing:
            # while somebody speaks: a model takes memory that few installations need
            task = asyncio.create_task(_prepared(self.recogniser))
            self.preparing.add(task)
            task.add_done_callback(self.preparing.discard)
        utterance = _Utterance(piece.first)
        utterance.answered = await self._following(listener, piece.first) is None
        if piece.first < piece.seq and not utterance.answered:
            before = await self.heard.records(listener.session, piece.first, piece.seq)
            utterance.packets = [packet for one in before for packet in one.packets]
        return utterance

    async def _following(self, listener: Description, first: int) -> int | None:
        """Return the next request's position, None where the utterance has been answered before it.

        Whoever answers it meanwhile takes that position.
        """
        following = (await self.requests.state(listener.session)).next
        since = max(0, following - LOOK_BACK)
        recent = await self.requests.records(listener.session, since, following)
        return None if any(one.utterance >= first for one in recent) else following

    async def _is_over(self, listener: Description, piece: Heard, utterance: _Utterance) -> bool:
        if piece.ended or piece.until == "told":
            return piece.ended
        try:
            heard = await self._listen(listener, piece, utterance)
        except RecogniserFailedError:
            return True  # and is told of when its words are wanted
        begun = heard.spoken_s >= SPOKEN_S
        return heard.total_s >= MOST_S or (begun and heard.silent_s >= PAUSE_S)

    async def _words(
        self, listener: Description, piece: Heard, utterance: _Utterance
    ) -> tuple[Recognised, str]:
        """Return what was said, or why nobody knows."""
        nothing = Recognised("")
        if self.recogniser is None:
            return nothing, NO_RECOGNISER
        try:
            heard = await self._listen(listener, piece, utterance)
            if heard.spoken_s < SPOKEN_S:
                broken = f" ({heard.broken} packets are no Opus)" if heard.broken else ""
                return nothing, f"{NOTHING_HEARD}{broken}"
            sound = await self.ears.sound(_name(listener, utterance))
            found = await self.recogniser.recognise(sound, listener.voice.language)
        except (
            RecogniserFailedError,
            RecogniserUnavailableError,
            RecogniserUnreachableError,
        ) as error:
            log.warning("an utterance without words", session=listener.session, why=str(error))
            return nothing, str(error)
        text = _clean(found.text)
        return Recognised(text, found.language), "" if text else NOTHING_HEARD

    async def _listen(self, listener: Description, piece: Heard, utterance: _Utterance) -> Activity:
        heard = await self.ears.listen(
            _name(listener, utterance), utterance.packets, utterance.taken, piece.microphone
        )
        utterance.taken = heard.packets
        return heard

    async def _request(
        self, listener: Description, first: int, words: Recognised, trouble: str
    ) -> Request | None:
        """Return an utterance's request, None where it has one."""
        following = await self._following(listener, first)
        if following is None:
            return None
        return Request(
            session=listener.session,
            seq=following,
            text=words.text,
            language=words.language if words.text else "",
            source="speech",
            utterance=first,
            trouble=trouble[:MAX_REQUEST_CHARS],
        )


async def _prepared(recogniser: Recogniser) -> None:
    try:
        await recogniser.prepare()
    except (RecogniserUnavailableError, RecogniserUnreachableError) as error:
        log.warning("the recogniser is not ready", name=recogniser.name, why=str(error))


def _name(listener: Description, utterance: _Utterance) -> str:
    return f"{listener.session}/{utterance.first}"


def _clean(text: str) -> str:
    """Return words as they may be shown and stored: they come from elsewhere."""
    kept = "".join(
        " " if unicodedata.category(char) in ("Cc", "Cs", "Zl", "Zp") else char for char in text
    )
    return " ".join(kept.split())[:MAX_REQUEST_CHARS]
