"""Who is admitted next: one process leads for all, and what it knows follows from the log."""

import asyncio
from dataclasses import dataclass, field
from secrets import token_hex
from time import monotonic

import structlog

from ..codecs.encoding import MalformedError, decode
from ..codecs.records import Admission, AudioFrame, Control, Event, Item, Segment
from ..storage.admissions import Admissions, Places
from ..storage.errors import ForeignStreamError, ForgottenError
from ..storage.foreign_streams import first_to_read
from ..storage.log import LogError, TruncatedError
from ..storage.session_index import SessionIndex
from .admission import Speed
from .admitted import (
    AT_ONCE,
    FEW_IN_LINE,
    Admitted,
    pause_before_next_look,
    silent,
    starting,
)
from .journal import STEP_ENTRIES, Description, Journal, UnknownSessionError
from .pace import Pacer
from .turns import grid_of
from .waiting_sessions import waiting_sessions

GROUP = "admission"
"""Offsets are committed under this name, so that the next leader need not begin at the first."""
LEASE_S = 3.0
RESIGNS_S = 1.0
STARTING_SHARE = 1 / 32
"""Of the sessions in production, those that are not well ahead of their listeners, but one at
least: more would only wait for each other, and who is in line can be told so."""
COMMIT_S = 5.0
TRY_AGAIN_S = 1.0
FIRST_LIMIT = 8
"""Sessions admitted before anything was measured."""
ASLEEP_A_TICK = 32
"""Of those that sleep so many are looked at in a tick: they may have woken, or ended."""
PAGE = 100
NOWHERE = (-1, -1)
"""Where an admission is that the log has let go of."""
log = structlog.get_logger()


@dataclass(slots=True)
class Admitter:
    """Counts the sessions in production, and admits from the line as places come free.

    It needs no state but the log: which sessions were admitted (topic ``admission``), and how far
    their audio is. What is kept beside the log is made again where it is lost.
    """

    journal: Journal
    admissions: Admissions
    most: int
    """Sessions in production at the same time, whatever the speed."""
    index: SessionIndex
    member: str = field(default_factory=lambda: token_hex(8))
    _speed: Speed = field(init=False)
    _admitted: dict[str, Admitted] = field(default_factory=dict[str, Admitted])
    _positions: dict[tuple[str, int], int] = field(default_factory=dict[tuple[str, int], int])
    _epoch: int = 0
    _production_s: float = 0.0
    _committed_at_s: float = 0.0
    _committed: dict[int, int] = field(default_factory=dict[int, int])
    _turn: int = 0
    _waiting: int = 0
    """Sessions in line, when that was last published."""

    def __post_init__(self) -> None:
        self._speed = Speed(limit=min(FIRST_LIMIT, self.most), most=self.most)

    async def run(self) -> None:
        """Lead whenever nobody else does, until cancelled; a failure is logged and tried again."""
        leads = False
        try:
            while True:
                try:
                    leads = await self._lead(leads)
                    await asyncio.sleep(0 if leads else TRY_AGAIN_S)
                except TruncatedError as error:
                    leads = False  # and begins anew from the log
                    log.warning("admission begins anew", error=str(error))
                except (OSError, LogError) as error:
                    log.warning("sessions wait: the log is out of reach", error=str(error))
                    await asyncio.sleep(TRY_AGAIN_S)
                except Exception:
                    leads = False  # and begins anew from the log
                    log.exception("a bug in admission, beginning anew")
                    await asyncio.sleep(TRY_AGAIN_S)
        finally:
            await self._resign()

    async def _lead(self, led: bool) -> bool:
        if not led:
            if not await self.admissions.lead(self.member, LEASE_S):
                return False
            await self._begin()
        return await self._tick()

    async def _resign(self) -> None:
        try:
            async with asyncio.timeout(RESIGNS_S):
                await self.admissions.resign(self.member)
        except (OSError, LogError) as error:
            log.info("not resigned, the lease will lapse", error=str(error) or "no answer")

    async def _begin(self) -> None:
        self._epoch = self.journal.log.epoch
        self._admitted.clear()
        self._positions.clear()
        self._committed.clear()
        log_ = self.journal.log
        for number in range(self.journal.partitions):
            place = (Admission.TOPIC, number)
            committed = await log_.committed(GROUP, *place)
            self._positions[place] = max(committed or 0, await first_to_read(log_, *place))
        while await self._learn(0.0):
            pass
        await self._find_those_trimmed()

    async def _line_up_again(self) -> None:
        """Find those who wait in the log, where the line was lost or never was."""
        async for session, accepted_ms in waiting_sessions(self.journal):
            await self.admissions.wait(session, accepted_ms)

    async def _tick(self) -> bool:
        """Admit who can be, and wait for the next tick; return whether this process still leads."""
        at_work, waiting = await self._look(), self._waiting
        free = min(self._speed.limit - at_work, self._may_start(at_work, waiting))
        in_line = await self.admissions.first_in_line(free) if waiting and free > 0 else []
        if in_line:
            await asyncio.gather(*(self._admit(session) for session in in_line))
            await self.admissions.leave(in_line)
        places = Places(self._speed.limit, at_work, self._speed.value, self._production_s)
        published = await self.admissions.publish(
            self.member, places, max(0, free - len(in_line)), LEASE_S
        )
        if not published.leads:
            return False
        if published.afresh:
            await self._line_up_again()
        comes_first = bool(published.waiting or published.afresh) and not waiting
        self._waiting = published.waiting
        await self._commit()
        pause_s = pause_before_next_look(
            self._admitted.values(), monotonic(), at_work, self._waiting
        )
        await self._learn(0.0 if comes_first else pause_s)
        return True

    def _may_start(self, at_work: int, waiting: int) -> int:
        """Return how many more sessions may begin to be made."""
        if waiting <= FEW_IN_LINE:  # what is said first of each comes before what can wait
            return AT_ONCE - silent(self._admitted.values(), monotonic())
        return max(1, int(STARTING_SHARE * self._speed.limit)) - starting(
            self._admitted.values(), monotonic()
        )

    async def _learn(self, timeout_s: float) -> bool:
        """Read who was admitted; wait for that, at most until the next tick."""
        read = self.journal.log.read
        found = await read(
            self._positions, limit=STEP_ENTRIES, timeout_s=timeout_s, epoch=self._epoch
        )
        for place, entries in found.items():
            for entry in entries:
                try:
                    session = decode(entry.value or b"", Admission).session
                    description = await self.journal.describe(session)
                except (MalformedError, UnknownSessionError) as error:
                    log.warning("not an admission, ignored", offset=entry.offset, why=str(error))
                    continue
                finally:
                    self._positions[place] = entry.offset + 1
                self._admitted[session] = self._new(description, (place[1], entry.offset))
        return bool(found)

    def _new(self, description: Description, place: tuple[int, int]) -> Admitted:
        now_s, paced = monotonic(), description.record.pace.ahead_s > 0
        control, frames = self.journal.of(Control), self.journal.of(AudioFrame)
        return Admitted(
            description.session,
            place,
            not description.record.open and not paced,
            grid_of(description.form),
            now_s,
            now_s,
            Pacer(description, control, frames) if paced else None,
        )

    async def _find_those_trimmed(self) -> None:
        """Find sessions that go on, and whose admission the log has let go of."""
        after = None
        admitted, segments = self.journal.of(Admission), self.journal.of(Segment)
        while page := await self.index.oldest(PAGE, after=after):
            after = page[-1].position
            for known in page:
                session = known.session
                if known.ended_ms or session in self._admitted:
                    continue
                if (await segments.state(session)).closed:
                    continue
                if (await admitted.state(session)).closed:
                    description = await self.journal.describe(session)
                    self._admitted[session] = self._new(description, NOWHERE)

    async def _look(self) -> int:
        """See how far the admitted sessions are; return how many of them need a place."""
        every = self._looked_at(monotonic())
        before = sum(one.packed_s for one in every)
        ended = await asyncio.gather(*(self._see_surely(one) for one in every))
        now_s = monotonic()
        made_s = sum(one.packed_s for one in every) - before
        for one, has_ended in zip(every, ended, strict=True):
            if has_ended:
                self._forget(one, now_s)
            elif one.steady and not one.works(now_s):
                log.warning("makes no audio, and does not end", session=one.session)
                self._forget(one, now_s)
        working = [one for one in self._admitted.values() if one.works(now_s)]
        self._speed.note(now_s, made_s, sum(one.steady for one in working))
        return len(working)

    def _looked_at(self, now_s: float) -> list[Admitted]:
        """Return those at work, and a few of those asleep: round and round, or some never come."""
        at_work = [one for one in self._admitted.values() if one.works(now_s)]
        asleep = [one for one in self._admitted.values() if not one.works(now_s)]
        first = self._turn % max(1, len(asleep))
        self._turn = first + ASLEEP_A_TICK
        return at_work + (asleep[first:] + asleep[:first])[:ASLEEP_A_TICK]

    def _forget(self, one: Admitted, now_s: float) -> None:
        del self._admitted[one.session]
        if one.steady:
            took_s = now_s - one.since_s
            self._production_s += (0.1 if self._production_s else 1.0) * (
                took_s - self._production_s
            )

    async def _see_surely(self, one: Admitted) -> bool:
        try:
            return await self._see(one)
        except ForeignStreamError as error:
            log.warning("a session stands still", session=one.session, why=str(error))
            return True  # others have its place

    async def _see(self, one: Admitted) -> bool:
        """Note how far a session is; return whether it has ended."""
        segments = await self.journal.of(Segment).state(one.session)
        samples = (await self.journal.of(AudioFrame).state(one.session)).next
        one.packed_s = one.seconds(samples, None if segments.closed else segments.next)
        if segments.closed:
            return True
        moved = one.steady and samples > one.samples
        if not one.steady:  # silence that is put in for who listens is no work
            inputs = (await self.journal.of(Item).state(one.session)).next
            inputs += (await self.journal.of(Event).state(f"{one.session}/master")).next
            moved, one.inputs = inputs > one.inputs, inputs
        one.samples = samples
        if one.pacer is not None:
            await one.pacer.look(samples)
        if moved:
            one.moved_at_s = monotonic()
        return False

    async def _admit(self, session: str) -> None:
        if (await self.journal.of(Control).state(session)).closed:
            return  # cancelled in line
        try:
            await self.journal.describe(session)
            await self.journal.append(Admission(session=session, last=True))
        except (UnknownSessionError, ForgottenError):
            return  # deleted in line
        except ForeignStreamError as error:  # it leaves the line, which others are in
            log.warning("a session stands still", session=session, why=str(error))

    async def _commit(self) -> None:
        """Let the next leader begin with the oldest session that still works."""
        now_s = monotonic()
        if now_s - self._committed_at_s < COMMIT_S:
            return
        self._committed_at_s = now_s
        offsets = {number: offset for (_, number), offset in self._positions.items()}
        for one in self._admitted.values():
            if one.place != NOWHERE and (one.works(now_s) or one.pacer is not None):
                number, offset = one.place
                offsets[number] = min(offsets[number], offset)
        for number, offset in offsets.items():
            if self._committed.get(number) != offset:
                stored = {Admission.TOPIC: offset}
                await self.journal.log.commit(GROUP, number, stored, epoch=self._epoch)
                self._committed[number] = offset
