"""The measured process of FastStream on Redis Streams: a subscriber that does nothing.

FastStream is no dependency of ours; ``pip install --group bench`` brings it.
"""

import importlib
import importlib.util
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import redis.asyncio
import uvloop
from children import subject_from, tell
from consumers import Tally

STREAM = "faststream"
HOW = "FastStream was not run: pip install --group bench"
INSTALLED = importlib.util.find_spec("faststream") is not None


def _broker(url: str) -> Any:
    # without log lines, types to validate or telemetry: at its quickest
    return importlib.import_module("faststream.redis").RedisBroker(
        url, logger=None, apply_types=False
    )


async def fill(url: str, count: int, size: int) -> None:
    """Append ``count`` messages of ``size`` bytes in FastStream's own format."""
    broker = _broker(url)
    client: Any = redis.asyncio.Redis.from_url(url)
    await client.delete(STREAM)
    async with broker:
        await broker.publish(b"x" * size, stream=STREAM)
    ((_, fields),) = await client.xrange(STREAM)
    for start in range(1, count, 500):
        pipe = client.pipeline(transaction=False)
        for _ in range(start, min(start + 500, count)):
            pipe.xadd(STREAM, fields)
        await pipe.execute()
    await client.aclose()


@asynccontextmanager
async def publisher(url: str) -> AsyncGenerator[Callable[[str], Awaitable[Any]]]:
    """Yield a coroutine function that publishes a text."""
    broker = _broker(url)
    async with broker:
        yield lambda text: broker.publish(text, stream=STREAM)


async def consume(url: str, group: str, count: int, *, batch: bool, latencies: bool) -> None:
    """Read ``count`` messages with a group, acknowledged by FastStream; one or 500 a call."""
    library = importlib.import_module("faststream.redis")
    broker = _broker(url)
    tally = Tally(count, latencies)
    subscription = library.StreamSub(
        STREAM,
        group=group,
        consumer="one",
        batch=batch,
        max_records=500,
        last_id="$" if latencies else "0-0",
    )

    async def handle(body: Any) -> None:
        if batch:
            for _ in body:
                tally.count()
        else:
            tally.count(body if latencies else "")

    broker.subscriber(stream=subscription)(handle)
    tally.start()
    await broker.start()
    tell({"ready": True})
    try:
        await tally.done.wait()
        tell(tally.found())
    finally:
        await broker.stop()


if __name__ == "__main__":
    uvloop.run(subject_from({"consume": consume}))
