"""What a key may use: characters a day, sessions at once, and what is kept of it."""

from dataclasses import dataclass
from datetime import UTC, datetime
from time import time

from ..agents.journal import Journal
from ..codecs.records import Event
from ..storage.access_keys import AccessKey, AccessKeys
from ..storage.session_index import SessionIndex
from .refusals import QuotaError

ACCEPTED_MS = 60_000
"""A session that the log does not know so long after it was counted was never accepted, or is
deleted or lost: it takes no place of its key's."""


@dataclass(frozen=True, slots=True)
class Quotas:
    """Counts what keys use; what belongs to no key is not counted.

    The methods raise `QuotaError` where a key has no more of something, or is not one any more.
    """

    keys: AccessKeys
    journal: Journal
    index: SessionIndex

    async def spend(self, owner: str, chars: int) -> None:
        """Count characters of text."""
        key = await self._key(owner)
        if key is None or not key.chars_a_day:
            return
        day = datetime.now(UTC).date().isoformat()
        total = await self.keys.spend(owner, day, chars)
        if total > key.chars_a_day:
            await self.keys.spend(owner, day, -chars)
            raise QuotaError(
                f"{chars} characters are more than the {key.chars_a_day - total + chars} that "
                f"are left of this key's {key.chars_a_day} a day: they come back at midnight UTC"
            )

    async def start(self, owner: str, session: str, chars: int = 0) -> None:
        """Count a session that begins, with the characters of its first text."""
        await self._check_kept(owner)
        await self.spend(owner, chars)
        try:
            await self._begin(owner, session)
        except QuotaError:
            await self.spend(owner, -chars)
            raise

    async def _check_kept(self, owner: str) -> None:
        key = await self._key(owner)
        if key is None or not key.kept_mb:
            return
        totals = await self.index.totals(owner)
        kept_mb = (totals.media_bytes + totals.archive_bytes) / 1_000_000
        if kept_mb >= key.kept_mb:
            raise QuotaError(
                f"{kept_mb:,.1f} MB are kept of this key's sessions, and {key.kept_mb} is its "
                "limit: remove some with DELETE /v1/sessions/<id>"
            )

    async def _begin(self, owner: str, session: str) -> None:
        key = await self._key(owner)
        if key is None or not key.sessions_at_once:
            return
        now_ms = int(time() * 1000)
        if await self.keys.begin(owner, session, now_ms) <= key.sessions_at_once:
            return
        unfinished = await self.keys.unfinished(owner)
        ended = [
            one
            for one, begun_ms in unfinished.items()
            if await self._is_over(one, now_ms - begun_ms)
        ]
        await self.keys.end(owner, ended)
        if len(unfinished) - len(ended) > key.sessions_at_once:
            await self.keys.end(owner, [session])
            raise QuotaError(
                f"this key has {key.sessions_at_once} unfinished sessions, its limit: wait until "
                "one of them ends, or cancel one"
            )

    async def _is_over(self, session: str, age_ms: int) -> bool:
        """Tell whether a session has ended, was deleted or lost, or never came into the log."""
        state = await self.journal.of(Event).state(f"{session}/publish")
        if state.closed or state.forgotten:
            return True
        return age_ms >= ACCEPTED_MS and not await self.journal.still_has(session)

    async def give_back(self, owner: str, session: str, chars: int) -> None:
        """Count a session no more that was counted and could not begin."""
        await self.spend(owner, -chars)
        await self.keys.end(owner, [session])

    async def _key(self, owner: str) -> AccessKey | None:
        if not owner:
            return None
        key = await self.keys.get(owner)
        if key is None:
            raise QuotaError(f"key {owner} was revoked")
        return key
