"""Whether the server still has what it had: noticed where another run of it answers.

A server that is killed, or whose disk was stalling, may come back without its last writes; a
replica that takes over may lack some. Either way the new run has another run id (INFO server).
Scripts note where each stream ended when they first met it in a run (``opening.lua``), before they
write to it: so whoever has seen more than that knows what was lost. A partition that moves to
another server of a Cluster meets another run, too, and has lost nothing.
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence

import structlog

from ..entries import TopicPartition
from ..errors import FencedError, UnreachableError
from ..log import Fence
from ..truncations import Truncations
from .connection import RedisConnection
from .epoch_scripts import Loss, losses_since
from .servers import Met

MOST_RUNS = 5
"""So often a look is begun again because yet another run of the server answers."""
log = structlog.get_logger()


class Epochs:
    """What this process has seen of each partition, and what of it was lost.

    All methods but ``check`` raise what `RedisConnection` does.
    """

    def __init__(self, connection: RedisConnection) -> None:
        self._connection = connection
        self._runs: dict[int, Met] = {}
        """By partition number, the run in which everything in ``_seen`` was there."""
        self.looks = 0
        """How many times a partition met another run."""
        self._settled = -1
        """The changes that were dealt with."""
        self._seen: dict[TopicPartition, int] = {}
        """The offset after the last entry that was read or written."""
        self._truncations = Truncations()
        self._entering = asyncio.Lock()

    @property
    def number(self) -> int:
        """How many times something was lost."""
        return self._truncations.epoch

    def run_of(self, partition: int) -> str:
        """Return the run in which a partition's entries were seen; empty where it is secret."""
        return self.met_first(partition).run

    def met_first(self, partition: int) -> Met:
        """Return the run in which a partition's entries were seen, or are going to be."""
        if partition not in self._runs:
            self._runs[partition] = self.met(partition)
        return self._runs[partition]

    def met(self, partition: int) -> Met:
        """Return the run that has a partition now, as far as is known."""
        return self._connection.met(self._connection.keys.epochs(partition))

    def lost_since(self, epoch: int) -> dict[TopicPartition, int]:
        """Return the first offset that each partition has lost since an epoch."""
        return self._truncations.since(epoch)

    def check(self, positions: Mapping[TopicPartition, int], epoch: int | None) -> None:
        """Raise `TruncatedError` where entries before a position were lost since the epoch."""
        self._truncations.check(positions, epoch)

    def allow(self, fence: Fence | None, epoch: int | None) -> None:
        """Raise `FencedError` or `TruncatedError` where something was lost since the epoch."""
        if fence is not None and fence.epoch not in {None, self.number}:
            raise FencedError("the server has lost its last writes since")
        self._truncations.check_nothing_lost(epoch)

    async def follow(self, positions: Mapping[TopicPartition, int]) -> None:
        """Take note of positions: what is before them has been seen."""
        await self.enter()
        seen, new = self._seen, list[TopicPartition]()
        for place, position in positions.items():
            known = seen.get(place)
            if known is None:
                new.append(place)
            elif position > known:
                seen[place] = position
        if new:
            await self._meet(new)
            for place in new:
                seen[place] = max(positions[place], seen.get(place, 0))

    async def _meet(self, places: Sequence[TopicPartition]) -> None:
        """Have it noted where the partitions end, in the run that everything else was seen in."""
        for _ in range(MOST_RUNS):
            await self.enter()
            losses = await losses_since(self._connection, dict.fromkeys(places, Met()))
            met = zip(places, losses, strict=True)
            if all(loss.run == self.run_of(number) for (_, number), loss in met):
                return
        raise self.restless()

    def saw(self, place: TopicPartition, following: int, run: str) -> None:
        """Take note of an entry that was read or written in a run, by the offset after it.

        It is called right behind `enter`, so that no look at what was lost is under way.
        """
        if run == self.run_of(place[1]) and following > self._seen.get(place, 0):
            self._seen[place] = following

    async def stands(self, ends: Mapping[TopicPartition, int], met: Met) -> bool:
        """Take note of what was written in a run; return whether it is still there.

        An answer may come just before the server is killed, and lie unread in a process that gets
        no processor, while another connection of it meets the next run and looks what was lost: at
        that time nobody knows of what was written.

        Args:
            ends: the offset after the last entry that was written, by partition.
            met: the run.
        """
        for place, end in ends.items():
            self.saw(place, end, met.run)
        known = self.number
        await self.enter()
        if all(self.met(number).run == met.run for _, number in ends):
            return True
        losses = await losses_since(self._connection, dict.fromkeys(ends, met))
        lost = {
            place: loss.start
            for place, loss in zip(ends, losses, strict=True)
            if 0 <= loss.start < ends[place]
        }
        if lost and self.number == known:
            self._note(lost, ends)
        return not lost

    async def enter(self) -> None:
        """Look what was lost, where another run of a server answers."""
        if self._connection.changes == self._settled:
            return
        async with self._entering:
            for _ in range(MOST_RUNS):
                changes = self._connection.changes
                if changes == self._settled or await self._is_settled():
                    self._settled = changes
                    return
        raise self.restless()

    async def _is_settled(self) -> bool:
        """Look what was lost of partitions that met another run; False where yet another came."""
        since = {number: met for number, met in self._runs.items() if met != self.met(number)}
        runs = {number: self.met(number) for number in since}
        places = {place: since[place[1]] for place in list(self._seen) if place[1] in since}
        losses = dict(zip(places, await losses_since(self._connection, places), strict=True))
        if any(loss.run != runs[number].run for (_, number), loss in losses.items()):
            return False
        if any(self.met(number) != met for number, met in runs.items()):
            return False
        self._runs |= runs
        self.looks += bool(runs)
        self._judge(losses)
        return True

    def restless(self) -> UnreachableError:
        """Return the error for a server that never stays."""
        return UnreachableError(f"{self._connection.settings.safe_url} is started again and again")

    def _judge(self, losses: Mapping[TopicPartition, Loss]) -> None:
        lost = {
            place: loss.start
            for place, loss in losses.items()
            if 0 <= loss.start < self._seen[place]
        }
        if lost:
            self._note(lost, self._seen)
            self._seen.update(lost)

    def _note(self, lost: Mapping[TopicPartition, int], ends: Mapping[TopicPartition, int]) -> None:
        """Tell of losses, from an offset to an end each; a new epoch begins."""
        log.error(
            "the server lost its last writes",
            server=self._connection.settings.safe_url,
            entries=sum(ends[place] - at for place, at in lost.items()),
            lost=_ranges((place, at, ends[place]) for place, at in sorted(lost.items())),
        )
        self._truncations.note(lost)


def _ranges(lost: Iterable[tuple[TopicPartition, int, int]]) -> list[str]:
    return [f"{topic}/{number} {at}..{end - 1}" for (topic, number), at, end in lost]
