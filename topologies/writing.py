"""Writing what an agent yields: where its stage may, all or none, and under the owner's fence."""

import asyncio
from contextlib import suppress

from ..agents.batching import batches
from ..agents.journal import Journal, UndeclaredTopicError
from ..codecs.records import SequenceRecord
from ..storage.log import (
    ClosedError,
    Fence,
    ForgottenError,
    GapError,
    OverlapError,
    SequenceBatch,
    partition_of,
)
from .delivery import Delivery, Observer
from .stage import Stage

WRITES_S = 1.0
"""A write takes about a millisecond, and for as long as the log is out of reach."""


class StaleCursorError(Exception):
    """Somebody else has written what the agent yielded: it has to read its cursor again."""

    def __init__(self, reason: str, batch: SequenceBatch) -> None:
        super().__init__(reason)
        self.place = (batch.topic, batch.sequence, batch.start)


class WriteGate:
    """Open, but while partitions may move: what is written then would be of neither generation."""

    def __init__(self) -> None:
        self._is_open = asyncio.Event()
        self._is_open.set()
        self._inside = 0
        self._left = asyncio.Event()

    async def __aenter__(self) -> None:
        await self._is_open.wait()
        self._inside += 1

    async def __aexit__(self, *_: object) -> None:
        self._inside -= 1
        self._left.set()

    def open(self) -> None:
        """Let everybody in."""
        self._is_open.set()

    async def close(self) -> None:
        """Let nobody in, and wait a moment for who is inside; a later write is fenced off."""
        self._is_open.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(WRITES_S):
                while self._inside:
                    self._left.clear()
                    await self._left.wait()


async def write_output(
    journal: Journal,
    stage: Stage,
    observer: Observer,
    output: tuple[SequenceRecord, ...],
    delivery: Delivery | None,
) -> None:
    """Append the records of one output, those of each partition all or none.

    Raises:
        StaleCursorError: some of them are stored already, or their sequences have gone on.
        ForgottenError: the session was deleted, or the log has lost it.
        UndeclaredTopicError: a topic is not among the stage's sinks.
        FencedError: a newer generation owns the partition that the delivery came from.
    """
    by_partition: dict[int, list[SequenceBatch]] = {}
    for batch in batches(output):
        if batch.topic not in stage.sinks:
            raise UndeclaredTopicError(
                f"{stage.name} writes to {batch.topic}, which is not among its sinks"
            )
        number = partition_of(batch.key, journal.partitions)
        by_partition.setdefault(number, []).append(batch)
    for partition, group in by_partition.items():
        # a fence holds where this member owns the partition; elsewhere the position alone does
        ours = delivery is not None and partition == delivery.partition
        fence = delivery.fence if delivery is not None and ours else None
        await _append(journal, stage, observer, partition, group, fence)


async def _append(
    journal: Journal,
    stage: Stage,
    observer: Observer,
    partition: int,
    group: list[SequenceBatch],
    fence: Fence | None,
) -> None:
    try:
        written = await journal.log.append_at(partition, group, fence=fence, together=True)
    except ForgottenError:
        raise  # whose session is gone has no cursor to read again
    except (OverlapError, GapError, ClosedError) as error:
        raise StaleCursorError(str(error), group[0]) from error
    for batch, new in zip(group, written, strict=True):
        if new:
            observer.wrote(stage.name, batch.topic, len(batch.values))
    if not all(written):
        stale = group[written.index(False)]
        raise StaleCursorError(f"{stage.name}: written already by another", stale)
