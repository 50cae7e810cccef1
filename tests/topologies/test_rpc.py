"""Agents that are asked: by an app that is in no group, by each other; and how such apps stop."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import faust
import pytest
from faust.agents.replies import BarrierState, ReplyPromise

from rhapsode.storage.log import NewEntry
from rhapsode.storage.memory.groups import MemoryGroups
from rhapsode.storage.memory.log import MemoryLog
from rhapsode.topologies.engine import consumer, retention
from rhapsode.topologies.engine.link import OWN_REPLIES

from .faust_apps import PARTITIONS, app_on, started, until


def calculator(app: faust.App) -> tuple[Any, Any]:
    """Give the app an agent that doubles, and one that asks that one twice."""

    async def double(stream: Any) -> Any:
        async for number in stream:
            yield 2 * number

    doubling: Any = app.agent(app.topic("double", value_type=int), name="double")(double)

    async def quadruple(stream: Any) -> Any:
        async for number in stream:
            yield await doubling.ask(await doubling.ask(number))

    return doubling, app.agent(app.topic("quadruple", value_type=int), name="quadruple")(quadruple)


@dataclass
class Calculating:
    """A worker whose agents calculate, and an app that asks them and is in no group."""

    log: MemoryLog
    groups: MemoryGroups
    client: faust.App
    doubling: Any
    quadrupling: Any


@asynccontextmanager
async def calculating(data: Path) -> AsyncGenerator[Calculating]:
    log = MemoryLog()
    groups = MemoryGroups(log)
    worker = app_on(log, groups, data / "worker")
    calculator(worker)
    client = app_on(log, groups, data / "client")
    async with started(worker):
        try:
            async with asyncio.timeout(30):
                yield Calculating(log, groups, client, *calculator(client))
        finally:
            async with asyncio.timeout(10):
                await client.stop()
    assert not worker.crashed


async def test_an_app_in_no_group_asks_and_is_answered(tmp_path: Path) -> None:
    async with calculating(tmp_path) as running:
        await running.client.start_client()
        assert [await running.doubling.ask(number) for number in range(3)] == [0, 2, 4]
        assert await running.quadrupling.ask(5) == 20
        members = await running.groups.members("app")
        assert len(members.metadata) == 1  # who asks is no member


async def test_answers_that_were_heard_go_after_a_while(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consumer, "RETENTION_LOOK_S", 0.1)
    async with calculating(tmp_path) as running:
        await running.client.start_client()
        log = running.log
        for number in range(10):
            assert await running.doubling.ask(number) == 2 * number
        (replies,) = [topic for topic in await log.topics() if topic.startswith(OWN_REPLIES)]
        assert (await log.span(replies, 0)).first == 0  # not yet
        monkeypatch.setattr(retention, "HEARD_KEPT_S", 0.0)
        while (await log.span(replies, 0)).first < 10:
            await asyncio.sleep(0.01)
        assert await running.doubling.ask(10) == 20


async def test_who_asks_at_once_is_answered_too(tmp_path: Path) -> None:
    # Faust sends the question first, and follows the replies three seconds later
    async with calculating(tmp_path) as running:
        assert await running.doubling.ask(21) == 42
        assert await running.doubling.ask(4) == 8


async def test_an_agent_asks_another_while_its_streams_wait_for_their_records(
    tmp_path: Path,
) -> None:
    log = MemoryLog()
    groups = MemoryGroups(log)
    asked: list[int] = []

    def app(name: str) -> faust.App:
        worker = app_on(log, groups, tmp_path / name)
        worker.conf.stream_wait_empty = True  # Faust's default: a rebalance waits for them
        doubling, _ = calculator(worker)

        async def ask(stream: Any) -> None:
            async for number in stream:
                asked.append(await doubling.ask(number))

        worker.agent(worker.topic("numbers", value_type=int), name="ask")(ask)
        return worker

    await log.declare("numbers", PARTITIONS)
    async with started(one := app("one"), other := app("other")):
        for number in range(20):
            value = b"%d" % number
            await log.append("numbers", number % PARTITIONS, [NewEntry(key=value, value=value)])
        await until(lambda: sorted(asked) == [2 * number for number in range(20)], 30.0)
    assert not any(worker.crashed for worker in (one, other))


async def test_an_app_whose_work_hangs_is_stopped_and_does_not_commit_it(tmp_path: Path) -> None:
    log = MemoryLog()
    app = app_on(log, MemoryGroups(log), tmp_path)
    app.conf.stream_wait_empty = True
    in_hand = asyncio.Event()

    async def hang(stream: Any) -> None:
        async for _ in stream:
            in_hand.set()
            await asyncio.Event().wait()

    app.agent(app.topic("numbers", value_type=int), name="hang")(hang)
    await app.start()
    await until(lambda: app.consumer.assignment() != set())
    await app.topic("numbers", value_type=int).send(key=b"k", value=1)
    await in_hand.wait()
    async with asyncio.timeout(20):
        await app.stop()
    assert not any([await log.committed("app", "numbers", number) for number in range(4)])


async def test_a_password_is_not_printed_with_the_broker(tmp_path: Path) -> None:
    app = faust.App("app", broker="redis://user:secret-8812@127.0.0.1:1/0", datadir=str(tmp_path))
    assert app.transport.url[0].password == "secret-8812"
    assert str(app.conf.broker) == "redis://user:***@127.0.0.1:1/0"


async def test_an_answer_that_comes_again_is_heard_once(tmp_path: Path) -> None:
    app_on(MemoryLog(), MemoryGroups(MemoryLog()), tmp_path / "app")
    promise = ReplyPromise("replies", "one")
    promise.fulfill("one", 1)
    promise.fulfill("one", 2)  # upstream's consumer of replies dies of it
    assert await promise == 1


async def test_a_map_is_done_when_each_question_is_answered_however_often(tmp_path: Path) -> None:
    app_on(MemoryLog(), MemoryGroups(MemoryLog()), tmp_path / "app")
    barrier = BarrierState("replies")
    for name in ("one", "two"):
        barrier.add(ReplyPromise("replies", name))
    barrier.finalize()
    barrier.fulfill("one", 1)
    barrier.fulfill("one", 1)
    assert not barrier.done()
    barrier.fulfill("two", 2)
    assert barrier.done()
