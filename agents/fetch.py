"""From object chunks to their audio, decoded piece by piece."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import aclosing, closing
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from typing import TypeVar

import structlog

from ..codecs.audio.decoding import PieceDecoder
from ..codecs.audio.files import AudioFormatError
from ..codecs.audio.pcm import Samples
from ..codecs.records import Chunk, Control, ObjectAudio, SequenceRecord
from ..codecs.session import LIMITS
from ..storage.objects.source import ObjectChangedError, ObjectSource
from ..storage.objects.store import ObjectsRefusedError
from .journal import Description, Sequences
from .object_file import ObjectFile
from .speak import is_cancelled

T = TypeVar("T")

PIECE_SAMPLES = 24_000
"""Half a second at 48 kHz: 48 KB in a record."""
PIECES_A_WRITE = 4
DECODERS_AT_ONCE = 4
log = structlog.get_logger()


class ObjectMissingError(Exception):
    """There is no object of that name."""


ENDS_AN_OBJECT = (ObjectMissingError, ObjectChangedError, ObjectsRefusedError, AudioFormatError)
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


@dataclass(frozen=True, slots=True)
class Fetch:
    """Decode each object at the form's rate; what a crash cut short goes on with the same sample.

    An object that is missing, broken or changed ends where it is, with its reason, and the session
    goes on.
    """

    objects: ObjectSource
    audio: Sequences[ObjectAudio]
    control: Sequences[Control]
    threads: Executor = field(
        default_factory=lambda: ThreadPoolExecutor(DECODERS_AT_ONCE, thread_name_prefix="fetch")
    )
    """Decoders wait in here for what is read in the loop's own threads, so they have others: with
    the same ones, as many objects as there are threads would wait for ever."""

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
            try:
                async with aclosing(self._decoded(session, chunk, cursor)) as outputs:
                    async for output in outputs:
                        yield output
            except (*ENDS_AN_OBJECT, ValueError) as error:
                log.warning("object ends early", session=chunk.session, error=str(error))
                yield (_piece(chunk, cursor, b"", object_end=True, error=str(error)),)
                cursor.piece += 1
            cursor.index, cursor.etag, cursor.samples = chunk.index, "", 0

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
        )

    async def _opened(self, session: Description, chunk: Chunk, cursor: _Cursor) -> PieceDecoder:
        info = await self.objects.stat(chunk.object)
        if info is None:
            raise ObjectMissingError(f"there is no object {chunk.object[:200]!r}")
        wanted = cursor.etag or chunk.etag
        if wanted and info.etag != wanted:
            raise ObjectChangedError(
                f"object {chunk.object[:200]!r} has changed since it was asked"
            )
        cursor.etag = info.etag
        file = ObjectFile(self.objects, chunk.object, info, asyncio.get_running_loop())
        # the decoder reads as soon as it is made, so never in the loop's own thread
        rate_hz = session.form.sample_rate_hz
        opened = partial(PieceDecoder, file, rate_hz, max_seconds=LIMITS.object_s)
        return await self._in_thread(opened)

    async def _in_thread(self, work: Callable[[], T]) -> T:
        """Do the work in a thread; a cancellation waits for it, as its decoder is closed then."""
        running = asyncio.get_running_loop().run_in_executor(self.threads, work)
        try:
            return await asyncio.shield(running)
        except asyncio.CancelledError:
            await asyncio.wait([running])
            running.exception()  # nobody else asks for it any more
            raise

    async def _decoded(
        self, session: Description, chunk: Chunk, cursor: _Cursor
    ) -> AsyncGenerator[tuple[SequenceRecord, ...]]:
        decoder = await self._opened(session, chunk, cursor)
        # one piece is held back: only then is the last one known as such
        held: Samples | None = None
        with closing(decoder):
            pieces = decoder.pieces(PIECE_SAMPLES, skip_samples=cursor.samples)
            while True:
                batch, error = await self._in_thread(partial(_some, pieces, PIECES_A_WRITE))
                output: list[ObjectAudio] = []
                for samples in batch:
                    if held is not None:
                        output.append(_advanced(chunk, cursor, held))
                    held = samples
                if error is not None and held is not None:
                    output.append(_advanced(chunk, cursor, held))
                if output:
                    yield tuple(output)
                if error is not None:
                    raise error
                if not batch:
                    break
                if await is_cancelled(self.control, chunk.session):
                    return
        pcm = b"" if held is None else held.astype("<i2").tobytes()
        yield (_piece(chunk, cursor, pcm, object_end=True),)
        cursor.piece += 1


def _some(pieces: Iterator[Samples], count: int) -> tuple[list[Samples], Exception | None]:
    """Return the next pieces, and the error that ends the object behind them."""
    some: list[Samples] = []
    try:
        some.extend(islice(pieces, count))  # keeps what came before an error
    except ENDS_AN_OBJECT as error:
        return some, error
    return some, None


def _advanced(chunk: Chunk, cursor: _Cursor, samples: Samples) -> ObjectAudio:
    record = _piece(chunk, cursor, samples.astype("<i2").tobytes())
    cursor.piece += 1
    cursor.samples += len(samples)
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
        pcm=pcm,
        object_end=object_end,
        error=error[:500],
    )
