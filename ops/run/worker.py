"""A worker process: any set of stages, each a Faust app of its own, on one log."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any, cast

import faust
import structlog

from ...storage.log import LogError
from ...topologies.bind import bind
from ...topologies.registry import stages_named
from ...topologies.stage import companions_of, group_id
from ..metrics import LAG, PrometheusObserver
from ..services import Services
from .collecting import exempt_what_is_loaded, give_back_freed_memory, keep_memory_compact
from .emptied import until_emptied
from .metrics_server import serve_metrics
from .stopping import cancel_the_rest, end_within, stop_signal

LAG_INTERVAL_S = 30.0
log = structlog.get_logger()


@asynccontextmanager
async def stages_running(
    services: Services, names: tuple[str, ...]
) -> AsyncGenerator[list[faust.App]]:
    """Run the named stages until the block is left.

    Raises:
        ValueError: a name is no stage.
    """
    stages = stages_named(names)
    await services.prepare()
    for stage in stages:
        if stage.prepare is not None:
            await stage.prepare(services)
    observer = PrometheusObserver()
    apps = [
        bind(
            stage,
            services,
            services.groups,
            namespace=services.settings.namespace,
            data=services.settings.state / "faust",
            observer=observer,
            instance=services.settings.instance,
        )
        for stage in stages
    ]
    await asyncio.gather(*(app.start() for app in apps))
    beside = [asyncio.create_task(one.beside(services)) for one in companions_of(stages)]
    try:
        yield apps
    finally:
        await asyncio.gather(*(app.stop() for app in apps))
        for task in beside:
            task.cancel()
        await asyncio.gather(*beside, return_exceptions=True)


async def work(services: Services, names: tuple[str, ...]) -> int:
    """Run stages until SIGTERM or SIGINT; return the exit status, 1 where a stage crashed."""
    stopping = stop_signal()
    bounding = asyncio.create_task(_end_once_stopped(stopping))  # also where the start hangs
    keep_memory_compact()
    serve_metrics(services.settings.metrics_port)
    identity = await services.log.identity()
    async with stages_running(services, names) as apps:
        exempt_what_is_loaded()
        log.info("working", stages=list(names))
        lag = asyncio.create_task(_report_lag(services, names))
        trimming = asyncio.create_task(give_back_freed_memory())
        emptied = asyncio.create_task(until_emptied(services.log, identity))
        emptied.add_done_callback(lambda _: stopping.set())
        crashed = await _until_stopped(apps, stopping)
        begins_anew = emptied.done()
        stopping.set()
        await bounding
        for task in (lag, trimming, emptied):
            task.cancel()
    # sessions in hand: they must not go on over a voice and a log that are about to be closed
    await cancel_the_rest()
    for app in crashed:
        log.error("stage crashed", stage=app.conf.id, error=repr(app.crash_reason))
    return 1 if crashed or begins_anew else 0


async def _end_once_stopped(stopping: asyncio.Event) -> None:
    await stopping.wait()
    end_within()


async def first_crash(apps: list[faust.App]) -> str:
    """Wait until a stage crashes; return its id and why."""
    never = asyncio.Event()
    (crashed, *_) = await _until_stopped(apps, never)
    return f"{crashed.conf.id}: {crashed.crash_reason!r}"


async def _until_stopped(apps: list[faust.App], stopping: asyncio.Event) -> list[faust.App]:
    """Wait until it is time to stop, or a stage crashes; return the stages that have."""
    events = [stopping, *(cast("Any", app)._crashed for app in apps)]  # noqa: SLF001 - Faust polls
    waiting = [asyncio.ensure_future(event.wait()) for event in events]
    try:
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for one in waiting:
            one.cancel()
    return [] if stopping.is_set() else [app for app in apps if app.crashed]


async def _report_lag(services: Services, names: tuple[str, ...]) -> None:
    while True:
        for stage in stages_named(names):
            group = group_id(services.settings.namespace, stage.name)
            for topic in stage.sources:
                try:
                    lags = await services.log.lag(group, topic)
                except (OSError, LogError) as error:
                    log.warning("lag unknown", stage=stage.name, error=str(error))
                    continue
                for partition, records in lags.items():
                    LAG.labels(stage.name, topic, str(partition)).set(records)
        await asyncio.sleep(LAG_INTERVAL_S)
