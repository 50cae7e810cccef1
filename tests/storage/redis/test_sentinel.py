"""The log behind Sentinels: a master that dies is replaced, and what it lost is said."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import ParamSpec, TypeVar

import pytest
from sentinels import Deployment

from rhapsode.storage.log import (
    GroupTimings,
    Log,
    NewEntry,
    SequenceBatch,
    TruncatedError,
    UnreachableError,
)
from rhapsode.storage.opening import open_log

FAILS_OVER_S = 30.0
P = ParamSpec("P")
T = TypeVar("T")


@pytest.fixture
async def deployment(tmp_path: Path) -> AsyncIterator[Deployment]:
    deployment = Deployment(tmp_path, "sentinel-test-5521")
    try:
        deployment.start()
        yield deployment
    finally:
        deployment.stop()


async def test_appends_ride_out_a_failover_and_the_heartbeat_finds_the_new_master(
    deployment: Deployment,
) -> None:
    log, groups = open_log(deployment.url, "rhapsode")
    beats: list[object] = []
    timings = GroupTimings(lease_s=5.0)
    await groups.join("g", "m", b"", timings)
    heartbeat = groups.heartbeat("g", "m", timings, 0.1, beats.append)
    heartbeat.start()
    try:
        for number in range(20):
            await append(log, number)
        await asyncio.to_thread(deployment.fail_over)
        beats.clear()
        for number in range(20, 40):
            await append(log, number)
        found = await log.read_sequence("t", 0, "s", 0)
        assert [entry.value for entry in found] == [b"%d" % number for number in range(40)]
        async with asyncio.timeout(FAILS_OVER_S):
            while not any(not isinstance(beat, BaseException) for beat in beats):
                await asyncio.sleep(0.05)
    finally:
        heartbeat.stop()
        await log.close()


async def append(log: Log, number: int) -> None:
    """Append a number at its position; the log may be away for the length of a failover."""
    batch = SequenceBatch("t", "s", number, number + 1, b"k", (b"%d" % number,))
    await until_it_answers(log.append_at, 0, [batch])


async def until_it_answers(ask: Callable[P, Awaitable[T]], *args: P.args, **kwargs: P.kwargs) -> T:
    async with asyncio.timeout(FAILS_OVER_S):
        while True:
            try:
                return await ask(*args, **kwargs)
            except UnreachableError:
                await asyncio.sleep(0.05)


async def test_what_the_replica_did_not_have_is_said(deployment: Deployment) -> None:
    log, _ = open_log(deployment.url, "rhapsode")
    try:
        await log.append("t", 0, [NewEntry(b"k", b"%d" % number) for number in range(5)])
        replica = deployment.servers[1]
        async with asyncio.timeout(FAILS_OVER_S):
            while not deployment.client(replica).exists("{rhapsode:0}:log:t"):
                await asyncio.sleep(0.05)
        await asyncio.to_thread(deployment.stop_replication)
        epoch = log.epoch
        await log.append("t", 0, [NewEntry(b"k", b"5"), NewEntry(b"k", b"6")])
        assert len((await log.read({("t", 0): 0}, epoch=epoch))["t", 0]) == 7
        await asyncio.to_thread(deployment.fail_over)
        with pytest.raises(TruncatedError) as told:
            await until_it_answers(log.read, {("t", 0): 7}, epoch=epoch)
        assert told.value.starts == {("t", 0): 5}
    finally:
        await log.close()
