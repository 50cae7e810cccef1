"""Stages onto Faust: one app, one agent and one consumer group a stage."""

from pathlib import Path
from typing import Any, cast

import faust
from mode import Service

from ..storage.log import Groups
from .delivery import Delivery, Observer
from .engine.transport import Transport
from .keyed_runner import KeyedRunner
from .stage import Resources, Stage, group_id

LEASE_S = 10.0
HEARTBEAT_S = 0.5
REBALANCE_S = 3.0
COMMIT_S = 0.5
COMMITS_LATE_S = 30.0
"""On a Cluster: longer than its nodes take to replace a master (15 s, and an election)."""


class _StillMonitor(faust.Monitor):
    """Counts without waking up every second: rates are for Faust's web pages, which are off."""

    @Service.task
    async def _sampler(self) -> None:
        """Do nothing."""


def bind(
    stage: Stage,
    resources: Resources,
    groups: Groups,
    *,
    namespace: str,
    data: Path,
    observer: Observer,
    instance: str = "",
) -> faust.App:
    """Return a Faust app that runs the stage on the log once it is started.

    A worker with the name ``instance`` comes back to its partitions after a restart.

    Offsets follow what is done: nothing waits for a commit, a record that was not done is
    delivered again after a crash, and its outputs fall on the places they took before.
    """
    (data / stage.name).mkdir(parents=True, exist_ok=True)
    app = faust.App(
        group_id(namespace, stage.name),
        broker="redis://",
        datadir=str(data / stage.name),
        autodiscover=False,
        topic_partitions=resources.journal.partitions,
        topic_disable_leader=True,
        web_enabled=False,
        stream_wait_empty=False,
        stream_buffer_maxsize=64,
        broker_session_timeout=LEASE_S,
        broker_heartbeat_interval=HEARTBEAT_S,
        broker_rebalance_timeout=REBALANCE_S,
        broker_commit_interval=COMMIT_S,
        consumer_auto_offset_reset=stage.begins,
        consumer_group_instance_id=instance or None,
        cython_optimizations=True,
        monitor=_StillMonitor(),
    )
    Transport.on(app, resources.journal.log, groups, commits_late_s=COMMITS_LATE_S)
    source = app.topic(*stage.sources, key_serializer="raw", value_serializer="raw")

    runner = KeyedRunner(stage, stage.agent(resources), resources.journal, observer=observer)

    async def run(stream: Any) -> None:
        async for event in stream.noack().events():
            message = event.message
            delivery = Delivery(
                key=message.key or b"",
                value=message.value or b"",
                topic=message.topic,
                partition=message.partition,
                offset=message.offset,
                fence=cast("Any", app.consumer).fence_of(message.generation_id),
                done=event.ack,
            )
            # the consumer keeps messages until they are committed: what a stage holds is counted
            # by the runner, so nobody else may hold it
            message.value = event.value = None
            await runner.offer(delivery)

    async def hold(*_: Any, **__: Any) -> None:
        await runner.suspend()

    async def go_on(*_: Any, **__: Any) -> None:
        # only what is owned in one generation after the other, of a log that is still whole
        fences = cast("Any", app.consumer).kept
        await runner.resume(fences)

    async def drop_keys(*_: Any, **__: Any) -> None:
        await runner.drop()

    app.agent(source, name=stage.name)(run)
    app.on_partitions_revoked.connect(hold, weak=False)
    app.on_partitions_assigned.connect(go_on, weak=False)
    app.on_before_shutdown.connect(drop_keys, weak=False)
    return app
