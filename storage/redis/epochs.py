"""Whether the server still has what it had: noticed where another run of it answers.

A server that is killed, or whose disk was stalling, may come back without its last writes; a
replica that takes over may lack some. Either way the new run has another run id (INFO server).
Scripts note where each stream ended when they first met it in a run (``opening.lua``), before they
write to it: so whoever has seen more than that knows what was lost.
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

MOST_RUNS = 5
"""So often a look is begun again because yet another run of the server answers."""
log = structlog.get_logger()


class Epochs:
    """What this process has seen of each partition, and what of it was lost.

    All methods but ``check`` raise what `RedisConnection` does.
    """

    def __init__(self, connection: RedisConnection) -> None:
        self._connection = connection
        self._run = ""
        """The run in which everything in ``_seen`` was there."""
        self._met_ms = 0
        """When it was first met, in the server's Unix milliseconds."""
        self._seen: dict[TopicPartition, int] = {}
        """The offset after the last entry that was read or written."""
        self._truncations = Truncations()
        self._entering = asyncio.Lock()

    @property
    def number(self) -> int:
        """How many times something was lost."""
        return self._truncations.epoch

    @property
    def run(self) -> str:
        """The run of the server whose entries have been seen; empty where it is secret."""
        return self._run

    def check(self, positions: Mapping[TopicPartition, int], epoch: int | None) -> None:
        """Raise `TruncatedError` where entries before a position were lost since the epoch."""
        self._truncations.check(positions, epoch)

    def allow(self, fence: Fence | None) -> None:
        """Raise `FencedError` where something was lost since the fence's epoch."""
        if fence is not None and fence.epoch not in {None, self.number}:
            raise FencedError("the server has lost its last writes since")

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
            losses = await losses_since(self._connection, places, "", 0)
            if all(loss.run == self._run for loss in losses):
                return
        raise self.restless()

    def saw(self, place: TopicPartition, following: int, run: str) -> None:
        """Take note of an entry that was read or written in a run, by the offset after it.

        It is called right behind `enter`, so that no look at what was lost is under way.
        """
        if run == self._run and following > self._seen.get(place, 0):
            self._seen[place] = following

    async def enter(self) -> None:
        """Look what was lost, where another run of the server answers."""
        if self._connection.run_id == self._run:
            return
        async with self._entering:
            for _ in range(MOST_RUNS):
                run, met_ms = self._connection.run_id, self._connection.met_ms
                places = list(self._seen)
                if run == self._run:
                    return
                since = (self._run, self._met_ms)
                losses = await losses_since(self._connection, places, *since)
                if all(loss.run == run for loss in losses):
                    self._run, self._met_ms = run, met_ms
                    self._judge(dict(zip(places, losses, strict=True)))
        if self._connection.run_id != self._run:
            raise self.restless()

    def restless(self) -> UnreachableError:
        """Return the error for a server that never stays."""
        return UnreachableError(f"{self._connection.settings.safe_url} is started again and again")

    def _judge(self, losses: Mapping[TopicPartition, Loss]) -> None:
        lost = {
            place: loss.start
            for place, loss in losses.items()
            if 0 <= loss.start < self._seen[place]
        }
        if not lost:
            return
        count = sum(self._seen[place] - at for place, at in lost.items())
        where = self._connection.settings.safe_url
        log.error(
            "the server lost its last writes",
            server=where,
            entries=count,
            lost=_ranges((place, at, self._seen[place]) for place, at in sorted(lost.items())),
        )
        self._seen.update(lost)
        self._truncations.note(lost)


def _ranges(lost: Iterable[tuple[TopicPartition, int, int]]) -> list[str]:
    return [f"{topic}/{number} {at}..{end - 1}" for (topic, number), at, end in lost]
