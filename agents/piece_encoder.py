"""Pieces of the archive are encoded in a process that gives way to whoever is heard.

FLAC of all that a busy worker lets go of takes a quarter of a processor. In a thread of the worker
it took turns with the event loop, and every session's first audio came later for it.
"""

import asyncio
from collections.abc import Awaitable, Callable

import msgspec
import structlog

from ..codecs.archive import Contents, encode_piece
from .children import Child, ChildDiedError, Limits

PROGRAM = "rhapsode.agents.piece_encoder_child"
LIMITS = Limits(cpu_s=120.0, memory_bytes=500_000_000, stuck_s=300.0)
"""A piece has a minute of a session at most and takes 0.1 s. The process runs when nobody else
wants to, so that it does nothing for long is no trouble."""
IDLE_S = 30.0
"""Without work for so long the process ends: it takes 50 MB."""
log = structlog.get_logger()

Encode = Callable[[Contents], Awaitable[bytes]]


async def in_thread(contents: Contents) -> bytes:
    """Encode in a thread of this process, where nobody listens meanwhile."""
    return await asyncio.to_thread(encode_piece, contents)


class PieceEncoder:
    """One child process, started when there is work, and ended when there was none for a while."""

    def __init__(self) -> None:
        self._child: Child | None = None
        self._busy = asyncio.Lock()
        self._idle: asyncio.TimerHandle | None = None
        self._ending: asyncio.Task[None] | None = None

    async def __call__(self, contents: Contents) -> bytes:
        """Return the piece.

        Raises:
            ChildDiedError: the process died of it twice.
        """
        request = msgspec.msgpack.encode(contents)
        async with self._busy:
            try:
                return await self._asked(request)
            except ChildDiedError as error:
                log.warning("the archive's encoder died, trying again", why=str(error))
                return await self._asked(request)
            finally:
                self._end_when_idle()

    async def _asked(self, request: bytes) -> bytes:
        if self._idle is not None:
            self._idle.cancel()
        if self._child is None:
            self._child = await Child.start(PROGRAM)
        try:
            return await self._child.ask(request, LIMITS)
        except BaseException:  # also where it is cancelled: the answer would be taken for another's
            await self._end()
            raise

    def _end_when_idle(self) -> None:
        def end() -> None:
            if not self._busy.locked():
                self._ending = asyncio.ensure_future(self._end())

        self._idle = asyncio.get_running_loop().call_later(IDLE_S, end)

    async def _end(self) -> None:
        child, self._child = self._child, None
        if child is not None:
            await child.close()

    async def close(self) -> None:
        """End the process."""
        if self._idle is not None:
            self._idle.cancel()
        await self._end()
