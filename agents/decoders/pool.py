"""Children that decode, each of which has many objects open and works on one at a time."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Protocol

from ..children import Limits

KEPT_BYTES = 200_000_000
"""A child that has grown larger is replaced: what it freed it may never give back."""
MOST_OPEN = 16
"""Objects that a child has open; where there are more, the one that was asked for least recently is
closed, and whoever asks for it begins again at its start."""


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


@dataclass(eq=False, slots=True)
class Shared:
    """A child and the numbers of the objects that it has open, in the order of their last turns."""

    child: Decoder
    objects: dict[int, None] = field(default_factory=dict[int, None])
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    wanted: int = 0
    """By how many it is held or waited for."""
    _closed: list[int] = field(default_factory=list[int])

    def touch(self, number: int) -> None:
        """Note that an object is asked for, which may be a new one."""
        self.objects.pop(number, None)
        while len(self.objects) >= MOST_OPEN:
            self.forget(next(iter(self.objects)))
        self.objects[number] = None

    def forget(self, number: int) -> None:
        """Have an object be closed with the next request."""
        if self.objects.pop(number, self) is None:
            self._closed.append(number)

    def take_closed(self) -> tuple[int, ...]:
        """Return, once, the objects that are to be closed."""
        closed, self._closed = tuple(self._closed), []
        return closed


class Pool:
    """At most so many children, started as they are needed.

    Args:
        most: Children.
        start: Starts a child.
        alone: Whether each has one object only, as far as there are children enough.
        keeps: Children that are kept though they have no object.
    """

    def __init__(
        self,
        most: int,
        start: Callable[[], Awaitable[Decoder]],
        *,
        alone: bool = False,
        keeps: int = 1,
    ) -> None:
        self._most = most
        self._start = start
        self._keeps = keeps
        self._alone = alone
        self._children: list[Shared] = []
        self._growing = asyncio.Lock()

    async def prepare(self) -> None:
        """Start the first child."""
        async with self._growing:
            if not self._children:
                self._children.append(Shared(await self._start()))

    async def close(self) -> None:
        """End all children that nobody holds; others end with who holds them."""
        for shared in [one for one in self._children if not one.turn.locked()]:
            await self._end(shared)

    @asynccontextmanager
    async def turn(self, number: int) -> AsyncGenerator[Shared]:
        """Hold the child that has an object open, else another; it ends where this is cut off."""
        shared = await self._held(number)
        is_whole = False
        try:
            yield shared
            is_whole = True  # nothing is under way any more
        finally:
            shared.wanted -= 1
            try:
                if not is_whole or self._is_spare(shared) or self._is_too_large(shared):
                    await self._end(shared)
            finally:
                shared.turn.release()

    async def forget(self, number: int) -> None:
        """Note that nobody asks for an object any more; end the child where it was the last one."""
        for shared in list(self._children):
            shared.forget(number)
            if self._is_spare(shared):
                await self._end(shared)

    def _is_spare(self, shared: Shared) -> bool:
        is_idle = not shared.objects and not shared.wanted
        return is_idle and len(self._children) > self._keeps

    def _is_too_large(self, shared: Shared) -> bool:
        is_anothers = not self._alone or not shared.objects
        return is_anothers and shared.child.memory_bytes() >= KEPT_BYTES

    def has(self, shared: Shared) -> bool:
        """Tell whether a child that was held is still there."""
        return shared in self._children

    async def _held(self, number: int) -> Shared:
        while True:
            home = next((one for one in self._children if number in one.objects), None)
            shared = home or await self._chosen()
            shared.wanted += 1
            try:
                await shared.turn.acquire()
            except BaseException:
                shared.wanted -= 1
                raise
            if shared in self._children:
                return shared
            shared.wanted -= 1  # it has ended meanwhile
            shared.turn.release()

    async def _chosen(self) -> Shared:
        """Return the child that is wanted least, a new one where all are at work."""
        async with self._growing:
            is_full = len(self._children) >= self._most
            if not is_full and all(map(self._is_taken, self._children)):
                self._children.append(Shared(await self._start()))
                return self._children[-1]
        return min(
            self._children,
            key=lambda one: (self._is_taken(one), one.wanted, len(one.objects)),
        )

    def _is_taken(self, shared: Shared) -> bool:
        return shared.wanted > 0 or (self._alone and bool(shared.objects))

    async def _end(self, shared: Shared) -> None:
        if shared in self._children:
            self._children.remove(shared)
            await shared.child.close()
