"""Sending again what the server lost, in its order, and before anything that follows it."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
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
                self._recently.note(tp, first, sendings, epoch)
                self._sent.set()
            return first

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
        self, tp: TP, numbers: Sequence[int], missing: Sequence[Sending], epoch: int
    ) -> int:
        """Store what was lost of some appends; return how many entries nobody else stores."""
        sendings = await self._without_those_handled_again(missing)
        try:
            if sendings:
                first = await self._link.patience.ask(
                    self._link.log.append,
                    tp.topic,
                    tp.partition,
                    [one.entry for one in sendings],
                    epoch=epoch,
                )
                self._recently.note(tp, first, sendings, epoch)
        except ForeignStreamError as error:  # nobody's sends may wait until it is mended
            log.warning("what was lost is not sent again", entries=len(sendings), why=str(error))
        for number in numbers:
            self._recently.forget(number)
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
            await self.send_again()
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
        numbers = {tp.partition for tp in self._recently.places()}
        limit_s = self._link.patience.at_most(2 * REPLICATES_S)
        try:
            async with asyncio.timeout(limit_s):
                return await self._link.log.replicate(numbers, limit_s / 2)
        except (TimeoutError, OSError, LogError):
            return False

    async def see_that_it_stands(self, limit_s: float, also: Iterable[int] = ()) -> None:
        """Have replicas take in what was sent last, and send again what is not there.

        Args:
            limit_s: how long that may take; what is not known then is said.
            also: partition numbers that something else was written to.
        """
        on, places = self._link.log, self._recently.places()
        ask = self._link.patience.ask
        try:
            async with asyncio.timeout(limit_s):
                numbers = {*also, *(tp.partition for tp in places)}
                if not await ask(on.replicate, numbers, limit_s / 2):
                    log.warning("no replica has all that was sent last, its masters alone have it")
                for tp in places:
                    await ask(on.span, tp.topic, tp.partition)  # notices a loss
                await self.send_again()
        except (TimeoutError, OSError, LogError) as error:
            why = str(error) or f"no answer within {limit_s:.2g} s"
            log.warning("it is not known whether what was sent last is there", why=why)


def _in_batches(lost: Sequence[Lost]) -> list[tuple[TP, list[int], list[Sending]]]:
    """Return appends to the same partition together, with their numbers."""
    batches: list[tuple[TP, list[int], list[Sending]]] = []
    open_: dict[TP, tuple[TP, list[int], list[Sending]]] = {}
    for number, tp, missing in lost:
        if tp not in open_ or len(open_[tp][2]) + len(missing) > MAX_BATCH:
            open_[tp] = (tp, [], [])
            batches.append(open_[tp])
        open_[tp][1].append(number)
        open_[tp][2].extend(missing)
    return batches
