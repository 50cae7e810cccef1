"""The log refuses, or is away: nothing is lost, nothing is committed too early, no app ends."""

import asyncio
import gc
from pathlib import Path
from typing import Any, cast

import pytest
from faust.exceptions import ProducerSendError

from rhapsode.storage.log import (
    Beat,
    GroupTimings,
    UnreachableError,
    UnusableServerError,
)
from rhapsode.storage.memory.groups import MemoryGroups
from rhapsode.storage.memory.log import MemoryLog
from rhapsode.topologies.engine import failed_sends

from .faust_apps import PARTITIONS, app_on, collecting, fill, started, until


class RefusingLog(MemoryLog):
    """A log that refuses appends to one topic."""

    refused = "out"

    async def append(self, topic: str, *args: Any, **kwargs: Any) -> int:
        if topic == self.refused:
            raise UnusableServerError("no rights")
        return await super().append(topic, *args, **kwargs)


async def test_a_failed_send_fails_the_commit_of_what_led_to_it(tmp_path: Path) -> None:
    log = RefusingLog()
    groups = MemoryGroups(log)
    await fill(log, "numbers", 4)
    app = app_on(log, groups, tmp_path)
    out = app.topic("out", value_serializer="raw", key_serializer="raw")
    seen: list[int] = []
    sent: list[Any] = []

    async def forward(stream: Any) -> None:
        async for value in stream:
            sent.append(await out.send(key=b"k", value=value))
            seen.append(int(value))

    app.agent(app.topic("numbers", value_serializer="raw", key_serializer="raw"), name="forward")(
        forward
    )
    await app.start()
    try:
        await until(lambda: bool(seen))
        await until(lambda: app.crashed)
    finally:
        await app.stop()
    assert all(isinstance(future.exception(), ProducerSendError) for future in sent)
    committed = [await log.committed("app", "numbers", number) for number in range(PARTITIONS)]
    assert not any(committed)


async def test_sends_that_fail_are_told_once_and_leave_no_traceback_each(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(failed_sends._FILTER, "_told_s", float("-inf"))
    log = RefusingLog()
    await fill(log, "numbers", 12)
    app = app_on(log, MemoryGroups(log), tmp_path)
    out = app.topic("out", value_serializer="raw", key_serializer="raw")

    async def forward(stream: Any) -> None:
        async for value in stream:
            await out.send(key=b"k", value=value)

    app.agent(app.topic("numbers", value_serializer="raw", key_serializer="raw"), name="forward")(
        forward
    )
    told: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context))
    await app.start()
    try:
        await until(lambda: app.crashed)
    finally:
        await app.stop()
    gc.collect()
    assert not told
    assert sum("_on_published error" in line for line in caplog.messages) == 1


class AwayLog(MemoryLog):
    """A log that is out of reach for whoever appends or commits, for as long as a test says so."""

    def __init__(self) -> None:
        super().__init__()
        self.away = True
        self.asked = 0

    def _ask(self) -> None:
        self.asked += 1
        if self.away:
            raise UnreachableError("out of memory")

    async def append(self, topic: str, *args: Any, **kwargs: Any) -> int:
        if topic == "out":
            self._ask()
        return await super().append(topic, *args, **kwargs)

    async def commit(self, *args: Any, **kwargs: Any) -> None:
        self._ask()
        await super().commit(*args, **kwargs)


async def test_a_log_that_is_away_for_a_while_ends_no_app_and_loses_nothing(tmp_path: Path) -> None:
    log = AwayLog()
    await fill(log, "numbers", 40)
    app = app_on(log, MemoryGroups(log), tmp_path)
    out = app.topic("out", value_serializer="raw", key_serializer="raw", partitions=1)

    async def forward(stream: Any) -> None:
        async for value in stream:
            await out.send(key=b"k", value=value)

    app.agent(app.topic("numbers", value_serializer="raw", key_serializer="raw"), name="forward")(
        forward
    )
    async with started(app):
        await until(lambda: log.asked >= 5)
        assert not app.crashed
        log.away = False
        ends: list[int | None] = []
        while ends != [10] * PARTITIONS:
            ends = [await log.committed("app", "numbers", number) for number in range(PARTITIONS)]
            await asyncio.sleep(0.01)
        assert not app.crashed
    stored = (await log.read({("out", 0): 0}, limit=100))["out", 0]
    assert sorted(int(entry.value or b"") for entry in stored) == list(range(40))


async def test_an_app_is_stopped_though_the_log_stays_away(tmp_path: Path) -> None:
    log = AwayLog()
    await fill(log, "numbers", 4)
    app = app_on(log, MemoryGroups(log), tmp_path)
    seen: list[int] = []
    collecting(app, "numbers", seen)
    async with started(app):
        await until(lambda: log.asked >= 2)
    assert not app.crashed
    assert [await log.committed("app", "numbers", number) for number in range(PARTITIONS)] == [
        None
    ] * PARTITIONS


class SlowToJoin(MemoryGroups):
    """Groups where each request to join arrives late, when the member may have left."""

    def __init__(self, log: MemoryLog) -> None:
        super().__init__(log)
        self.under_way = asyncio.Event()
        self.arrives = asyncio.Event()

    async def join(
        self,
        group: str,
        member: str,
        metadata: bytes,
        timings: GroupTimings,
        *,
        instance: str = "",
        takes_over: bool = False,
    ) -> Beat:
        del instance, takes_over
        # what is on its way to a server arrives, whoever has stopped waiting for it
        return await asyncio.shield(self._late(group, member, metadata, timings))

    async def _late(self, group: str, member: str, metadata: bytes, timings: GroupTimings) -> Beat:
        self.under_way.set()
        await self.arrives.wait()
        return await super().join(group, member, metadata, timings)


async def test_who_leaves_while_it_joins_is_no_member(tmp_path: Path) -> None:
    log = MemoryLog()
    groups = SlowToJoin(log)
    await fill(log, "numbers", 4)
    app = app_on(log, groups, tmp_path)
    collecting(app, "numbers", [])
    starting = asyncio.create_task(app.start())
    await groups.under_way.wait()
    stopping = asyncio.create_task(app.stop())
    membership = cast("Any", app.consumer).membership
    await until(lambda: membership._left)
    groups.arrives.set()
    await stopping
    await asyncio.wait([starting])
    assert not (await groups.members("app")).metadata


async def test_what_a_worker_sends_for_another_generation_is_refused(tmp_path: Path) -> None:
    log = MemoryLog()
    groups = MemoryGroups(log)
    await fill(log, "numbers", 1)
    app = app_on(log, groups, tmp_path)
    out = app.topic("out", value_serializer="raw", key_serializer="raw")
    in_hand, wakes_up = asyncio.Event(), asyncio.Event()
    sent: list[Any] = []

    async def forward(stream: Any) -> None:
        async for value in stream:
            in_hand.set()
            await wakes_up.wait()
            sent.append(await out.send(key=b"k", value=value))

    app.agent(app.topic("numbers", value_serializer="raw", key_serializer="raw"), name="forward")(
        forward
    )
    async with started(app):
        await in_hand.wait()
        await groups.claim("app", 99, range(PARTITIONS))  # while it slept, another took over
        wakes_up.set()
        await until(lambda: bool(sent) and sent[0].done())
        assert isinstance(sent[0].exception(), ProducerSendError)
        assert not app.crashed
        # what belongs to no event is nobody else's to send
        metadata = await (await out.send(key=b"k", value=b"beside"))
        assert metadata.offset == 0
    assert await log.committed("app", "numbers", 0) is None


async def test_a_stop_in_the_middle_of_a_rebalance_is_no_crash(tmp_path: Path) -> None:
    log = MemoryLog()
    app = app_on(log, MemoryGroups(log), tmp_path)
    collecting(app, "numbers", [])
    async with started(app):
        await until(lambda: len(app.consumer.assignment()) == PARTITIONS)
        app.rebalancing = True
    assert not app.crashed
