"""Who keeps log, media and archive within their bounds: one process for all."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from secrets import token_hex
from time import monotonic

import structlog

from ..codecs.archive import DamagedPieceError
from ..codecs.encoding import MalformedError, decode
from ..codecs.records import Session
from ..storage.errors import ForeignStreamError
from ..storage.foreign_streams import first_to_read
from ..storage.log import LogError, TruncatedError
from ..storage.objects.store import Objects, ObjectsRefusedError
from ..storage.session_index import SessionIndex
from .archive import Archive
from .children import ChildDiedError
from .journal import STEP_ENTRIES, Journal
from .removing import Remover
from .retention import Removal, Retention, what_is_to_go
from .trimming import SupersededError, Trimmer

GROUP = "retention"
"""Offsets of the sessions that the index knows are committed under this name."""
LEASE_S = 10.0
RESIGNS_S = 1.0
TICK_S = 2.5
SWEEP_S = 60.0
AGE_S, AGE_SHARE = 60.0, 0.01
"""It is asked what is too old in so long, or in this share of the age, if that is less."""
TRY_AGAIN_S = 5.0
LOW = 0.9
"""Where the log is over its bound, it is brought down to this share of it."""
HURRIED_ABOVE, MOST_CUTS_AT_ONCE = 1.05, 4
"""So far above its bound, partitions are cut side by side: on a busy machine a cut is mostly
waiting, and what is produced meanwhile would grow the log faster than one at a time shrinks it."""
ROUNDS_A_TICK = 5
"""How often what was written meanwhile is cut, too, before anything else is seen to."""
SPARED_S = 5.0
"""What is younger stays, however full the log is: it is being read."""
CHECKS_A_TICK = 100
"""Sessions that are asked in a tick whether they are over."""
REMOVALS_A_TICK = 100
TROUBLES = (OSError, LogError, ObjectsRefusedError, DamagedPieceError, ChildDiedError)
"""What passes, or is mended elsewhere: no bug of ours, and nothing to begin anew for."""
log = structlog.get_logger()


@dataclass(slots=True)
class Retainer:
    """Archives and trims what is beyond the bounds; forgets and removes sessions."""

    journal: Journal
    index: SessionIndex
    trimmer: Trimmer
    remover: Remover
    retention: Retention
    member: str = field(default_factory=lambda: token_hex(8))
    _epoch: int = 0
    _positions: dict[tuple[str, int], int] = field(default_factory=dict[tuple[str, int], int])
    _to_check: dict[str, None] = field(default_factory=dict[str, None])
    _swept_at_s: float = float("-inf")
    _aged_at_s: float = float("-inf")
    _still: set[int] = field(default_factory=set[int])
    """Partitions of which it was said that they cannot be trimmed."""

    @classmethod
    def on(
        cls,
        journal: Journal,
        store: Objects,
        archive: Archive,
        index: SessionIndex,
        readers: Mapping[str, Sequence[str]],
        retention: Retention,
    ) -> "Retainer":
        """Return one for what is kept there; ``readers`` are groups by the topic they read."""
        trimmer = Trimmer(journal, archive, index, readers)
        return cls(journal, index, trimmer, Remover(journal, store, archive, index), retention)

    async def once(self) -> list[Removal] | None:
        """Do all there is to do; return what went, or None where another does it."""
        if not await self.tick():
            return None
        while self._to_check:
            await self._forget()
        went = await self.sweep()
        await self._resign()
        return went

    async def run(self) -> None:
        """Clean up whenever nobody else does, until cancelled; a failure is logged."""
        leads = False
        try:
            while True:
                try:
                    leads = await self.tick(leads)
                    await asyncio.sleep(TICK_S)
                except TruncatedError as error:
                    leads = False  # and begins anew from the log
                    log.warning("cleaning up begins anew", error=str(error))
                except TROUBLES as error:
                    log.warning("nothing is cleaned up for now", error=str(error))
                    await asyncio.sleep(TRY_AGAIN_S)
                except Exception:
                    leads = False  # and begins anew from the log: else the log would fill up
                    log.exception("a bug in cleaning up, beginning anew")
                    await asyncio.sleep(TRY_AGAIN_S)
        finally:
            await self._resign()

    async def tick(self, led: bool = False) -> bool:
        """Do what is to be done now, where nobody else does; return whether it was done."""
        if not await self.index.lead(self.member, LEASE_S):
            return False
        if not led:
            await self._begin()
        await self._learn()
        try:
            await self.trim()
        except SupersededError as superseded:
            log.warning("another process cleans up, too", why=str(superseded))
            return False
        await self._forget()
        await self._remove_asked()
        if led and monotonic() - self._swept_at_s >= SWEEP_S:
            await self.sweep()
        return True

    async def _resign(self) -> None:
        try:
            async with asyncio.timeout(RESIGNS_S):
                await self.index.resign(self.member)
        except (OSError, LogError) as error:
            log.info("not resigned, the lease will lapse", error=str(error) or "no answer")

    async def _begin(self) -> None:
        """Look at every session that may be over, and find those that the index lost."""
        self._to_check.clear()
        self._still.clear()
        self._epoch = self.journal.log.epoch
        lost = not (await self.index.totals()).sessions
        for number in range(self.journal.partitions):
            place = (Session.TOPIC, number)
            committed = 0 if lost else await self.journal.log.committed(GROUP, *place) or 0
            self._positions[place] = max(committed, await first_to_read(self.journal.log, *place))
        if lost:
            await self._find_archived()
        after = None
        while page := await self.index.oldest(CHECKS_A_TICK, after=after):
            after = page[-1].position
            self._to_check |= {one.session: None for one in page if not one.ended_ms}

    async def _find_archived(self) -> None:
        for session in await self.remover.archive.sessions():
            head = await self.remover.archive.head(session)
            if head is None:
                continue  # the log knows it
            owner = (await self.journal.describe(session)).record.owner
            await self.index.add(session, owner, head.created_ms)
            await self.index.end(session, head.ended_ms)

    async def _learn(self) -> None:
        """Take in sessions that nobody put into the index when they were accepted."""
        read = self.journal.log.read
        while found := await read(self._positions, limit=STEP_ENTRIES, epoch=self._epoch):
            for place, entries in found.items():
                for entry in entries:
                    try:
                        record = decode(entry.value or b"", Session)
                    except MalformedError:
                        continue  # whoever reads it as a session says so
                    if record.kind == "listener":
                        continue  # it has no sound, and stays as long as the log
                    if await self.journal.still_has(record.session):
                        await self.index.add(record.session, record.owner, entry.timestamp_ms)
                self._positions[place] = entries[-1].offset + 1
                stored = {place[0]: self._positions[place]}
                await self.journal.log.commit(GROUP, place[1], stored, epoch=self._epoch)

    async def trim(self) -> None:
        """Bring the log within its bounds."""
        now_ms, age_s = time.time() * 1000, self.retention.log_age_s
        if monotonic() - self._aged_at_s >= min(AGE_S, AGE_SHARE * (age_s or AGE_S)):
            self._aged_at_s = monotonic()
            for number in range(self.journal.partitions):
                while age_s and await self._cut(number, now_ms - 1000 * age_s):
                    pass
                await self.trimmer.drop_old_dead_letters(number)
        bound = self.retention.log_bytes
        # the whole server's memory is asked for at once, that of each of many streams is not
        for _ in range(ROUNDS_A_TICK):
            if not 0 < bound < await self.journal.log.stored_bytes():
                break
            sizes = await self.trimmer.sizes()
            if sum(sizes.values()) <= bound or not await self._trim_to(sizes, LOW * bound):
                break

    async def _trim_to(self, sizes: dict[int, int], wanted: float) -> bool:
        """Cut until that little is left; return whether anything went."""
        left, now_ms, before = dict(sizes), time.time() * 1000, sum(sizes.values())
        while left and (size := sum(sizes.values())) > wanted:
            hurried = size > HURRIED_ABOVE * self.retention.log_bytes
            at_once = MOST_CUTS_AT_ONCE if hurried else 1
            fullest = sorted(left, key=lambda number: left[number], reverse=True)[:at_once]
            cuts = [self._cut(number, now_ms - 1000 * SPARED_S) for number in fullest]
            done = await asyncio.gather(*cuts, return_exceptions=True)
            for number, cut in zip(fullest, done, strict=True):
                if isinstance(cut, BaseException):
                    raise cut  # the others have come to their end, too
                if not cut:
                    del left[number]
                    continue
                left[number] -= cut
                sizes[number] -= cut
        return sum(sizes.values()) < before

    async def _cut(self, number: int, before_ms: float) -> int:
        try:
            cut = await self.trimmer.cut(number, before_ms)
        except ForeignStreamError as error:
            self._stands_still(number, error)
            return 0
        if cut is None:
            return 0
        self._to_check |= dict.fromkeys(cut.sessions)
        # one cut takes long where thousands of sessions are in it
        await self.index.lead(self.member, LEASE_S)
        return cut.size_bytes

    def _stands_still(self, number: int, error: ForeignStreamError) -> None:
        """Leave a partition alone that cannot be trimmed, and say so once; the others can."""
        if number not in self._still:
            self._still.add(number)
            log.warning("a partition is not trimmed", partition=number, why=str(error))

    async def _forget(self) -> None:
        for session in list(self._to_check)[:CHECKS_A_TICK]:
            await self.remover.forget_if_over(session)
            del self._to_check[session]  # it comes again when more of it is archived

    async def _remove_asked(self) -> None:
        for session in await self.index.to_remove(REMOVALS_A_TICK):
            if await self.remover.has_ended(session):
                await self.remover.remove(session)

    async def sweep(self) -> list[Removal]:
        """Remove sessions and media that are beyond the bounds; return what that was."""
        self._swept_at_s = monotonic()
        done: list[Removal] = []
        async for removal in what_is_to_go(self.index, self.retention, int(time.time() * 1000)):
            if removal.what == "session":
                await self.remover.remove(removal.session)
            else:
                await self.remover.remove_media(removal.session)
            log.info("went", session=removal.session, what=removal.what, why=removal.reason)
            done.append(removal)
            await self.index.lead(self.member, LEASE_S)
        return done
