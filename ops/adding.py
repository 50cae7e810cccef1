"""Items at their positions in the log, and what a key is charged for them."""

import asyncio
import random
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from ..agents.journal import Journal
from ..codecs.records import Item, Session
from ..storage.errors import ClosedError, GapError, OverlapError
from ..storage.session_index import SessionIndex
from .quotas import Quotas
from .refusals import ConflictError, QuotaError, SessionClosedError

APPEND_TRIES = 20
"""Several producers may add to one session; each try loses to one of them."""


@dataclass(frozen=True, slots=True)
class Adding:
    """Appends sessions and items; what is sent again is stored, and counted, once."""

    journal: Journal
    index: SessionIndex
    quotas: Quotas | None

    async def session(self, session: Session, *items: Item) -> bool:
        """Store a session with its first items; tell whether it is new.

        Raises:
            ConflictError: there is a session of that id with other items.
            QuotaError: its owner has no more characters or sessions.
        """
        is_new = False
        async with self._charged(session.owner, items, items, session) as keep:
            # where only one of the two succeeds, who cleans up makes the index right
            is_new = (await asyncio.gather(self._is_new(session, items), self._list(session)))[0]
            if is_new:
                keep()
            elif items:
                await self._compare(items)
        return is_new

    async def items(
        self, owner: str, session: str, seq: int | None, made: Callable[[int], Sequence[Item]]
    ) -> int:
        """Store items at a position, or behind all others; return the position of the first.

        Raises:
            SessionClosedError, ConflictError: the session does not take them.
            QuotaError: its owner has no more characters.
        """
        items = made(seq or 0)
        async with self._charged(owner, items, items if seq is not None else ()) as keep:
            at, is_new = await self._added(session, seq, made)
            if is_new:
                keep()
            return at

    @asynccontextmanager
    async def _charged(
        self,
        owner: str,
        items: Sequence[Item],
        again: Sequence[Item],
        begins: Session | None = None,
    ) -> AsyncGenerator[Callable[[], None]]:
        """Charge a key first, and give back what nothing new was stored for.

        Those of ``again`` may be stored already: who sends them once more may have nothing left.
        """
        chars, kept = sum(len(item.text) for item in items), False
        if self.quotas is None or not owner or not (chars or begins):
            yield lambda: None
            return
        try:
            if begins is not None:
                await self.quotas.start(owner, begins.session, chars)
            else:
                await self.quotas.spend(owner, chars)
        except QuotaError:
            if not again or not await self._are_stored(again):
                raise
            kept = True

        def keep() -> None:
            nonlocal kept
            kept = True

        try:
            yield keep
        finally:
            if not kept:
                await self.quotas.spend(owner, -chars)

    async def _is_new(self, session: Session, items: Sequence[Item]) -> bool:
        try:
            return all(await self.journal.append(session, *items))
        except (ClosedError, OverlapError, GapError):
            return False  # it is longer or shorter; or it was archived, or deleted

    async def _list(self, session: Session) -> None:
        await self.index.add(session.session, session.owner)

    async def _are_stored(self, items: Sequence[Item]) -> bool:
        try:
            await self._compare(items)
        except ConflictError:
            return False
        return True

    async def _compare(self, items: Sequence[Item]) -> None:
        """Accept what is stored already; refuse what differs from it."""
        session, seq = items[0].session, items[0].seq
        stored = await self.journal.of(Item).records(session, items[0].start, items[-1].end)
        if list(items) != [item for item in stored if item.seq == seq]:
            raise ConflictError(
                f"session {session} has another item at position {seq}: a session's items do not "
                "change; use a new session"
            )

    async def _added(
        self, session: str, seq: int | None, made: Callable[[int], Sequence[Item]]
    ) -> tuple[int, bool]:
        finished = SessionClosedError(f"session {session} is finished and takes no more items")
        for lost in range(APPEND_TRIES):
            # who loses waits a little, and not as long as another: else one could lose every time
            await asyncio.sleep(lost * random.random() / 1000)  # noqa: S311 - no secret
            state = await self.journal.of(Item).state(session)
            at = state.next if seq is None else seq
            if state.closed and seq is None:
                raise finished
            try:
                if all(await self.journal.append(*made(at))):
                    return at, True
            except ClosedError:
                raise finished from None
            except GapError:
                raise ConflictError(
                    f"item {at} cannot follow: session {session} has items up to {state.next}"
                ) from None
            except OverlapError:
                continue  # another producer was first: look again where the session ends
            if seq is not None:
                await self._compare(made(at))
                return at, False
        raise ConflictError(f"too many producers add to session {session} at once: try again")
