"""The contract of compaction, for the log on the server and the one in memory."""

from rhapsode.storage.log import Compaction, Log, NewEntry, Span
from rhapsode.storage.redis.connection import RedisConnection, RedisSettings
from rhapsode.storage.redis.log import RedisLog

FOR_LONG = Compaction()
NOT_AT_ALL = Compaction(tombstones_kept_s=0.0)


async def stored(log: Log, topic: str = "t") -> list[tuple[int, bytes | None, bytes | None]]:
    found = await log.read({(topic, 0): 0}, limit=10_000)
    return [(entry.offset, entry.key, entry.value) for entry in found.get((topic, 0), [])]


async def put(log: Log, *pairs: tuple[bytes | None, bytes | None], kept: Compaction = FOR_LONG):
    entries = [NewEntry(key, value) for key, value in pairs]
    return await log.append("t", 0, entries, compaction=kept)


async def test_only_the_newest_entry_of_a_key_is_kept(log: Log):
    assert await put(log, (b"a", b"1"), (b"b", b"1"), (b"a", b"2")) == 0
    assert await put(log, (b"a", b"3"), (b"c", b"1")) == 3
    assert await stored(log) == [(1, b"b", b"1"), (3, b"a", b"3"), (4, b"c", b"1")]
    assert await log.span("t", 0) == Span(1, 5)


async def test_a_reader_in_the_gap_gets_what_comes_behind_it(log: Log):
    await put(log, *((b"a", b"%d" % number) for number in range(500)), (b"b", b"x"))
    (found,) = (await log.read({("t", 0): 250}, limit=1)).values()
    assert (found[0].offset, found[0].value) == (499, b"499")


async def test_without_a_key_nothing_is_superseded(log: Log):
    await put(log, (None, b"1"), (None, b"2"))
    assert [value for _, _, value in await stored(log)] == [b"1", b"2"]


async def test_keys_may_hold_any_bytes(log: Log):
    keys = [b"", b"\0", b":", b"12:7:x\n", b"\xff\xfe"]
    for key in keys * 2:
        await put(log, (key, None), kept=NOT_AT_ALL)
    await put(log, (b"last", b""), kept=NOT_AT_ALL)
    assert await stored(log) == [(10, b"last", b"")]


async def test_what_was_appended_without_compaction_stays(log: Log):
    await log.append("t", 0, [NewEntry(b"a", b"1")])
    await put(log, (b"a", b"2"), (b"a", b"3"))
    assert [value for _, _, value in await stored(log)] == [b"1", b"3"]


async def test_a_tombstone_is_kept_for_its_time(log: Log):
    await put(log, (b"a", b"1"), (b"a", None), (b"b", b"1"))
    await put(log, (b"b", b"2"))
    assert await stored(log) == [(1, b"a", None), (3, b"b", b"2")]


async def test_a_tombstone_goes_when_its_time_is_over_unless_it_is_the_last_entry(log: Log):
    await put(log, (b"a", b"1"), (b"a", None), kept=NOT_AT_ALL)
    assert await stored(log) == [(1, b"a", None)]
    await put(log, (b"b", b"1"), kept=NOT_AT_ALL)
    assert await stored(log) == [(2, b"b", b"1")]
    await put(log, (b"a", b"2"), kept=NOT_AT_ALL)
    assert await stored(log) == [(2, b"b", b"1"), (3, b"a", b"2")]


async def test_the_tombstone_of_a_key_that_came_back_takes_nothing_with_it(log: Log):
    await put(log, (b"a", None), (b"a", b"1"))
    await put(log, (b"b", b"1"), kept=NOT_AT_ALL)
    assert await stored(log) == [(1, b"a", b"1"), (2, b"b", b"1")]


async def test_what_is_trimmed_may_be_superseded(log: Log):
    await put(log, (b"a", b"1"), (b"b", b"1"), (b"c", b"1"))
    assert await log.trim("t", 0, 2) == 2
    await put(log, (b"a", b"2"), (b"c", b"2"))
    assert await stored(log) == [(3, b"a", b"2"), (4, b"c", b"2")]
    assert await log.trim("t", 0, 4) == 4


async def test_nothing_is_kept_of_a_key_whose_entry_was_trimmed(
    redis_log: RedisLog, redis_settings: RedisSettings
):
    # keys of windows never come again: what is known of them would only grow
    await put(redis_log, *((b"window %d" % number, b"1") for number in range(30)))
    assert await redis_log.trim("t", 0, 25) == 25
    connection = RedisConnection(redis_settings)
    newest = connection.keys.newest("t", 0)
    assert await connection.command("HLEN", newest) == 5
    await put(redis_log, (b"window 29", b"2"), (b"window 3", b"2"))
    assert await connection.command("HLEN", newest) == 6
    await connection.close()
