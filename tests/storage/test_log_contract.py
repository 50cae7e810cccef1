"""The contract of a log, for the one on the server and the one in memory: all but sequences."""

import asyncio
import time

import pytest

from rhapsode.storage.log import (
    Fence,
    FencedError,
    Groups,
    Log,
    NewEntry,
    PartitionsMismatchError,
    SequenceBatch,
    Span,
    partition_of,
)


def entries(*values: bytes, key: bytes | None = b"k", at_ms: int | None = None) -> list[NewEntry]:
    return [NewEntry(key, value, timestamp_ms=at_ms) for value in values]


async def values(log: Log, topic: str, partition: int, position: int = 0) -> list[bytes | None]:
    found = await log.read({(topic, partition): position}, limit=1000)
    return [entry.value for entry in found.get((topic, partition), [])]


# -- topics


async def test_a_log_keeps_its_identity(log: Log):
    first = await log.identity()
    await log.declare("t", 1)
    assert first
    assert await log.identity() == first


async def test_a_topic_keeps_its_number_of_partitions(log: Log):
    assert await log.declare("a.b-c_D", 3) == 3
    assert await log.declare("a.b-c_D", 3) == 3
    with pytest.raises(PartitionsMismatchError, match="3 partitions, not 4"):
        await log.declare("a.b-c_D", 4)
    assert await log.topics() == {"a.b-c_D": 3}


@pytest.mark.parametrize("name", ["", "a:b", "a}b", "a b", "a\n", "ä", "a" * 250])
async def test_an_invalid_topic_name_is_refused(log: Log, name: str):
    with pytest.raises(ValueError, match="letters, digits"):
        await log.declare(name, 1)
    valid, invalid = (SequenceBatch(topic, "s", 0, 1, b"", (b"x",)) for topic in ("t", name))
    for refused in (
        lambda: log.append(name, 0, entries(b"x")),
        lambda: log.append_at(0, [valid, invalid]),
        lambda: log.commit("g", 0, {"t": 1, name: 1}),
        lambda: log.read({("t", 0): 0, (name, 0): 0}),
        lambda: log.sequence_state(name, 0, "s"),
        lambda: log.read_sequence(name, 0, "s", 0),
        lambda: log.stored_bytes((name, 0)),
        lambda: log.read_ingress(name),
    ):
        with pytest.raises(ValueError, match="letters, digits"):
            await refused()
    assert await log.span("t", 0) == Span(0, 0)
    assert await log.committed("g", "t", 0) is None


@pytest.mark.parametrize("partitions", [0, -1, 100_001])
async def test_a_topic_has_at_least_one_partition(log: Log, partitions: int):
    with pytest.raises(ValueError, match="partitions"):
        await log.declare("t", partitions)


def test_a_key_has_the_partition_that_kafka_gives_it():
    # murmur2 with Kafka's seed, from the tables of org.apache.kafka.common.utils.UtilsTest
    murmur2 = {b"21": -973932308, b"foobar": -790332482, b"a-little-bit-long-string": -985981536}
    for key, hashed in murmur2.items():
        assert partition_of(key, 1_000_003) == (hashed & 0x7FFFFFFF) % 1_000_003


# -- entries


async def test_offsets_are_contiguous_from_zero(log: Log):
    assert await log.append("t", 0, entries(b"a", b"b")) == 0
    assert await log.append("t", 0, entries(b"c")) == 2
    assert await log.append("t", 1, entries(b"d")) == 0
    found = await log.read({("t", 0): 0, ("t", 1): 0, ("t", 2): 0})
    assert {where: [entry.offset for entry in rows] for where, rows in found.items()} == {
        ("t", 0): [0, 1, 2],
        ("t", 1): [0],
    }


async def test_an_entry_is_read_as_it_was_appended(log: Log):
    given = [
        NewEntry(b"\x00\xff", b"\r\n\x00", (("a", b""), ("ä", b"\x80")), 1_700_000_000_123),
        NewEntry(None, None),
        NewEntry(b"", b""),
        NewEntry(b"k", None, (), 0),
    ]
    before_ms = time.time_ns() // 1_000_000
    await log.append("t", 0, given)
    after_ms = time.time_ns() // 1_000_000
    (read,) = (await log.read({("t", 0): 0})).values()
    assert [(e.key, e.value, e.headers) for e in read] == [
        (e.key, e.value, e.headers) for e in given
    ]
    assert (read[0].timestamp_ms, read[3].timestamp_ms) == (1_700_000_000_123, 0)
    assert before_ms <= read[1].timestamp_ms <= after_ms


async def test_to_append_no_entries_returns_the_next_offset_and_writes_nothing(log: Log):
    assert await log.append("t", 0, []) == 0
    await log.append("t", 0, entries(b"a"))
    assert await log.append("t", 0, []) == 1
    assert await log.span("t", 0) == Span(0, 1)


async def test_a_read_starts_at_its_offset_and_keeps_to_its_limit(log: Log):
    await log.append("t", 0, entries(*(b"%d" % n for n in range(10))))
    (found,) = (await log.read({("t", 0): 4}, limit=3)).values()
    assert [entry.value for entry in found] == [b"4", b"5", b"6"]
    assert await log.read({("t", 0): 10}) == {}
    assert await log.read({("t", 0): 99}) == {}
    assert await log.read({}) == {}


async def test_a_read_waits_for_the_first_entry(log: Log):
    reading = asyncio.create_task(log.read({("t", 0): 0, ("t", 1): 0}, timeout_s=20.0))
    await asyncio.sleep(0)
    await log.append("t", 1, entries(b"late"))
    found = await asyncio.wait_for(reading, 10.0)
    assert [entry.value for entry in found["t", 1]] == [b"late"]


async def test_a_read_that_times_out_returns_nothing(log: Log):
    assert await log.read({("t", 0): 0}, timeout_s=0.02) == {}


async def test_a_read_that_is_cancelled_harms_no_other(log: Log):
    for _ in range(5):
        reading = asyncio.create_task(log.read({("t", 0): 0}, timeout_s=20.0))
        await asyncio.sleep(0)
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
    reading = asyncio.create_task(log.read({("t", 0): 0}, timeout_s=20.0))
    await log.append("t", 0, entries(b"a"))
    assert [e.value for e in (await asyncio.wait_for(reading, 10.0))["t", 0]] == [b"a"]


async def test_many_writers_at_once_leave_no_gap_and_lose_nothing(log: Log):
    async def write(writer: int) -> None:
        for number in range(20):
            await log.append("t", 0, entries(b"%d/%d" % (writer, number), b"+"))

    await asyncio.gather(*(write(writer) for writer in range(40)))
    (found,) = (await log.read({("t", 0): 0}, limit=10_000)).values()
    assert [entry.offset for entry in found] == list(range(40 * 20 * 2))
    # the entries of one append are neighbours
    assert all(entry.value == b"+" for entry in found[1::2])
    assert len({entry.value for entry in found[::2]}) == 40 * 20


# -- trimming and time


async def test_a_trim_removes_what_is_before_and_nothing_else(log: Log):
    await log.append("t", 0, entries(*(b"%d" % n for n in range(300))))
    assert await log.trim("t", 0, 123) == 123
    assert await log.span("t", 0) == Span(123, 300)
    assert await log.trim("t", 0, 50) == 123
    (found,) = (await log.read({("t", 0): 7}, limit=2)).values()
    assert [entry.offset for entry in found] == [123, 124]


async def test_a_partition_trimmed_to_empty_counts_on(log: Log):
    assert await log.span("t", 0) == Span(0, 0)
    assert await log.trim("t", 0, 5) == 0
    await log.append("t", 0, entries(b"a", b"b", b"c"))
    assert await log.trim("t", 0, 99) == 3
    assert await log.span("t", 0) == Span(3, 3)
    assert await log.append("t", 0, entries(b"d")) == 3
    assert await log.span("t", 0) == Span(3, 4)


async def test_an_offset_is_found_by_time(log: Log):
    for second in range(10):
        stamps = [second * 1000 + part for part in (0, 400, 800)]
        await log.append("t", 0, [NewEntry(None, b"", timestamp_ms=ms) for ms in stamps])
    assert await log.offset_at("t", 0, -5) == 0
    assert await log.offset_at("t", 0, 0) == 0
    assert await log.offset_at("t", 0, 1) == 1
    assert await log.offset_at("t", 0, 4400) == 13
    assert await log.offset_at("t", 0, 4401) == 14
    assert await log.offset_at("t", 0, 9801) == 30
    await log.trim("t", 0, 14)
    assert await log.offset_at("t", 0, 0) == 14
    assert await log.offset_at("t", 0, 4801) == 15
    assert await log.offset_at("nothing", 0, 0) == 0


async def test_an_offset_is_found_by_time_though_writers_clocks_disagree(log: Log):
    stamps = [5000, 100, 9000, 8200, 20_000, 0, 20_500, 20_999, 21_000]
    await log.append("t", 0, [NewEntry(None, b"", timestamp_ms=ms) for ms in stamps])
    for first in range(len(stamps)):
        await log.trim("t", 0, first)
        stored = list(enumerate(stamps))[first:]
        for wanted in (0, 50, 4999, 8500, 9001, 19_999, 20_400, 20_600, 21_000, 30_000):
            expected = next((o for o, ms in stored if ms >= wanted), len(stamps))
            assert await log.offset_at("t", 0, wanted) == expected, (first, wanted)


async def test_an_offset_is_found_by_time_behind_many_of_the_same_second(log: Log):
    await log.append("t", 0, [NewEntry(None, b"", timestamp_ms=n) for n in range(950)])
    assert await log.offset_at("t", 0, 777) == 777
    assert await log.offset_at("t", 0, 950) == 950


# -- offsets and fences


async def test_commits_are_kept_by_group_and_topic(log: Log):
    await log.commit("g", 0, {"t": 5, "u": 7})
    await log.commit("h", 0, {"t": 1})
    await log.commit("g", 0, {"u": 8})
    assert await log.committed("g", "t", 0) == 5
    assert await log.committed("g", "u", 0) == 8
    assert await log.committed("h", "t", 0) == 1
    assert await log.committed("g", "t", 1) is None


async def test_lag_is_what_is_stored_and_not_committed(log: Log):
    await log.declare("t", 4)
    for partition in range(3):
        await log.append("t", partition, entries(b"a", b"b", b"c", b"d"))
    await log.commit("g", 1, {"t": 3})
    await log.trim("t", 2, 2)
    await log.commit("g", 2, {"t": 1})
    assert await log.lag("g", "t") == {0: 4, 1: 1, 2: 2, 3: 0}
    assert await log.lag("g", "unknown") == {}
    await log.commit("g", 0, {"t": 9})
    assert (await log.lag("g", "t"))[0] == 0


async def test_who_has_claimed_nothing_commits_nothing(log: Log, groups: Groups):
    with pytest.raises(FencedError, match="nobody has claimed the partition"):
        await log.commit("g", 0, {"t": 1}, fence=Fence("g", 3))
    assert await log.committed("g", "t", 0) is None
    await groups.claim("g", 3, [0])
    await log.commit("g", 0, {"t": 1}, fence=Fence("g", 3))
    assert await log.committed("g", "t", 0) == 1


async def test_an_older_generation_changes_nothing(log: Log, groups: Groups):
    await groups.claim("g", 3, [0, 1])
    new, old = Fence("g", 3), Fence("g", 2)
    await log.append("t", 0, entries(b"new"), fence=new)
    await log.commit("g", 0, {"t": 1}, fence=new)
    batch = SequenceBatch("t", "s", 0, 1, b"s", (b"appended",))
    for refused in (
        lambda: log.append("t", 0, entries(b"old"), fence=old),
        lambda: log.append("t", 0, [], fence=old),
        lambda: log.commit("g", 0, {"t": 0}, fence=old),
        lambda: log.append_at(0, [batch], fence=old),
        lambda: log.append_at(0, [], fence=old),
        lambda: groups.claim("g", 2, [0]),
    ):
        with pytest.raises(FencedError, match="generation 3"):
            await refused()
    assert await values(log, "t", 0) == [b"new"]
    assert await log.committed("g", "t", 0) == 1
    assert (await log.sequence_state("t", 0, "s")).next == 0
    # the claim concerns neither other groups nor other partitions
    await log.append("t", 0, entries(b"other"), fence=Fence("h", 1))
    await log.append("t", 2, entries(b"free"), fence=old)
    await groups.claim("g", 3, [0])
    await groups.claim("g", 4, [0])
    with pytest.raises(FencedError, match="generation 4"):
        await log.append_at(0, [batch], fence=new)
