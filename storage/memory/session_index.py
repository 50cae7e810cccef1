"""The index of sessions in memory, for one process."""

import time
from collections.abc import Sequence
from dataclasses import replace

from ..session_index import Kept, KnownSession, Position, Totals
from .lease import MemoryLease


class MemorySessionIndex:
    """`storage.session_index.SessionIndex` for as long as the process lives."""

    def __init__(self) -> None:
        self._known: dict[str, KnownSession] = {}
        self._lease = MemoryLease()

    async def add(self, session: str, owner: str = "", created_ms: int | None = None) -> None:
        at = time.time_ns() // 1_000_000 if created_ms is None else created_ms
        self._known.setdefault(session, KnownSession(session, at, owner))

    async def get(self, session: str) -> KnownSession | None:
        return self._known.get(session)

    async def newest(
        self, limit: int, *, after: Position | None = None, owner: str | None = None
    ) -> list[KnownSession]:
        ours = [one for one in self._ordered()[::-1] if owner is None or one.owner == owner]
        return [one for one in ours if after is None or one.position < after][:limit]

    async def oldest(self, limit: int, *, after: Position | None = None) -> list[KnownSession]:
        return [one for one in self._ordered() if after is None or one.position > after][:limit]

    def _ordered(self) -> list[KnownSession]:
        return sorted(self._known.values(), key=lambda one: one.position)

    async def count(self, session: str, kind: Kept, size_bytes: int) -> None:
        known = self._known.get(session)
        if known is not None:
            self._known[session] = replace(known, **{kind: getattr(known, kind) + size_bytes})

    async def end(self, session: str, ended_ms: int) -> None:
        known = self._known.get(session)
        if known is not None:
            self._known[session] = replace(known, ended_ms=ended_ms)

    async def ask_removal(self, session: str) -> None:
        known = self._known.get(session)
        if known is not None:
            self._known[session] = replace(known, removing=True)

    async def to_remove(self, limit: int) -> list[str]:
        return [one.session for one in self._ordered() if one.removing][:limit]

    async def remove(self, sessions: Sequence[str]) -> None:
        for session in sessions:
            self._known.pop(session, None)

    async def totals(self, owner: str | None = None) -> Totals:
        known = [one for one in self._known.values() if owner in (None, one.owner)]
        return Totals(
            len(known),
            sum(one.media_bytes for one in known),
            sum(one.archive_bytes for one in known),
        )

    async def lead(self, member: str, lease_s: float) -> bool:
        return self._lease.take(member, lease_s)

    async def resign(self, member: str) -> None:
        self._lease.give(member)

    async def close(self) -> None:
        pass
