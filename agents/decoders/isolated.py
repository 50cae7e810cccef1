"""Decoding in child processes: a file that kills its decoder is heard by nobody else."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from typing import Protocol

import structlog

from ...storage.objects.names import shown_name
from ..children import Child, ChildDiedError, Limits
from ..slots import Slots
from .messages import RUNNING, Broken, Data, More, Need, Open, Pieces, Request, decode_reply, encode

PROGRAM = "rhapsode.agents.decoders.child"
MEMORY_BYTES = 400_000_000
"""Of one child. It takes 90 MB, and 30 more for the files that people have (measured)."""
KEPT_BYTES = 200_000_000
"""A child that has grown larger is replaced: what it freed it may never give back."""
WORK_S = 20.0
"""Processor time between two reads of the file, or for four pieces of its sound."""
WORK_PER_SKIPPED_S = 0.1
"""More of it for a second of sound that is decoded and dropped."""
PIECES_AT_ONCE = 4
AT_ONCE = 8
"""Each has a process of its own, of 35 MB that it does not share."""
MOST_KILLS = 5
"""From outside over one object; then it counts against the object all the same."""
log = structlog.get_logger()


class DecoderDiedError(Exception):
    """The object killed its decoder twice, or took it beyond its limits."""


class BrokenDecoderError(Exception):
    """A bug in the decoder, told by its process."""


class Decoder(Protocol):
    """One decoder, such as a `Child`."""

    async def ask(self, request: bytes, limits: Limits) -> bytes:
        """Return the answer to a request; `ChildDiedError` where it is dead."""
        ...

    def memory_bytes(self) -> int:
        """Return the memory it takes."""
        ...

    async def close(self) -> None:
        """End it, whatever it does."""
        ...


async def _start_child() -> Decoder:
    return await Child.start(PROGRAM)


class Decoders:
    """Decodes objects, each in a child process of its own; one child is kept for the next object.

    Args:
        at_once: Objects decoded at the same time; others wait.
        start: Starts a decoder.
    """

    def __init__(
        self, at_once: int = AT_ONCE, *, start: Callable[[], Awaitable[Decoder]] = _start_child
    ) -> None:
        self.slots = Slots(at_once)
        self._start = start
        self._spare: Decoder | None = None

    async def prepare(self) -> None:
        """Start the child for the first object."""
        if self._spare is None:
            self._spare = await self._start()

    async def close(self) -> None:
        """End the child that is kept; those at work end with who uses them."""
        if self._spare is not None:
            child, self._spare = self._spare, None
            await child.close()

    async def decode(
        self, name: str, wanted: Open, read: Callable[[int, int], Awaitable[bytes]]
    ) -> AsyncGenerator[Pieces]:
        """Yield an object's sound from ``wanted.skip_samples`` on, to its end.

        A child that dies over it is replaced once, and goes on where it was; where it is running,
        with what comes.

        Args:
            name: Of the object, for the log.
            wanted: The object, and how it is to be decoded.
            read: Returns the object's bytes ``[start, end)``; what it raises is raised here.

        Raises:
            DecoderDiedError: the object killed its decoder twice.
        """
        given, kills, deaths = wanted.skip_samples, 0, 0
        while True:
            resumed = Open(
                wanted.size_bytes,
                wanted.rate_hz,
                wanted.max_seconds,
                wanted.piece_samples,
                given if not kills or wanted.size_bytes != RUNNING else 0,
            )
            try:
                async with (
                    self.slots,
                    self._child() as child,
                    aclosing(_conversation(child, resumed, read)) as answers,
                ):
                    async for decoded in answers:
                        given += sum(len(piece) // 2 for piece in decoded.pcm)
                        ends = decoded.end
                        yield decoded
                        del decoded  # who asks for the next may take its time
                        if ends:
                            return
            except ChildDiedError as death:
                log.warning("a decoder died", object=shown_name(name), reason=str(death))
                kills += 1
                deaths += not death.from_outside or kills > MOST_KILLS
                if deaths == 2:
                    raise DecoderDiedError(f"it killed its decoder twice: {death}") from None

    @asynccontextmanager
    async def _child(self) -> AsyncGenerator[Decoder]:
        child, self._spare = self._spare, None
        if child is None:
            child = await self._start()
        whole = False
        try:
            yield child
            whole = True  # nothing is under way any more
        except GeneratorExit:
            whole = True  # nor between two answers
            raise
        finally:
            if whole and child.memory_bytes() < KEPT_BYTES and self._spare is None:
                self._spare = child
            else:
                await child.close()


async def _conversation(
    child: Decoder, wanted: Open, read: Callable[[int, int], Awaitable[bytes]]
) -> AsyncGenerator[Pieces]:
    skipped_s = wanted.skip_samples / wanted.rate_hz
    pieces = await _answer(child, wanted, read, WORK_S)
    work_s = WORK_S + WORK_PER_SKIPPED_S * skipped_s
    count = 1  # whoever listens waits for the first
    while True:
        ends = pieces.end
        if pieces.pcm or ends:
            yield pieces
        del pieces
        if ends:
            return
        pieces = await _answer(child, More(count), read, work_s)
        work_s, count = WORK_S, 1 if wanted.size_bytes == RUNNING else PIECES_AT_ONCE


async def _answer(
    child: Decoder, request: Request, read: Callable[[int, int], Awaitable[bytes]], work_s: float
) -> Pieces:
    limits = Limits(cpu_s=work_s, memory_bytes=MEMORY_BYTES)
    while True:
        reply = decode_reply(await child.ask(encode(request), limits))
        if isinstance(reply, Broken):
            raise BrokenDecoderError(reply.message)
        if isinstance(reply, Pieces):
            return reply
        assert isinstance(reply, Need)
        request = Data(await read(reply.start, reply.end))
