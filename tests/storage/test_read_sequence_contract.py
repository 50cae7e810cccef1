"""The contract of reading a sequence, for the log on the server and the one in memory."""

import pytest
from standins.batches import batch, values_in

from rhapsode.storage.log import Log, NewEntry, SequenceState, Span


async def test_a_sequence_is_read_by_whole_batches(log: Log):
    await log.append("t", 0, [NewEntry(None, b"other")])
    await log.append_at(
        0, [batch(0, 10, b"a1", b"a2"), batch(0, 1, b"x", sequence="m"), batch(10, 20)]
    )
    await log.append_at(0, [batch(20, 30, b"c"), batch(30, 40, b"d1", b"d2")])
    assert await values_in(log, 0) == [b"a1", b"a2", b"10", b"c", b"d1", b"d2"]
    assert await values_in(log, 9, 10) == [b"a1", b"a2"]
    assert await values_in(log, 9, 11) == [b"a1", b"a2", b"10"]
    assert await values_in(log, 10, 10) == []
    assert await values_in(log, 12, 12) == []
    assert await values_in(log, 25) == [b"c", b"d1", b"d2"]
    assert await values_in(log, 39, 1000) == [b"d1", b"d2"]
    assert await values_in(log, 40) == []
    assert await values_in(log, 0, sequence="unknown") == []


async def test_a_long_sequence_is_read_in_order(log: Log):
    for first in range(0, 600, 50):
        both = ("s", "other") if first % 100 else ("other", "s")
        batches = [
            batch(n, n + 1, sequence=sequence)
            for n in range(first, first + 50)
            for sequence in both
        ]
        await log.append_at(0, batches)
    assert await values_in(log, 7, 593) == [b"%d" % n for n in range(7, 593)]


async def test_trimmed_entries_are_left_out_of_their_sequence(log: Log):
    await log.append_at(0, [batch(0, 1, b"a", b"b"), batch(1, 2, b"c")])
    await log.trim("t", 0, 1)
    assert await values_in(log, 0) == [b"b", b"c"]
    await log.trim("t", 0, 3)
    assert await values_in(log, 0) == []
    assert await log.append_at(0, [batch(0, 1), batch(2, 3)]) == [False, True]


async def test_a_forgotten_sequence_starts_anew_and_its_entries_stay(log: Log):
    await log.append_at(0, [batch(0, 5, last=True)])
    await log.forget_sequence("t", 0, "s")
    assert await log.sequence_state("t", 0, "s") == SequenceState()
    assert await values_in(log, 0) == []
    assert await log.span("t", 0) == Span(0, 1)
    assert await log.append_at(0, [batch(0, 2, b"again")]) == [True]
    assert await values_in(log, 0) == [b"again"]
    await log.forget_sequence("t", 0, "unknown")


async def test_records_of_64_kb_come_back_whole(log: Log):
    large = [bytes([n]) * 65_536 for n in range(12)]
    await log.append_at(0, [batch(n, n + 1, value) for n, value in enumerate(large)])
    assert await values_in(log, 0) == large


# -- by steps


async def test_a_limit_returns_whole_batches_that_have_no_more_entries_together(log: Log):
    await log.append_at(0, [batch(0, 10, b"a1", b"a2"), batch(10, 11, b"b"), batch(11, 12, b"c")])
    await log.append_at(0, [batch(12, 12, b"end", last=True)])
    assert await values_in(log, 0, limit=2) == [b"a1", b"a2"]
    assert await values_in(log, 0, limit=3) == [b"a1", b"a2", b"b"]
    assert await values_in(log, 5, limit=4) == [b"a1", b"a2", b"b", b"c"]
    assert await values_in(log, 10, limit=1) == [b"b"]
    assert await values_in(log, 10, limit=100) == [b"b", b"c", b"end"]
    assert await values_in(log, 0, 10, limit=100) == [b"a1", b"a2"]
    assert await values_in(log, 12, limit=1) == [b"end"]
    assert await values_in(log, 13, limit=1) == []
    assert await values_in(log, 5, 5, limit=1) == []


@pytest.mark.parametrize("limit", [0, 1, 2])
async def test_a_first_batch_larger_than_the_limit_comes_whole_and_alone(log: Log, limit: int):
    await log.append_at(0, [batch(0, 3, b"1", b"2", b"3"), batch(3, 4)])
    assert await values_in(log, 0, limit=limit) == [b"1", b"2", b"3"]


@pytest.mark.parametrize("limit", [1, 7, 64, 1000])
async def test_a_sequence_read_by_steps_is_the_sequence(log: Log, limit: int):
    sizes = [1 + n % 3 for n in range(100)]
    for n, size in enumerate(sizes):
        values = [b"%d" % n] * size
        await log.append_at(0, [batch(n, n + 1, *values), batch(n, n + 1, sequence="other")])
    read: list[bytes | None] = []
    position = 0
    while step := await values_in(log, position, limit=limit):
        assert len(step) <= max(limit, 3)
        read += step
        position = int(step[-1] or b"") + 1
    assert read == [b"%d" % n for n, size in enumerate(sizes) for _ in range(size)]


async def test_a_limit_does_not_count_batches_that_were_trimmed(log: Log):
    for n in range(50):
        await log.append_at(0, [batch(n, n + 1, b"%d" % n, b"+"), batch(n, n + 1, sequence="m")])
    await log.trim("t", 0, 90)
    assert await values_in(log, 0, limit=2) == [b"30", b"+"]
    assert await values_in(log, 0, 31, limit=2) == [b"30", b"+"]
    assert await values_in(log, 0, 30, limit=2) == []
    assert await values_in(log, 29, limit=5) == [b"30", b"+", b"31", b"+"]
    await log.trim("t", 0, 91)
    assert await values_in(log, 0, limit=4) == [b"+", b"31", b"+"]
    await log.trim("t", 0, 149)
    assert await values_in(log, 0, limit=1) == []
    assert await values_in(log, 49, limit=1) == []
