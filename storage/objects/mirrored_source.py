"""People's files in several places, such as regions of a store: who does not answer is left."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from time import monotonic
from typing import TypeVar

import structlog

from .source import ObjectInfo, ObjectSource
from .store import ObjectsUnreachableError

T = TypeVar("T")
PATIENCE_S = 1.5
"""After so long without an answer the next place is asked as well."""
LEFT_S = 30.0
"""For so long a place that did not answer is asked last."""
log = structlog.get_logger()


class MirroredSource:
    """`storage.objects.source.ObjectSource` of places that hold the same objects.

    The first place that works is asked. Where it cannot be reached, or says nothing for 1.5 s, the
    next one is asked too, and the first answer counts (hedged requests: Dean and Barroso, "The Tail
    at Scale", 2013). Copies have to have the ETags of what they are copies of, as replication of
    buckets leaves them: one that differs is another object to whoever reads it on.

    Args:
        places: By name, in order of preference; at least one.
    """

    def __init__(self, places: Sequence[tuple[str, ObjectSource]]) -> None:
        if not places:
            raise ValueError("there has to be at least one place")
        self._places = tuple(places)
        self._left_until: dict[str, float] = {}

    async def stat(self, name: str) -> ObjectInfo | None:
        return await self._first(lambda source: source.stat(name))

    async def folders(self, name: str, most: int) -> list[str]:
        return await self._first(lambda source: source.folders(name, most))

    async def read(self, name: str, start: int, end: int, *, etag: str) -> bytes:
        return await self._first(lambda source: source.read(name, start, end, etag=etag))

    async def close(self) -> None:
        for _, source in self._places:
            await source.close()

    async def _first(self, ask: Callable[[ObjectSource], Awaitable[T]]) -> T:
        """Return the first answer, which may be an error that no other place would mend."""
        now = monotonic()
        # a stable sort: among those that work, and among those that do not, the order holds
        waiting = sorted(self._places, key=lambda place: self._left_until.get(place[0], 0.0) > now)
        asked: dict[asyncio.Future[T], str] = {}
        failed: ObjectsUnreachableError | None = None
        try:
            while waiting or asked:
                if waiting:
                    name, source = waiting.pop(0)
                    asked[asyncio.ensure_future(ask(source))] = name
                patience_s = PATIENCE_S if waiting else None
                done, _ = await asyncio.wait(
                    asked, timeout=patience_s, return_when=asyncio.FIRST_COMPLETED
                )
                for answer in done:
                    place = asked.pop(answer)
                    error = answer.exception()
                    if not isinstance(error, ObjectsUnreachableError):
                        self._note(place, tuple(asked.values()))
                        return answer.result()
                    self._leave(place, str(error))
                    failed = error
        finally:
            for answer in asked:
                answer.cancel()
        assert failed is not None
        raise failed

    def _note(self, answered: str, silent: tuple[str, ...]) -> None:
        if self._left_until.pop(answered, None) is not None:
            log.info("files are read there again", place=answered)
        for place in silent:
            self._leave(place, f"no answer within {PATIENCE_S} s")

    def _leave(self, place: str, why: str) -> None:
        if place not in self._left_until:
            log.warning("files are read elsewhere", instead_of=place, why=why)
        self._left_until[place] = monotonic() + LEFT_S
