"""Sending again what the server lost, in its order, and before anything that follows it."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from itertools import count
from time import monotonic

import structlog
from faust.types.tuples import TP

from ...storage.errors import ForeignStreamError
from ...storage.log import Compaction, Fence, LogError, TruncatedError
from .link import Link
from .recently_sent import Lost, RecentlySent, Sending

MAX_BATCH = 200
"""Entries in one append: one server-side function runs for all of them."""
REPLICATES_S = 0.5
"""A replica that is there takes milliseconds."""
LOOK_S = 5.0
"""How often it is looked whether what was sent last is still there: who sends nothing more, and
reads nothing, meets no other run of the server."""
log = structlog.get_logger()


class Resending:
    """What a producer stored in the last seconds, and what of it has to be stored again.

    That is, where the server lost it, what nothing that is read again would send: what was sent
    beside events, questions too, and on a Cluster also what was sent for an event that is committed
    elsewhere. Other events come again, and send what follows from them in its order.

    Args:
        link: the transport's.
        handled_again_from: tells from which offset on a partition's events come again after a
            loss; None where they do not.
    """

    def __init__(
        self, link: Link, handled_again_from: Callable[[TP], Awaitable[int | None]]
    ) -> None:
        self._link = link
        self._handled_again_from = handled_again_from
        self._recently = RecentlySent()
        self._epoch = 0
        """In which everything in ``_recently`` is there."""
        self._lock = asyncio.Lock()
        self._sent = asyncio.Event()
        self._unreplicated: dict[int, int] = {}
        """By partition number the newest append that replicas may not have."""
        self._appends = count(1)

    async def append(
        self,
        tp: TP,
        sendings: Sequence[Sending],
        *,
        fence: Fence | None = None,
        compaction: Compaction | None = None,
        keep: bool = True,
    ) -> int:
        """Append, behind all that was appended before; return the first offset.

        Args:
            tp: where to.
            sendings: what.
            fence: the right to.
            compaction: of the topic.
            keep: whether to send it again where it is lost.

        Raises:
            LogError: it is refused, as by `Log.append`.
            UnreachableError: the log is out of reach, and the app stops.
        """
        entries = [one.entry for one in sendings]
        while True:
            await self.send_again()
            epoch = self._link.log.epoch
            try:
                # what did arrive, though its reply did not, is stored twice: at least once
                first = await self._link.patience.ask(
                    self._link.log.append,
                    tp.topic,
                    tp.partition,
                    entries,
                    fence=fence,
                    compaction=compaction,
                    epoch=None if fence else epoch,
                )
            except TruncatedError:
                continue  # what was lost comes before what follows it
            if keep and (fence is None or self._link.log.ends_apart):
                self._note(tp, first, sendings, epoch)
            return first

    def _note(self, tp: TP, first: int, sendings: Sequence[Sending], epoch: int) -> None:
        self._recently.note(tp, first, sendings, epoch)
        self._unreplicated[tp.partition] = next(self._appends)
        self._sent.set()

    async def send_again(self) -> None:
        """Store again what was lost, where nobody else does.

        Without a fence: it had been stored, and nobody else sends it.
        """
        while self._epoch != self._link.log.epoch:
            async with self._lock:
                epoch = self._link.log.epoch
                lost = self._recently.lost(self._link.log.lost_since)
                try:
                    again = sum([await self._store_again(*one, epoch) for one in _in_batches(lost)])
                except TruncatedError:
                    continue
                self._epoch = epoch
                if again:
                    log.warning("what the server lost was sent again", entries=again)

    async def _store_again(
        self, tp: TP, parts: Sequence[tuple[int, int]], missing: Sequence[Sending], epoch: int
    ) -> int:
        """Store what was lost of some appends; return how many entries nobody else stores."""
        sendings = await self._without_those_handled_again(missing)
        first = None
        try:
            if sendings:
                first = await self._link.patience.ask(
                    self._link.log.append,
                    tp.topic,
                    tp.partition,
                    [one.entry for one in sendings],
                    epoch=epoch,
                )
        except ForeignStreamError as error:  # nobody's sends may wait until it is mended
            log.warning("what was lost is not sent again", entries=len(sendings), why=str(error))
        for number, entries in parts:
            self._recently.cut(number, entries)
        if first is not None:  # only now: it makes room at the cost of what is old
            self._note(tp, first, sendings, epoch)
        return len(sendings)

    async def _without_those_handled_again(self, missing: Sequence[Sending]) -> list[Sending]:
        sources = {one.source[0] for one in missing if one.source}
        starts = {tp: await self._start(tp) for tp in sources}

        def is_handled_again(one: Sending) -> bool:
            start = starts[one.source[0]] if one.source else None
            return one.source is not None and start is not None and one.source[1] >= start

        return [one for one in missing if not is_handled_again(one)]

    async def _start(self, tp: TP) -> int | None:
        try:
            return await self._handled_again_from(tp)
        except ForeignStreamError:
            return None  # it stands still: nothing of it is handled

    async def watch(self) -> None:
        """Look now and then whether what was sent last is there, until cancelled."""
        while True:
            await self._sent.wait()
            await asyncio.sleep(LOOK_S)
            self._sent.clear()
            await self._look()
            try:
                await self.send_again()
            except (OSError, LogError) as error:
                log.warning("what was lost is not sent again yet", why=str(error))
            if self._recently:
                self._sent.set()

    async def _look(self) -> None:
        for tp in self._recently.places():
            at_s = monotonic()
            try:
                await self._link.log.span(tp.topic, tp.partition)  # notices a loss
            except (OSError, LogError):
                continue  # and is kept until it is known
            if self._epoch == self._link.log.epoch:
                self._recently.stood(tp, at_s)

    async def is_replicated(self) -> bool:
        """Return, soon, whether replicas have what was sent, as far as there are any."""
        limit_s = self._link.patience.at_most(2 * REPLICATES_S)
        try:
            async with asyncio.timeout(limit_s):
                return await self._replicate(limit_s / 2)
        except (TimeoutError, OSError, LogError):
            return False

    async def _replicate(self, limit_s: float, also: Iterable[int] = ()) -> bool:
        asked = dict(self._unreplicated)
        if not await self._link.log.replicate({*asked, *also}, limit_s):
            return False
        for number, newest in asked.items():
            if self._unreplicated.get(number) == newest:
                del self._unreplicated[number]
        return True

    async def see_that_it_stands(self, limit_s: float, also: Iterable[int] = ()) -> None:
        """Have replicas take in what was sent last, and send again what is not there.

        Args:
            limit_s: how long that may take; what is not known then is said.
            also: partition numbers that something else was written to.
        """
        ask = self._link.patience.ask
        try:
            async with asyncio.timeout(limit_s):
                if not await ask(self._replicate, limit_s / 2, also):
                    log.warning("no replica has all that was sent last, its masters alone have it")
                for tp in self._recently.places():
                    with suppress(ForeignStreamError):  # it stands still
                        await ask(self._link.log.span, tp.topic, tp.partition)  # notices a loss
                await self.send_again()
        except (TimeoutError, OSError, LogError) as error:
            why = str(error) or f"no answer within {limit_s:.2g} s"
            log.warning("it is not known whether what was sent last is there", why=why)


Batch = tuple[TP, list[tuple[int, int]], list[Sending]]
"""Of a partition, which appends lost how many entries, and these."""


def _in_batches(lost: Sequence[Lost]) -> list[Batch]:
    """Return what appends to the same partition have lost together."""
    batches: list[Batch] = []
    newest: dict[TP, Batch] = {}
    for number, tp, missing in lost:
        if tp not in newest or len(newest[tp][2]) + len(missing) > MAX_BATCH:
            newest[tp] = (tp, [], [])
            batches.append(newest[tp])
        newest[tp][1].append((number, len(missing)))
        newest[tp][2].extend(missing)
    return batches
