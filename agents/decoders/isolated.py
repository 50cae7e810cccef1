"""Decoding in child processes: a file that kills its decoder is heard by nobody else."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import nullcontext
from dataclasses import asdict, dataclass, replace
from itertools import count

import structlog

from ...storage.objects.names import is_web_name, shown_name
from ..children import Child, ChildDiedError, Limits
from .messages import RUNNING, Broken, Data, More, Need, Open, Pieces, Request, decode_reply, encode
from .pool import Decoder, Pool, Shared

PROGRAM = "rhapsode.agents.decoders.child"
MEMORY_BYTES = 400_000_000
"""Of one child. It takes 90 MB, and 30 more for the files that people have (measured)."""
WORK_S = 20.0
"""Processor time between two reads of the file, or for two pieces of its sound."""
WORK_PER_SKIPPED_S = 0.1
"""More of it for a second of sound that is decoded and dropped."""
PIECES_AT_ONCE = 2
AT_ONCE = 8
"""Processes, of 35 MB each that they do not share."""
QUARANTINE = 2
"""More of them, for what has killed one."""
MOST_KILLS = 5
"""From outside over one object; then it counts against the object all the same."""
log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Wanted:
    """An object, and how it is to be decoded."""

    size_bytes: int
    """`RUNNING` where its bytes come as they come."""
    rate_hz: int
    max_seconds: float
    piece_samples: int
    skip_samples: int = 0
    """Decoded and dropped: who resumes has them."""


class DecoderDiedError(Exception):
    """The object killed its decoder twice, or took it beyond its limits."""


class BrokenDecoderError(Exception):
    """A bug in the decoder, told by its process."""


async def _start_child() -> Decoder:
    return await Child.start(PROGRAM)


@dataclass(slots=True)
class _Deaths:
    """Of children, over one object."""

    kills: int = 0
    """All of them."""
    counted: int = 0
    """Those that the object has to answer for."""

    def note(self, death: ChildDiedError) -> None:
        """Count one more; `DecoderDiedError` where it is the second."""
        self.kills += 1
        self.counted += not death.from_outside or self.kills > MOST_KILLS
        if self.counted == 2:
            raise DecoderDiedError(f"it killed its decoder twice: {death}") from None


class Decoders:
    """Decodes objects in child processes, each of which has many objects open.

    What comes from the web has children of its own, as hosts may be slow and our own files are not;
    and what is running has one for each stream.

    Args:
        at_once: Children, of each of the two kinds half; streams decoded at the same time.
        start: Starts a decoder.
    """

    def __init__(
        self, at_once: int = AT_ONCE, *, start: Callable[[], Awaitable[Decoder]] = _start_child
    ) -> None:
        self._own = Pool(max(1, at_once // 2), start)
        self._web = Pool(max(1, at_once // 2), start, keeps=0)
        self._running = Pool(at_once, start, alone=True, keeps=0)
        self._quarantine = Pool(QUARANTINE, start, alone=True, keeps=0)
        self._streams = asyncio.Semaphore(at_once)
        self._numbers = count()

    async def prepare(self) -> None:
        """Start the child for the first object."""
        await self._own.prepare()

    async def close(self) -> None:
        """End the children that nobody holds; those at work end with who uses them."""
        for pool in (self._own, self._web, self._running, self._quarantine):
            await pool.close()

    async def decode(
        self, name: str, wanted: Wanted, read: Callable[[int, int], Awaitable[bytes]]
    ) -> AsyncGenerator[Pieces]:
        """Yield an object's sound from ``wanted.skip_samples`` on, to its end.

        Between two answers nothing is held but the object's place in a child, which it may lose. A
        child that dies over an object is replaced once, and goes on where it was; where it is
        running, with what comes.

        Args:
            name: Of the object, for the log.
            wanted: The object, and how it is to be decoded.
            read: Returns the object's bytes ``[start, end)``; what it raises is raised here.

        Raises:
            DecoderDiedError: the object killed its decoder twice.
        """
        runs, number = wanted.size_bytes == RUNNING, next(self._numbers)
        pool = self._running if runs else self._web if is_web_name(name) else self._own
        given, deaths, is_end = wanted.skip_samples, _Deaths(), False
        async with self._streams if runs else nullcontext():
            try:
                while not is_end:
                    begin = replace(wanted, skip_samples=0 if runs and deaths.kills else given)
                    at_once = 1 if runs or given == wanted.skip_samples else PIECES_AT_ONCE
                    try:
                        async with pool.turn(number) as shared:
                            some = [await _next(shared, number, begin, at_once, read)]
                    except ChildDiedError as death:
                        log.warning("a decoder died", object=shown_name(name), reason=str(death))
                        deaths.note(death)
                        if deaths.counted and not runs:
                            pool = self._quarantine  # a second one costs no other object its place
                        continue
                    if not pool.has(shared) and not runs:  # it made its child grow too large
                        pool = self._quarantine
                    given += sum(len(piece) // 2 for piece in some[0].pcm)
                    is_end = some[0].end
                    if some[0].pcm or is_end:
                        yield some.pop()  # who asks for the next may take its time
            finally:
                await pool.forget(number)


async def _next(
    shared: Shared,
    number: int,
    wanted: Wanted,
    count: int,
    read: Callable[[int, int], Awaitable[bytes]],
) -> Pieces:
    """Return an object's next pieces; it is begun where the child does not have it open."""
    is_open, work_s = number in shared.objects, WORK_S
    shared.touch(number)
    if not is_open:
        opens = Open(number=number, closed=shared.take_closed(), **asdict(wanted))
        opened = await _answer(shared.child, opens, read, WORK_S)
        if opened.end:
            return opened
        work_s += WORK_PER_SKIPPED_S * wanted.skip_samples / wanted.rate_hz
    more = More(number, count, shared.take_closed())
    return await _answer(shared.child, more, read, work_s)


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
