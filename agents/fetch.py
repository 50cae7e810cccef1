"""From object chunks to their audio, decoded piece by piece."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass

import structlog

from ..codecs.audio.files import AudioFormatError
from ..codecs.records import UPLINK, Chunk, Control, ObjectAudio, SequenceRecord
from ..codecs.session import LIMITS
from ..storage.objects.live_source import LIVE
from ..storage.objects.names import is_web_name, shown_name
from ..storage.objects.source import ObjectChangedError, ObjectInfo, ObjectSource
from ..storage.objects.store import ObjectsRefusedError
from .backlog import Backlog
from .decoders.isolated import DecoderDiedError, Decoders, Wanted
from .decoders.messages import PIECE_SAMPLES
from .journal import Description, Sequences
from .kept_loudness import KeptLoudness
from .live_streams import LiveStreams
from .speak import is_cancelled
from .uplink_source import UplinkSource

log = structlog.get_logger()


class ObjectMissingError(Exception):
    """There is no object of that name."""


ENDS_AN_OBJECT = (
    ObjectMissingError,
    ObjectChangedError,
    ObjectsRefusedError,
    AudioFormatError,
    DecoderDiedError,
)
"""What no other try can mend: the object ends with it, and the session goes on."""


@dataclass(slots=True)
class _Cursor:
    """How far a chapter's objects are decoded; read from their last piece after a restart."""

    index: int = -1
    """Objects up to this chunk are complete."""
    piece: int = 0
    etag: str = ""
    samples: int = 0
    """Of the object in hand that are stored already."""
    lufs: float = 0.0
    """Of the object in hand, as its first piece has it."""


@dataclass(frozen=True, slots=True)
class Fetch:
    """Decode each object at the form's rate; what a crash cut short goes on with the same sample.

    An object that is missing, broken or changed ends where it is, with its reason, and the session
    goes on.
    """

    objects: ObjectSource
    audio: Sequences[ObjectAudio]
    control: Sequences[Control]
    decoders: Decoders
    backlog: Backlog
    loudness: KeptLoudness
    live: LiveStreams
    uplinks: UplinkSource

    async def __call__(
        self, session: Description, chunks: AsyncIterator[Chunk]
    ) -> AsyncGenerator[tuple[SequenceRecord, ...]]:
        """Yield the pieces of each object that is not decoded yet.

        Raises:
            OSError: the object source cannot be reached; worth another try.
        """
        cursor: _Cursor | None = None
        async for chunk in chunks:
            if chunk.kind != "object":
                continue
            if cursor is None:
                cursor = await self._resume(chunk)
            if chunk.index <= cursor.index:
                continue
            decode = self._running if chunk.etag == LIVE else self._decoded
            try:
                async with aclosing(decode(session, chunk, cursor)) as outputs:
                    async for output in outputs:
                        yield output
                        del output
            except (*ENDS_AN_OBJECT, ValueError) as error:
                log.warning("object ends early", session=chunk.session, error=str(error))
                yield (_piece(chunk, cursor, b"", object_end=True, error=str(error)),)
                cursor.piece += 1
            cursor.index, cursor.etag, cursor.samples, cursor.lufs = chunk.index, "", 0, 0.0

    async def given_up(
        self, session: Description, record: Chunk, reason: str
    ) -> tuple[SequenceRecord, ...]:
        """Return the piece that ends the object, if it is one and has no end; the others go on."""
        if record.kind != "object":
            return ()
        cursor = await self._resume(record)
        if record.index <= cursor.index:
            return ()
        return (_piece(record, cursor, b"", object_end=True, error=reason),)

    async def _resume(self, chunk: Chunk) -> _Cursor:
        last = await self.audio.last(chunk.sequence)
        if last is None:
            return _Cursor()
        if last.object_end:
            return _Cursor(index=last.index, piece=last.piece + 1)
        return _Cursor(
            index=last.index - 1,
            piece=last.piece + 1,
            etag=last.etag,
            samples=last.first_sample + len(last.pcm) // 2,
            lufs=last.lufs,
        )

    async def _wanted(
        self, session: Description, chunk: Chunk, cursor: _Cursor
    ) -> tuple[ObjectInfo, Wanted]:
        info = await self.objects.stat(chunk.object)
        if info is None:
            raise ObjectMissingError(f"there is no object {shown_name(chunk.object)}")
        wanted = cursor.etag or chunk.etag
        if wanted and info.etag != wanted:
            raise ObjectChangedError(
                f"object {shown_name(chunk.object)} has changed since it was asked"
            )
        cursor.etag = info.etag
        if not cursor.samples:  # who resumes goes on as it was begun
            cursor.lufs = await self.loudness.of(chunk.object, info.etag)
        rate_hz = session.form.sample_rate_hz
        return info, Wanted(
            info.size_bytes, rate_hz, LIMITS.object_s, PIECE_SAMPLES, cursor.samples
        )

    async def _decoded(
        self, session: Description, chunk: Chunk, cursor: _Cursor
    ) -> AsyncGenerator[tuple[SequenceRecord, ...]]:
        info, wanted = await self._wanted(session, chunk, cursor)

        async def read(start: int, end: int) -> bytes:
            if is_web_name(chunk.object) and await is_cancelled(self.control, chunk.session):
                raise ObjectsRefusedError("cancelled")  # else a slow host would be read to its end
            return await self.objects.read(chunk.object, start, end, etag=info.etag)

        async with aclosing(self.decoders.decode(chunk.object, wanted, read)) as decoded:
            async for some in decoded:
                ends = some.end and not some.error
                # an object without sound has one piece too, which is empty
                pieces = some.pcm or [b""] * ends
                output = [
                    _advanced(chunk, cursor, pcm, end=ends and number == len(pieces))
                    for number, pcm in enumerate(pieces, start=1)
                ]
                lufs, error = some.lufs, some.error
                del some, pieces  # what waits for mastering holds no sound
                if output:
                    yield tuple(output)
                    del output
                    await self.backlog.piece(chunk.session, chunk.chapter, cursor.piece)
                if lufs is not None and not cursor.lufs:
                    # behind its end: an object that is begun again after a crash plays as it did
                    await self.loudness.keep(chunk.object, info.etag, lufs)
                if error:
                    raise AudioFormatError(error)
                if await is_cancelled(self.control, chunk.session):
                    return

    async def _running(
        self, session: Description, chunk: Chunk, cursor: _Cursor
    ) -> AsyncGenerator[tuple[SequenceRecord, ...]]:
        """Yield the pieces of a stream; who was started again goes on with what comes now.

        What comes over the log is there from its beginning, and none of it is missed.
        """
        cursor.etag, rate_hz = LIVE, session.form.sample_rate_hz
        left_s = LIMITS.object_s - cursor.samples / rate_hz
        if chunk.object == UPLINK:
            source, name, skip = self.uplinks, f"{chunk.session}/{chunk.item}", cursor.samples
        else:
            source, name, skip = None, chunk.object, 0
        heard = self.live.pieces(name, rate_hz, left_s, source=source, skip_samples=skip)
        async with aclosing(heard) as pieces:
            async for pcm in pieces:
                yield (_advanced(chunk, cursor, pcm),)
                await self.backlog.piece(chunk.session, chunk.chapter, cursor.piece)
                if await is_cancelled(self.control, chunk.session):
                    return
        yield (_advanced(chunk, cursor, b"", end=True),)


def _advanced(chunk: Chunk, cursor: _Cursor, pcm: bytes, *, end: bool = False) -> ObjectAudio:
    record = _piece(chunk, cursor, pcm, object_end=end)
    cursor.piece += 1
    cursor.samples += len(pcm) // 2
    return record


def _piece(
    chunk: Chunk, cursor: _Cursor, pcm: bytes, *, object_end: bool = False, error: str = ""
) -> ObjectAudio:
    return ObjectAudio(
        session=chunk.session,
        seq=chunk.seq,
        chapter=chunk.chapter,
        index=chunk.index,
        piece=cursor.piece,
        etag=cursor.etag,
        first_sample=cursor.samples,
        lufs=cursor.lufs,
        pcm=pcm,
        object_end=object_end,
        error=error[:500],
    )
