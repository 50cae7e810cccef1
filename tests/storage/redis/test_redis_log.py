"""What only the log on the server has: keys, slots, foreign ids and the ingress key."""

from collections.abc import Sequence
from typing import Any

import pytest
from redis.crc import key_slot

from rhapsode.storage.errors import ForeignStreamError
from rhapsode.storage.log import (
    Fence,
    FencedError,
    GroupTimings,
    IngressEntry,
    NewEntry,
    SequenceBatch,
    SequenceState,
    Span,
    TrimmedError,
    UnusableServerError,
)
from rhapsode.storage.redis import mending
from rhapsode.storage.redis.connection import RedisConnection, RedisSettings
from rhapsode.storage.redis.groups import RedisGroups
from rhapsode.storage.redis.keys import Keys
from rhapsode.storage.redis.log import RedisLog
from rhapsode.storage.redis.scripts import FEW_ENTRIES


def batch(topic: str, sequence: str, start: int, value: bytes = b"v") -> SequenceBatch:
    return SequenceBatch(topic, sequence, start, start + 1, b"k", (value,))


async def test_everything_of_a_partition_number_shares_a_slot(
    redis_log: RedisLog, redis_groups: RedisGroups, foreign: Any, redis_settings: RedisSettings
):
    await redis_groups.claim("g", 1, [7])
    fence = Fence("g", 1)
    await redis_log.append_at(7, [batch("t", "a", 0), batch("u", "b", 0)], fence=fence)
    await redis_log.append("v", 7, [NewEntry(None, b"")], fence=fence)
    await redis_log.commit("g", 7, {"t": 1}, fence=fence)
    keys = sorted([key async for key in foreign.scan_iter(f"*{redis_settings.namespace}:7*")])
    tag = b"{%s:7}" % redis_settings.namespace.encode()
    assert keys == [
        tag + rest
        for rest in (
            b":epochs",
            b":fence:g",
            b":index:a",
            b":index:b",
            b":log:t",
            b":log:u",
            b":log:v",
            b":offsets:g",
            b":scope:a",
            b":scope:b",
            b":time:t",
            b":time:u",
            b":time:v",
        )
    ]
    assert len({key_slot(key) for key in keys}) == 1


async def test_a_groups_state_shares_a_slot_and_topics_have_one_registry(
    redis_log: RedisLog, redis_groups: RedisGroups, foreign: Any, redis_settings: RedisSettings
):
    timings = GroupTimings(initial_delay_s=0.0)
    generation = (await redis_groups.join("g{}", "m", b"", timings)).generation
    await redis_groups.assign("g{}", "m", generation, {"m": b""})
    await redis_log.declare("t", 1)
    space = redis_settings.namespace.encode()
    keys = {key async for key in foreign.scan_iter(f"*{redis_settings.namespace}*")}
    registry = {b"{%s}:topics" % space, b"{%s}:layout" % space}
    assert registry <= keys
    state = keys - registry
    assert {key.rpartition(b":")[2] for key in state} == {
        b"state",
        b"leases",
        b"metadata",
        b"joined",
        b"assignments",
    }
    assert len({key_slot(key) for key in state}) == 1


async def test_the_time_index_has_at_most_one_entry_a_second(
    redis_log: RedisLog, foreign: Any, redis_settings: RedisSettings
):
    stamps = [*range(0, 5000, 10), 4990, 3, 4999]
    await redis_log.append("t", 0, [NewEntry(None, b"", timestamp_ms=ms) for ms in stamps])
    times = Keys(redis_settings.namespace).times("t", 0)
    points = await foreign.zrange(times, 0, -1, withscores=True)
    assert points == [(b"%d" % (n * 100), n * 1000.0) for n in range(5)]
    await redis_log.trim("t", 0, 350)
    assert await foreign.zrange(times, 0, -1) == [b"300", b"400"]


async def test_a_trim_of_many_entries_goes_by_steps(redis_log: RedisLog):
    for _ in range(5):
        await redis_log.append("t", 0, [NewEntry(None, b"")] * 5_000)
    assert await redis_log.trim("t", 0, 24_999) == 24_999
    assert await redis_log.span("t", 0) == Span(24_999, 25_000)


class TrimmedMeanwhile(RedisConnection):
    """A connection over which, once, entries are trimmed between finding and reading them."""

    before: int | None = None

    async def pipeline(
        self, commands: Sequence[Sequence[Any]], *, atomic: bool = False
    ) -> list[Any]:
        before, self.before = self.before, None
        if before is not None:
            await RedisLog(self).trim("t", 0, before)
        return await super().pipeline(commands, atomic=atomic)


@pytest.mark.parametrize("before", [1, 4, 9, 20, 30])
async def test_entries_trimmed_while_they_are_read_are_said_to_be(
    redis_settings: RedisSettings, before: int
):
    connection = TrimmedMeanwhile(redis_settings)
    log = RedisLog(connection)
    await log.append_at(0, [batch("t", "s", n, b"%d" % n) for n in range(30)])
    connection.before = before
    with pytest.raises(TrimmedError) as refused:
        await log.read_sequence("t", 0, "s", 0, limit=FEW_ENTRIES + 1)
    assert refused.value.first == before
    await connection.close()


# -- foreign programs


async def test_a_foreign_id_in_a_log_stream_is_named_and_nothing_is_written(
    redis_log: RedisLog, foreign: Any, redis_settings: RedisSettings
):
    keys = Keys(redis_settings.namespace)
    await redis_log.append_at(0, [batch("clean", "l", 0)])
    await redis_log.append("bad", 0, [NewEntry(None, b"ours")])
    entry = await foreign.xadd(keys.stream("bad", 0), {"text": "hello"})
    named = rf"{{{redis_settings.namespace}:0}}:log:bad.*<namespace>:in:<topic>"
    batches = [batch("clean", "l", 1), batch("clean", "m", 0), batch("bad", "l", 0)]
    for refused in (
        lambda: redis_log.append("bad", 0, [NewEntry(None, b"x")]),
        lambda: redis_log.append_at(0, batches),
        lambda: redis_log.read({("bad", 0): 0}),
        lambda: redis_log.read({("bad", 0): 0}, timeout_s=5.0),
        lambda: redis_log.span("bad", 0),
        lambda: redis_log.trim("bad", 0, 1),
    ):
        with pytest.raises(UnusableServerError, match=named):
            await refused()
    assert await redis_log.append("clean", 0, []) == 1
    # even where the foreign entry is gone, its id stays the stream's last
    await foreign.xdel(keys.stream("bad", 0), entry)
    with pytest.raises(UnusableServerError, match=named):
        await redis_log.append_at(0, batches)
    assert len((await redis_log.read({("clean", 0): 0}))["clean", 0]) == 1
    assert await redis_log.sequence_state("clean", 0, "l") == SequenceState(1)
    assert await redis_log.sequence_state("clean", 0, "m") == SequenceState()


@pytest.mark.parametrize("trimmed", [0, 2, 5])
@pytest.mark.parametrize("at_once", [2, 500])
async def test_what_somebody_else_wrote_is_put_aside_and_offsets_go_on(
    redis_log: RedisLog,
    foreign: Any,
    redis_settings: RedisSettings,
    monkeypatch: pytest.MonkeyPatch,
    trimmed: int,
    at_once: int,
):
    monkeypatch.setattr(mending, "MEND_ENTRIES", at_once)
    keys = Keys(redis_settings.namespace)
    for times in range(2):  # the second time, of what was mended before
        for number in range(5):
            await redis_log.append("t", 0, [NewEntry(None, b"%d" % number)])
        start = 5 * times
        await redis_log.trim("t", 0, start + trimmed)
        for number in range(3):
            await foreign.xadd(keys.stream("t", 0), {"text": f"{number}"})
        with pytest.raises(UnusableServerError, match="rhapsode mend"):
            await redis_log.append("t", 0, [NewEntry(None, b"x")])
        assert await redis_log.mend("t", 0) == 3
        assert await redis_log.span("t", 0) == Span(start + trimmed, start + 5)
        assert await foreign.xlen(keys.aside("t", 0)) == 3 * (times + 1)
        assert await foreign.exists(keys.mended("t", 0)) == 0
        assert await redis_log.mend("t", 0) == 0
        found = await redis_log.read({("t", 0): 0})
        assert [int(one.value or b"") for one in found.get(("t", 0), [])] == [*range(trimmed, 5)]
    assert await redis_log.append("t", 0, [NewEntry(None, b"next")]) == 10


async def test_what_was_never_there_needs_no_mending(redis_log: RedisLog):
    assert await redis_log.mend("t", 0) == 0


async def test_a_key_of_another_type_stops_its_partition_alone(
    redis_log: RedisLog, foreign: Any, redis_settings: RedisSettings
):
    for number in range(3):
        await redis_log.append("t", number, [NewEntry(None, b"ours")])
    await foreign.delete(Keys(redis_settings.namespace).stream("t", 1))
    await foreign.set(Keys(redis_settings.namespace).stream("t", 1), "theirs")
    for refused in (
        lambda: redis_log.append("t", 1, [NewEntry(None, b"x")]),
        lambda: redis_log.append_at(1, [batch("t", "l", 0)]),
        lambda: redis_log.read({("t", 1): 0}),
        lambda: redis_log.span("t", 1),
        lambda: redis_log.mend("t", 1),
    ):
        with pytest.raises(ForeignStreamError, match="holds something else"):
            await refused()
    every = {("t", number): 0 for number in range(3)}
    await redis_log.read(every)  # it is told apart, and passed over
    assert (await redis_log.read(every, timeout_s=5.0)).keys() == {("t", 0), ("t", 2)}


@pytest.mark.parametrize(
    "fields",
    [{"text": "no time"}, {"t": "yesterday"}, {"t": "1", "h": b"\xc1"}, {"t": "1", "h": b"\x01"}],
)
async def test_fields_that_the_log_did_not_write_are_that_entrys_trouble_alone(
    redis_log: RedisLog, foreign: Any, redis_settings: RedisSettings, fields: dict[str, Any]
):
    stream = Keys(redis_settings.namespace).stream("t", 0)
    await foreign.xadd(stream, fields, id="0-*")
    await redis_log.append("t", 0, [NewEntry(b"k", b"v")])
    bad, good = (await redis_log.read({("t", 0): 0}))["t", 0]
    assert (bad.offset, bad.key, bad.value) == (0, None, None)
    assert (good.offset, good.key, good.value) == (1, b"k", b"v")


async def test_the_ingress_key_takes_entries_of_foreign_programs(
    redis_log: RedisLog, foreign: Any, redis_settings: RedisSettings
):
    assert await redis_log.read_ingress("text") == []
    key = f"{redis_settings.namespace}:in:text"
    ids = [(await foreign.xadd(key, {"text": f"n {n}", "x": b"\xff"})).decode() for n in range(3)]
    read = await redis_log.read_ingress("text", limit=2)
    assert read == [
        IngressEntry(ids[n], int(ids[n].partition("-")[0]), {b"text": b"n %d" % n, b"x": b"\xff"})
        for n in range(2)
    ]
    await redis_log.drop_ingress("text", [])
    await redis_log.drop_ingress("text", ids[:2])
    assert [entry.id for entry in await redis_log.read_ingress("text")] == ids[2:]


async def test_a_log_of_another_layout_of_keys_is_refused_and_says_what_to_do(
    redis_settings: RedisSettings, foreign: Any
):
    keys = Keys(redis_settings.namespace)
    await foreign.hset(keys.topics(), "t", 1)
    log = RedisLog(RedisConnection(redis_settings))
    with pytest.raises(UnusableServerError, match="RHAPSODE_NAMESPACE"):
        await log.declare("t", 1)
    assert await foreign.get(keys.layout()) is None
    await foreign.delete(keys.topics())
    assert await log.declare("t", 1) == 1
    await log.close()
    await foreign.set(keys.layout(), "3")
    again = RedisLog(RedisConnection(redis_settings))
    with pytest.raises(UnusableServerError, match="another version"):
        await again.declare("t", 1)
    await again.close()


async def test_a_group_whose_server_was_emptied_is_in_no_generation_that_it_was_in(
    redis_groups: RedisGroups, redis_log: RedisLog, foreign: Any, redis_settings: RedisSettings
):
    timings = GroupTimings(lease_s=30.0, rebalance_s=30.0, initial_delay_s=0.0)
    before = 0
    for _ in range(3):
        before = (await redis_groups.join("g", "a", b"", timings)).generation
        await redis_groups.leave("g", "a")
    async for key in foreign.scan_iter(f"*{redis_settings.namespace}*"):
        await foreign.delete(key)
    again = (await redis_groups.join("g", "a", b"", timings)).generation
    assert again > before
    await redis_groups.claim("g", again, [0])
    with pytest.raises(FencedError):
        await redis_log.commit("g", 0, {"t": 1}, fence=Fence("g", before))
