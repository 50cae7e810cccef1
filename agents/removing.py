"""Forgetting sessions that are over, and removing what is kept of them."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

import structlog

from ..codecs.records import (
    DeviceFrames,
    DeviceRequest,
    Event,
    Segment,
    SequenceRecord,
    Session,
)
from ..storage.log import Entry, ScopeState
from ..storage.objects.store import Objects
from ..storage.session_index import SessionIndex
from .archive import Archive, Head, KeptEntry
from .journal import Journal

REFUSED_S = 86_400.0
"""For so long a late writer cannot begin a forgotten session again."""
log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Remover:
    """Takes sessions out of the log, the store and the archive."""

    journal: Journal
    store: Objects
    archive: Archive
    index: SessionIndex

    async def forget_if_over(self, session: str) -> bool:
        """Let the log forget a session that has ended and is archived to its end.

        From then on it is read from the archive. Doing this again does no harm.
        """
        states = await self._states(session)
        if not any(state.sequences for state in states):
            return await self._end_unknown(session)
        if any(state.batches for state in states) or not await self._has_ended(session, states):
            return False
        described = await self.journal.describe(session)
        kept = await self._kept(session)
        ended_ms = [one.timestamp_ms for one in kept if one.sequence == f"{session}/publish"]
        head = Head(
            session=session,
            created_ms=described.created_ms,
            ended_ms=max(ended_ms, default=described.created_ms),
            pieces={number: state.archive for number, state in enumerate(states) if state.archive},
            states={
                f"{topic} {sequence}": (one.next, one.closed)
                for state in states
                for (topic, sequence), one in state.sequences.items()
            },
            kept=tuple(kept),
        )
        await self.archive.put_head(head)
        await self._forget(session, states)
        await self.index.end(session, head.ended_ms)
        return True

    async def _kept(self, session: str) -> list[KeptEntry]:
        """Return the session's description, and the first and last event of each stage."""
        wanted: list[tuple[type[SequenceRecord], str]] = [(Session, session)]
        wanted += [(Event, f"{session}/{stage}") for stage in ("split", "master", "publish")]
        kept: list[KeptEntry] = []
        for kind, sequence in wanted:
            sequences = self.journal.of(kind)
            last = max(0, (await sequences.state(sequence)).next - 1)
            for position in sorted({0, last}):
                found = await sequences.entries(sequence, position, position + 1)
                kept += [_kept_entry(kind.TOPIC, sequence, position, entry) for entry in found]
        return kept

    async def _end_unknown(self, session: str) -> bool:
        """Make the index right for a session that the log does not know."""
        head = await self.archive.head(session)
        if head is None:
            await self.index.remove([session])
            return False
        await self.index.end(session, head.ended_ms)
        return True

    async def remove_media(self, session: str) -> int:
        """Remove segments and playlists; return how many objects that were."""
        names = await self.store.names(f"{session}/")
        # playlists first: no player is to be led to segments that are gone
        for name in sorted(names, key=lambda name: not name.endswith(".m3u8")):
            await self.store.delete(name)
        known = await self.index.get(session)
        if known is not None and known.media_bytes:
            await self.index.count(session, "media_bytes", -known.media_bytes)
        return len(names)

    async def remove(self, session: str) -> None:
        """Remove all of a session; whoever asks for it is told that there is none."""
        await self._forget(session, await self._states(session))
        await self.remove_media(session)
        await self.archive.remove(session)
        await self.index.remove([session])
        log.info("removed", session=session)

    async def has_ended(self, session: str) -> bool:
        """Return whether nothing of the session is made any more."""
        return await self._has_ended(session, await self._states(session))

    async def _states(self, session: str) -> list[ScopeState]:
        numbers = range(self.journal.partitions)
        state = self.journal.log.scope_state
        return list(await asyncio.gather(*(state(number, session) for number in numbers)))

    async def _has_ended(self, session: str, states: Sequence[ScopeState]) -> bool:
        home = states[self.journal.of(Segment).partition(session)].sequences
        if not home:
            return True
        wanted = [(Segment.TOPIC, session), (Event.TOPIC, f"{session}/publish")]
        if (DeviceRequest.TOPIC, session) in home:
            wanted.append((DeviceFrames.TOPIC, session))
        return all(one in home and home[one].closed for one in wanted)

    async def _forget(self, session: str, states: Sequence[ScopeState]) -> None:
        home = self.journal.of(Segment).partition(session)
        known = {number for number, state in enumerate(states) if state.sequences}
        # the one that says whether the session is known goes last
        for number in sorted(known | {home}, key=lambda number: number == home):
            await self.journal.log.forget(number, session, refuse_s=REFUSED_S)


def _kept_entry(topic: str, sequence: str, position: int, entry: Entry) -> KeptEntry:
    return KeptEntry(
        topic,
        sequence,
        position,
        entry.offset,
        entry.timestamp_ms,
        entry.key or b"",
        entry.value or b"",
    )
