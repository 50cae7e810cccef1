"""From chunks to speech."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass, field
from time import time

import msgspec
import structlog

from ..codecs.records import Chunk, Control, SequenceRecord, Speech
from ..codecs.text.sentences import estimated_s
from .backlog import Backlog
from .journal import Description, Sequences
from .turns import due, needed_from
from .voices.voice import Spoken, Utterance, Voice, VoiceFailedError, VoiceUnavailableError

SILENT_S = 2.0
"""The most that a chunk which no voice could say is silent."""
LOOK_S = 1.0
"""How often it is looked whether a session was cancelled while one of its chunks is spoken."""
PART_BYTES = 48_000
"""PCM in one record of a chunk's speech: with words and text beside it under 64 KB."""
log = structlog.get_logger()


@dataclass(slots=True)
class _Ahead:
    """Chunks of one chapter that are being spoken, by index."""

    spoken: dict[int, "asyncio.Task[Spoken]"] = field(
        default_factory=dict[int, "asyncio.Task[Spoken]"]
    )
    heard_from_s: float | None = None
    """Unix time at which the session's first words were spoken; None before."""

    async def drop(self) -> None:
        tasks, self.spoken = list(self.spoken.values()), {}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@dataclass(frozen=True, slots=True)
class Speak:
    """Ask the voice for each chunk; its audio is stored whole or not at all.

    The chunks that follow the one in hand are spoken at the same time; they are stored in their
    order.
    """

    voice: Voice
    at_once: int
    """Chunks of one session that are asked for at the same time."""
    chunks: Sequences[Chunk]
    speech: Sequences[Speech]
    control: Sequences[Control]
    backlog: Backlog

    async def __call__(
        self, session: Description, chunks: AsyncIterator[Chunk]
    ) -> AsyncGenerator[tuple[SequenceRecord, ...]]:
        """Yield the speech of each chunk that has none yet.

        Raises:
            OSError: no voice can be reached; worth another try.
        """
        ahead = _Ahead()
        following = -1
        try:
            async for chunk in chunks:
                if following < 0:
                    state = await self.speech.state(chunk.sequence)
                    if state.closed:
                        continue
                    following = state.next
                    ahead.heard_from_s = session.accepted_s if chunk.seq else None
                if chunk.index < following:
                    continue
                # who is far ahead is in no haste: what is spoken at once is held at once
                waited = await self.backlog.chunk(session.session, chunk.seq)
                at_once = 1 if waited else self.at_once
                output = await self._sounded(session, chunk, following, ahead, at_once)
                yield output
                ahead.heard_from_s = ahead.heard_from_s or time()
                following = output[-1].end
                if output[-1].last:
                    return
        finally:
            await ahead.drop()

    async def given_up(
        self, session: Description, record: Chunk, reason: str
    ) -> tuple[SequenceRecord, ...]:
        """Return the mark that ends the session in the place of what is not spoken yet."""
        state = await self.speech.state(record.sequence)
        return () if state.closed else (_end(record, state.next, reason),)

    async def _sounded(
        self, session: Description, chunk: Chunk, following: int, ahead: _Ahead, at_once: int
    ) -> tuple[Speech, ...]:
        if chunk.index > following:
            seq = chunk.seq - (chunk.index - following)
            reason = f"chunk {seq} was given up: the topic 'dead-letter' has the reason"
            return (_end(chunk, following, reason),)
        if chunk.kind != "text" or not chunk.text:
            return (_mark(chunk, chunk.error),)
        cancelled, _ = await asyncio.gather(
            is_cancelled(self.control, session.session),
            self._speak_ahead(session, chunk, ahead, at_once),
        )
        if cancelled:
            return (_mark(chunk, "cancelled"),)
        try:
            spoken = await self._unless_cancelled(session, ahead.spoken.pop(chunk.index))
        except (VoiceFailedError, VoiceUnavailableError) as error:
            log.warning("a chunk is silent", session=chunk.session, chunk=chunk.seq, why=str(error))
            return (_silent(chunk, str(error)),)
        except OSError:
            raise
        except Exception as error:
            # a voice that breaks down fails its chunk, never the stage
            log.exception("a voice broke down", session=chunk.session, chunk=chunk.seq)
            return (_silent(chunk, f"the voice broke down: {error!r}"),)
        return _parts(chunk, spoken) if spoken is not None else (_mark(chunk, "cancelled"),)

    async def _unless_cancelled(
        self, session: Description, speaking: "asyncio.Task[Spoken]"
    ) -> Spoken | None:
        """Return what was spoken, None where the session was cancelled meanwhile."""
        while not (await asyncio.wait({speaking}, timeout=LOOK_S))[0]:
            if await is_cancelled(self.control, session.session):
                speaking.cancel()
                await asyncio.gather(speaking, return_exceptions=True)
                return None
        return speaking.result()

    async def _speak_ahead(
        self, session: Description, chunk: Chunk, ahead: _Ahead, at_once: int
    ) -> None:
        """Begin to speak the chunk, and those after it that are cut already."""
        if chunk.index not in ahead.spoken:
            self._begin(session, chunk, ahead)
        more = at_once - len(ahead.spoken)
        if more <= 0:
            return
        first = max(ahead.spoken) + 1
        for later in await self.chunks.records(chunk.sequence, first, first + more):
            if later.kind == "text" and later.text:
                self._begin(session, later, ahead)

    def _begin(self, session: Description, chunk: Chunk, ahead: _Ahead) -> None:
        rate_hz = session.form.sample_rate_hz
        needed = needed_from(session.form, round(_begins_s(chunk) * rate_hz))
        when = due(session, needed / rate_hz, ahead.heard_from_s)
        utterance = Utterance(chunk.text, session.voice, when)
        ahead.spoken[chunk.index] = asyncio.create_task(self.voice.speak(utterance))


def _begins_s(chunk: Chunk) -> float:
    """Return about when a chunk sounds, in seconds from its session's first sound."""
    before = max(0, chunk.chars - (chunk.end_char - chunk.start_char))
    return before * estimated_s(chunk.text) / max(1, len(chunk.text))


async def is_cancelled(control: Sequences[Control], session: str) -> bool:
    """Tell whether the session's owner has ended it."""
    state = await control.state(session)
    return state.closed


def _mark(chunk: Chunk, error: str) -> Speech:
    last = bool(error) or chunk.last
    return Speech(
        session=chunk.session,
        seq=chunk.seq,
        chapter=chunk.chapter,
        index=chunk.index,
        item=chunk.item,
        kind=chunk.kind,
        start_char=chunk.start_char,
        end_char=chunk.end_char,
        boundary="end" if error else chunk.boundary,
        seconds=chunk.seconds,
        chars=chunk.chars,
        last=last,
        error=error,
    )


def _silent(chunk: Chunk, error: str) -> Speech:
    """Stand in for what no voice could say: a marked silence, and the session goes on."""
    return msgspec.structs.replace(
        _mark(chunk, ""),
        text=chunk.text,
        seconds=min(SILENT_S, estimated_s(chunk.text)),
        degraded=True,
        error=error,
    )


def _end(chunk: Chunk, index: int, reason: str) -> Speech:
    """End a chunk's chapter at an index up to its own: nothing could follow the gap."""
    return Speech(
        session=chunk.session,
        seq=chunk.seq - (chunk.index - index),
        chapter=chunk.chapter,
        index=index,
        kind="mark",
        boundary="end",
        last=True,
        error=reason,
    )


def _parts(chunk: Chunk, spoken: Spoken) -> tuple[Speech, ...]:
    pcm = spoken.samples.astype("<i2").tobytes()
    pieces = [pcm[start : start + PART_BYTES] for start in range(0, len(pcm), PART_BYTES)] or [b""]
    return tuple(
        Speech(
            session=chunk.session,
            seq=chunk.seq,
            chapter=chunk.chapter,
            index=chunk.index,
            item=chunk.item,
            part=part,
            parts=len(pieces),
            rate_hz=spoken.rate_hz,
            pcm=piece,
            text=chunk.text if part == 0 else "",
            start_char=chunk.start_char,
            end_char=chunk.end_char,
            boundary=chunk.boundary,
            chars=chunk.chars,
            voice=spoken.voice,
            gain_db=spoken.gain_db,
            degraded=spoken.degraded,
            words=spoken.words if part == 0 else (),
        )
        for part, piece in enumerate(pieces)
    )
