"""Stages run in one event loop straight on a log, without Faust: for tests and demonstrations."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from functools import partial

from ..codecs.records import TOPICS
from ..storage.log import Log
from .delivery import Delivery, Observer
from .keyed_runner import KeyedRunner
from .stage import Resources, Stage, companions_of


async def declare_topics(log: Log, partitions: int) -> None:
    """Create every topic of the records, with one number of partitions for all."""
    for topic in TOPICS:
        await log.declare(topic, partitions)


@asynccontextmanager
async def running(
    stages: Sequence[Stage], resources: Resources, observer: Observer
) -> AsyncGenerator[asyncio.Future[None]]:
    """Run the stages until the block is left.

    Yields a future that fails with the first bug a stage stops at.
    """
    journal = resources.journal
    await declare_topics(journal.log, journal.partitions)
    failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def crash(error: BaseException) -> None:
        if not failed.done():
            failed.set_exception(error)

    runners = [
        KeyedRunner(stage, stage.agent(resources), journal, observer=observer, on_bug=crash)
        for stage in stages
    ]
    stopping = asyncio.Event()
    tasks = [
        asyncio.create_task(_feed(stage, resources, runner, stopping))
        for stage, runner in zip(stages, runners, strict=True)
    ]
    tasks += [asyncio.create_task(one.beside(resources)) for one in companions_of(stages)]

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
        for runner in runners:
            await runner.drop()
        if failed.done():
            failed.exception()
        else:
            failed.cancel()


async def _feed(
    stage: Stage, resources: Resources, runner: KeyedRunner, stopping: asyncio.Event
) -> None:
    journal = resources.journal
    positions = {
        (source, number): 0 for source in stage.sources for number in range(journal.partitions)
    }
    # a cancellation that meets the end of a `wait_for` is lost (before Python 3.12)
    while not stopping.is_set():
        found = await journal.log.read(positions, limit=100, timeout_s=0.5)
        for (topic, partition), entries in found.items():
            delivered = partial(Delivery, topic=topic, partition=partition, fence=None)
            for entry in entries:
                await runner.offer(
                    delivered(
                        key=entry.key or b"",
                        value=entry.value or b"",
                        offset=entry.offset,
                        done=_nothing,
                    )
                )
            positions[topic, partition] = entries[-1].offset + 1


def _nothing() -> None:
    """Commit nothing: such a run starts from the beginning each time."""
