"""The contract of reading a sequence, for the log on the server and the one in memory."""

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
