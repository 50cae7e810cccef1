"""The log on a Cluster: partitions that move, masters that die, and who reads on meanwhile."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import ParamSpec, TypeVar

import psutil
import pytest
from broker import Broker
from cluster import Cluster
from ports import free_port

from rhapsode.storage.log import (
    GroupTimings,
    Log,
    NewEntry,
    SequenceBatch,
    TruncatedError,
    UnreachableError,
    UnusableServerError,
)
from rhapsode.storage.opening import open_log
from rhapsode.storage.redis.cluster_map import ClusterMap, tells_of_replicas
from rhapsode.storage.redis.keys import Keys
from rhapsode.storage.redis.settings import RedisSettings

RIDES_OUT_S = 30.0
PARTITIONS = 6
P = ParamSpec("P")
T = TypeVar("T")


@pytest.fixture
def replicated(tmp_path: Path) -> Iterator[Cluster]:
    """Give three masters with a replica each, of which the test may end any."""
    cluster = Cluster(tmp_path, "cluster-test-8812", replicas=True)
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()


@pytest.fixture
async def log(cluster_settings: RedisSettings) -> AsyncIterator[Log]:
    log, _ = open_log(cluster_settings.url, cluster_settings.namespace)
    yield log
    await log.close()


def slot_key(partition: int, namespace: str) -> str:
    return Keys(namespace).epochs(partition)


async def append(log: Log, partition: int, number: int) -> None:
    """Append a number at its position; the log may be away for the length of a failover."""
    batch = SequenceBatch("t", "s", number, number + 1, b"k", (b"%d" % number,))
    await until_it_answers(log.append_at, partition, [batch])


async def until_it_answers(ask: Callable[P, Awaitable[T]], *args: P.args, **kwargs: P.kwargs) -> T:
    async with asyncio.timeout(RIDES_OUT_S):
        while True:
            try:
                return await ask(*args, **kwargs)
            except UnreachableError:
                await asyncio.sleep(0.05)


async def test_one_read_has_what_is_on_all_servers_and_waits_for_any(
    log: Log, cluster: Cluster, cluster_settings: RedisSettings
) -> None:
    namespace = cluster_settings.namespace
    masters = {cluster.master_of(slot_key(number, namespace)) for number in range(PARTITIONS)}
    assert len(masters) == 3, "partitions are on every master"
    positions = {("t", number): 0 for number in range(PARTITIONS)}
    for number in range(PARTITIONS):
        waiting = asyncio.create_task(log.read(positions, timeout_s=20.0))
        await asyncio.sleep(0)
        await log.append("t", number, [NewEntry(b"k", b"%d" % number)])
        found = await waiting
        assert {place: [one.value for one in entries] for place, entries in found.items()} == {
            ("t", number): [b"%d" % number]
        }
        positions["t", number] = 1
    everything = await log.read(dict.fromkeys(positions, 0))
    assert len(everything) == PARTITIONS


async def test_what_came_while_nobody_read_is_there_at_the_next_read(log: Log) -> None:
    positions = {("t", number): 0 for number in range(PARTITIONS)}
    assert await log.read(positions, timeout_s=0.01) == {}
    for number in range(PARTITIONS):
        await log.append("t", number, [NewEntry(b"k", b"v")])
    found: dict[tuple[str, int], int] = {}
    async with asyncio.timeout(RIDES_OUT_S):
        while len(found) < PARTITIONS:
            for place, entries in (await log.read(positions, timeout_s=0.01)).items():
                found[place] = found.get(place, 0) + len(entries)
                positions[place] = entries[-1].offset + 1
    assert set(found.values()) == {1}


async def test_a_partition_that_moves_under_writers_and_readers_loses_and_doubles_nothing(
    log: Log, cluster: Cluster, cluster_settings: RedisSettings
) -> None:
    url, namespace = cluster_settings.url, cluster_settings.namespace
    reader, _ = open_log(url, namespace)
    epoch = reader.epoch
    read: list[bytes] = []

    async def follow() -> None:
        position = 0
        while len(read) < 60:
            positions = {("t", 0): position, ("t", 1): 0}
            found = await until_it_answers(reader.read, positions, timeout_s=0.5, epoch=epoch)
            for entry in found.get(("t", 0), []):
                read.append(entry.value or b"")
                position = entry.offset + 1

    following = asyncio.create_task(follow())
    key = slot_key(0, namespace)
    for number in range(20):
        await append(log, 0, number)
    moving = asyncio.create_task(
        asyncio.to_thread(cluster.move, key, (cluster.master_of(key) + 1) % 3)
    )
    for number in range(20, 60):
        await append(log, 0, number)
    await moving
    async with asyncio.timeout(RIDES_OUT_S):
        await following
    await reader.close()
    assert read == [b"%d" % number for number in range(60)]
    assert reader.epoch == epoch, "a move is no loss"


async def test_a_master_that_dies_holds_up_its_partitions_alone_and_its_replica_goes_on(
    replicated: Cluster,
) -> None:
    log, groups = open_log(replicated.url, "rhapsode")
    by_master = {replicated.master_of(slot_key(n, "rhapsode")): n for n in range(PARTITIONS)}
    mine, other = by_master[0], by_master[1]
    beats: list[object] = []
    timings = GroupTimings(lease_s=20.0)
    await groups.join("g", "m", b"", timings)
    heartbeat = groups.heartbeat("g", "m", timings, 0.1, beats.append)
    heartbeat.start()
    try:
        for number in range(20):
            await append(log, mine, number)
        failing = asyncio.create_task(asyncio.to_thread(replicated.fail_over, 0))
        for number in range(20):
            await append(log, other, number)
        await failing
        beats.clear()
        for number in range(20, 40):
            await append(log, mine, number)
        found = await log.read_sequence("t", mine, "s", 0)
        assert [entry.value for entry in found] == [b"%d" % number for number in range(40)]
        async with asyncio.timeout(RIDES_OUT_S):
            while not any(not isinstance(beat, BaseException) for beat in beats):
                await asyncio.sleep(0.05)
    finally:
        heartbeat.stop()
        await log.close()


async def test_what_the_replica_did_not_have_is_said(replicated: Cluster) -> None:
    log, _ = open_log(replicated.url, "rhapsode")
    by_master = {replicated.master_of(slot_key(n, "rhapsode")): n for n in range(PARTITIONS)}
    mine, other = by_master[0], by_master[1]
    try:
        for number in (mine, other):
            await log.append("t", number, [NewEntry(b"k", b"%d" % value) for value in range(5)])
        async with asyncio.timeout(RIDES_OUT_S):
            while replicated.lag(0):
                await asyncio.sleep(0.05)
        await asyncio.to_thread(replicated.stop_replication, 0)
        epoch = log.epoch
        await log.append("t", mine, [NewEntry(b"k", b"5"), NewEntry(b"k", b"6")])
        assert len((await log.read({("t", mine): 0}, epoch=epoch))["t", mine]) == 7
        await asyncio.to_thread(replicated.fail_over, 0)
        with pytest.raises(TruncatedError) as told:
            await until_it_answers(log.read, {("t", mine): 7, ("t", other): 5}, epoch=epoch)
        assert told.value.starts == {("t", mine): 5}
    finally:
        await log.close()


async def test_a_master_that_has_lost_its_replica_has_nothing_replicated(
    replicated: Cluster,
) -> None:
    mine = next(n for n in range(PARTITIONS) if not replicated.master_of(slot_key(n, "rhapsode")))
    await asyncio.to_thread(replicated.fail_over, 0)  # and what was master before is away
    log, _ = open_log(replicated.url, "rhapsode")
    try:
        await until_it_answers(log.append, "t", mine, [NewEntry(b"k", b"written")])
        assert not await log.replicate([mine], 0.1)
        others = {n for n in range(PARTITIONS) if replicated.master_of(slot_key(n, "rhapsode"))}
        assert await log.replicate(others, RIDES_OUT_S)
    finally:
        await log.close()


async def test_who_waits_for_a_replica_waits_until_it_has_what_was_written(
    replicated: Cluster,
) -> None:
    log, _ = open_log(replicated.url, "rhapsode")
    mine = next(n for n in range(PARTITIONS) if not replicated.master_of(slot_key(n, "rhapsode")))
    sleeper = psutil.Process(replicated.replicas[0].process.pid)
    try:
        sleeper.suspend()
        await log.append("t", mine, [NewEntry(b"k", b"written")])
        waits = asyncio.create_task(log.replicate({mine}, RIDES_OUT_S))
        await asyncio.wait([waits], timeout=0.2)
        assert not waits.done()
        assert not await log.replicate({mine}, 0.01)  # and no longer than it is told
        sleeper.resume()
        assert await waits
        await asyncio.to_thread(replicated.fail_over, 0)
        read = await until_it_answers(log.read, {("t", mine): 0})
        assert [entry.value for entry in read["t", mine]] == [b"written"]
    finally:
        sleeper.resume()
        await log.close()


async def test_where_there_is_no_replica_nobody_waits_for_one(log: Log) -> None:
    await append_to_partitions(log)
    async with asyncio.timeout(RIDES_OUT_S):
        assert await log.replicate(range(PARTITIONS), 10 * RIDES_OUT_S)


async def append_to_partitions(log: Log) -> None:
    for number in range(PARTITIONS):
        await log.append("t", number, [NewEntry(b"k", b"v")])


async def append_to_each(log: Log) -> None:
    try:
        await append_to_partitions(log)
    finally:
        await log.close()


async def test_a_node_of_a_cluster_that_is_named_as_one_server_is_told_from_one(
    cluster: Cluster,
) -> None:
    node = cluster.url.replace("redis+cluster", "redis").partition(",")[0]
    plain, _ = open_log(node, "rhapsode")
    with pytest.raises(UnusableServerError, match=r"name it by redis\+cluster://"):
        await append_to_each(plain)


async def test_one_server_that_is_named_as_a_cluster_is_told_from_one(tmp_path: Path) -> None:
    broker = Broker(tmp_path, "cluster-test-8812")
    broker.start()
    try:
        log, _ = open_log(broker.url.replace("redis:", "redis+cluster:"), "rhapsode")
        with pytest.raises(UnusableServerError, match="name it by redis://"):
            await append_to_each(log)
    finally:
        broker.kill()


async def test_a_cluster_that_is_out_of_reach_may_come_back() -> None:
    log, _ = open_log(f"redis+cluster://127.0.0.1:{free_port()}", "rhapsode")
    with pytest.raises(UnreachableError):
        await append_to_each(log)


LINE = "{id} 127.0.0.1:7000@17000,host {flags} {master} 0 1700000000000 3 connected{slots}"
SERVING = LINE.format(id="a", flags="myself,master", master="-", slots=" 0-5460 [7->-b]")
EMPTY = LINE.format(id="b", flags="master", master="-", slots="")


@pytest.mark.parametrize(
    ("other", "tells"),
    [
        (EMPTY, False),
        (LINE.format(id="c", flags="slave", master="a", slots=""), True),
        (LINE.format(id="c", flags="slave,fail", master="a", slots=""), True),
        (LINE.format(id="c", flags="master,fail", master="-", slots=""), True),
        (LINE.format(id="c", flags="master,fail", master="-", slots=" 5461-16383"), False),
    ],
)
def test_a_replica_counts_until_it_is_forgotten_and_so_does_the_master_whose_place_one_took(
    other: str, tells: bool
) -> None:
    assert tells_of_replicas(f"{SERVING}\n{other}\n") is tells


def test_the_map_knows_whose_a_slot_is_and_what_moved_since() -> None:
    known = ClusterMap()
    assert known.master_of(0) is None
    first, second = [b"10.0.0.1", 7001, b"id1"], [b"10.0.0.2", 7002, b"id2"]
    known.replace([[100, 200, second, first], [0, 99, [b"", 7000, b"id0"]]], ("host", 7000))
    assert [known.master_of(slot) for slot in (0, 99, 100, 200, 201)] == [
        ("host", 7000),
        ("host", 7000),
        ("10.0.0.2", 7002),
        ("10.0.0.2", 7002),
        None,
    ]
    assert known.nodes == (("10.0.0.2", 7002), ("10.0.0.1", 7001), ("host", 7000))
    known.move(150, ("10.0.0.1", 7001))
    assert known.master_of(150) == ("10.0.0.1", 7001)
    assert known.masters == (("host", 7000), ("10.0.0.2", 7002), ("10.0.0.1", 7001))
