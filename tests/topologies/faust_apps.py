"""Faust apps on a log, as the tests of the engine start and fill them."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import faust

from rhapsode.storage.log import (
    Groups,
    Log,
    NewEntry,
)
from rhapsode.topologies.engine.transport import Transport

PARTITIONS = 4


def app_on(
    log: Log,
    groups: Groups,
    data: Path,
    name: str = "app",
    *,
    begins: str = "earliest",
    commits_late_s: float = 0.0,
) -> faust.App:
    data.mkdir(parents=True, exist_ok=True)
    app = faust.App(
        name,
        broker="redis://",
        datadir=str(data),
        autodiscover=False,
        topic_partitions=PARTITIONS,
        topic_disable_leader=True,
        web_enabled=False,
        stream_wait_empty=False,
        broker_session_timeout=1.0,
        broker_heartbeat_interval=0.05,
        broker_rebalance_timeout=2.0,
        broker_commit_interval=0.05,
        consumer_auto_offset_reset=begins,
        cython_optimizations=True,
    )
    Transport.on(app, log, groups, commits_late_s=commits_late_s)
    return app


@asynccontextmanager
async def started(*apps: faust.App) -> AsyncGenerator[None]:
    await asyncio.gather(*(app.start() for app in apps))
    try:
        yield
    finally:
        await asyncio.gather(*(app.stop() for app in apps))


async def until(condition: Callable[[], bool], deadline_s: float = 10.0) -> None:
    async with asyncio.timeout(deadline_s):
        while not condition():
            await asyncio.sleep(0.01)


async def fill(log: Log, topic: str, count: int) -> None:
    await log.declare(topic, PARTITIONS)
    for number in range(count):
        await log.append(
            topic, number % PARTITIONS, [NewEntry(key=b"%d" % number, value=b"%d" % number)]
        )


def collecting(app: faust.App, topic: str, seen: list[int]) -> None:
    async def collect(stream: Any) -> None:
        async for value in stream:
            seen.append(int(value))

    app.agent(
        app.topic(topic, value_serializer="raw", key_serializer="raw"), name=f"{topic}-agent"
    )(collect)
