"""A topology run in one event loop straight on a log, without Faust: for flows and replay."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from ..codecs.records import TOPICS
from ..storage.log import Log
from .keyed_runner import Delivery, KeyedRunner, Observer
from .stage import Parts, Stage, Topology


async def declare_topics(log: Log, partitions: int) -> None:
    """Create every topic of the records, with one number of partitions for all."""
    for topic in TOPICS:
        await log.declare(topic, partitions)


@asynccontextmanager
async def running(
    topology: Topology, parts: Parts, observer: Observer
) -> AsyncGenerator[asyncio.Future[None]]:
    """Run every stage until the block is left.

    Yields a future that fails with the first bug a stage stops at.
    """
    await declare_topics(parts.log, parts.partitions)
    failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def crash(error: BaseException) -> None:
        if not failed.done():
            failed.set_exception(error)

    lanes = {
        stage.name: KeyedRunner(
            stage, stage.build(parts), parts.log, parts.partitions, observer=observer, crash=crash
        )
        for stage in topology
    }
    stopping = asyncio.Event()
    tasks = [
        asyncio.create_task(_feed(stage, parts, lanes[stage.name], stopping)) for stage in topology
    ]

    def fed(task: asyncio.Task[None]) -> None:
        error = None if task.cancelled() else task.exception()
        if error is not None:
            crash(error)

    for task in tasks:
        task.add_done_callback(fed)
    try:
        yield failed
    finally:
        stopping.set()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for stage_lanes in lanes.values():
            await stage_lanes.drop()
        if failed.done():
            failed.exception()
        else:
            failed.cancel()


async def _feed(stage: Stage, parts: Parts, lanes: KeyedRunner, stopping: asyncio.Event) -> None:
    positions = {(stage.source, number): 0 for number in range(parts.partitions)}
    # a cancellation that meets the end of a `wait_for` is lost (before Python 3.12)
    while not stopping.is_set():
        found = await parts.log.read(positions, limit=100, timeout_s=0.5)
        for (topic, partition), entries in found.items():
            for entry in entries:
                await lanes.offer(
                    Delivery(
                        key=entry.key or b"",
                        value=entry.value or b"",
                        partition=partition,
                        offset=entry.offset,
                        fence=None,
                        done=_nothing,
                    )
                )
            positions[topic, partition] = entries[-1].offset + 1


def _nothing() -> None:
    """Commit nothing: such a run starts from the beginning each time."""
