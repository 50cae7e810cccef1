"""The contract of reading a sequence, for the log on the server and the one in memory."""

import asyncio
from dataclasses import replace

import pytest
from standins.batches import batch, values_in

from rhapsode.storage.log import (
    ForgottenError,
    Log,
    NewEntry,
    ScopeState,
    SequenceState,
    Span,
    TrimmedError,
)


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


async def first_stored(log: Log, start: int, end: int | None = None) -> int:
    with pytest.raises(TrimmedError) as refused:
        await log.read_sequence("t", 0, "s", start, end)
    return refused.value.first


async def test_where_the_beginning_was_trimmed_the_first_position_stored_is_told(log: Log):
    await log.append_at(0, [batch(0, 5, b"a", b"b"), batch(5, 6, b"c")])
    await log.trim("t", 0, 1)
    assert await first_stored(log, 0) == 5
    assert await first_stored(log, 4, 5) == 5
    assert await values_in(log, 5) == [b"c"]
    await log.trim("t", 0, 3)
    assert await first_stored(log, 5) == 6
    assert await values_in(log, 6) == []
    assert await log.append_at(0, [batch(0, 5), batch(6, 7)]) == [False, True]
    assert await first_stored(log, 0) == 6


# -- scopes: what is archived, and what is forgotten


async def test_a_scope_has_the_sequences_up_to_the_slash_of_all_topics(log: Log):
    await log.append_at(0, [batch(0, 5), batch(0, 1, sequence="s/0", topic="u", last=True)])
    await log.append_at(0, [batch(0, 1, sequence="s2")])
    await log.append_at(1, [batch(0, 3, sequence="s/1")])
    states = {("t", "s"): SequenceState(5), ("u", "s/0"): SequenceState(1, closed=True)}
    assert await log.scope_state(0, "s") == ScopeState(states, "", 2)
    assert (await log.scope_state(1, "s")).sequences == {("t", "s/1"): SequenceState(3)}
    assert await log.scope_state(0, "unknown") == ScopeState()


async def test_what_is_archived_is_not_found_any_more_and_its_place_is_told(log: Log):
    await log.append_at(0, [batch(0, 5), batch(5, 6), batch(0, 1, sequence="other")])
    await log.append_at(0, [batch(6, 8, b"x", b"y"), batch(0, 1, topic="u")])
    assert await log.archived(0, "s") == ""
    assert await log.note_archived(0, "s", "", "one", {"t": 3})
    assert await log.archived(0, "s") == "one"
    assert (await log.scope_state(0, "s")).batches == 2
    assert await first_stored(log, 0) == 6
    assert await values_in(log, 6) == [b"x", b"y"]
    assert await values_in(log, 0, sequence="other") == [b"0"]
    assert await log.note_archived(0, "s", "one", "two", {"t": 5, "u": 9})
    assert await log.scope_state(0, "s") == ScopeState(
        {("t", "s"): SequenceState(8), ("u", "s"): SequenceState(1)}, "two", 0
    )
    assert await first_stored(log, 7) == 8
    assert await log.append_at(0, [batch(8, 9), batch(0, 5)]) == [True, False]


async def test_of_two_who_archive_the_same_one_is_told_that_it_is_late(log: Log):
    await log.append_at(0, [batch(0, 5), batch(5, 6)])
    assert await log.note_archived(0, "s", "", "one", {"t": 1})
    assert not await log.note_archived(0, "s", "", "other", {"t": 2})
    assert await log.archived(0, "s") == "one"
    assert await values_in(log, 5) == [b"5"]
    assert not await log.note_archived(0, "unknown", "", "one", {})


async def test_a_bare_end_mark_that_is_archived_is_looked_for_there(log: Log):
    await log.append_at(0, [batch(0, 5), batch(5, 5, b"end", last=True)])
    assert await values_in(log, 5) == [b"end"]
    await log.note_archived(0, "s", "", "one", {"t": 2})
    assert await first_stored(log, 5) == 5
    assert await values_in(log, 6) == []


async def test_many_batches_are_archived_at_once(log: Log):
    for first in range(0, 1500, 100):
        await log.append_at(0, [batch(n, n + 1) for n in range(first, first + 100)])
    await log.note_archived(0, "s", "", "one", {"t": 1200})
    assert (await log.scope_state(0, "s")).batches == 300
    assert (await values_in(log, 1200))[0] == b"1200"


async def test_a_forgotten_scope_begins_anew_and_its_entries_stay(log: Log):
    await log.append_at(0, [batch(0, 5, last=True), batch(0, 1, sequence="s/x")])
    await log.forget(0, "s")
    assert await log.scope_state(0, "s") == ScopeState()
    assert await log.sequence_state("t", 0, "s") == SequenceState()
    assert await values_in(log, 0) == []
    assert await log.span("t", 0) == Span(0, 2)
    assert await log.append_at(0, [batch(0, 2, b"again")]) == [True]
    assert await values_in(log, 0) == [b"again"]
    await log.forget(0, "unknown")


async def test_what_is_appended_to_a_forgotten_scope_is_refused_for_a_while(log: Log):
    await log.append_at(0, [batch(0, 5)])
    await log.forget(0, "s", refuse_s=60.0)
    for late in (batch(5, 6), batch(0, 1), batch(0, 1, sequence="s/x", topic="u")):
        with pytest.raises(ForgottenError, match="forgotten"):
            await log.append_at(0, [late])
    assert not await log.note_archived(0, "s", "", "one", {})
    assert (await log.scope_state(0, "s")).sequences == {}
    assert await log.sequence_state("t", 0, "s") == SequenceState(forgotten=True)
    assert await first_stored(log, 0) == 0
    await log.append_at(0, [batch(0, 1, sequence="other")])
    await log.forget(0, "s", refuse_s=0.001)
    async with asyncio.timeout(10):
        while True:
            try:
                assert await log.append_at(0, [batch(0, 1)]) == [True]
                break
            except ForgottenError:
                await asyncio.sleep(0.001)


async def test_a_batch_that_continues_needs_something_of_its_scope(log: Log):
    follows = replace(batch(0, 1, sequence="s/x"), continues=True)
    with pytest.raises(ForgottenError, match="never begun"):
        await log.append_at(0, [follows])
    with pytest.raises(ForgottenError, match="never begun"):
        await log.append_at(0, [replace(follows, start=4, end=5)])
    assert await log.append_at(0, [batch(0, 1), follows]) == [True, True]
    assert await log.append_at(0, [follows, replace(follows, start=1, end=2)]) == [False, True]
    with pytest.raises(ForgottenError, match="never begun"):
        await log.append_at(1, [follows])


async def test_a_sequence_whose_name_could_be_mistaken_is_refused():
    with pytest.raises(ValueError, match=r"'\|'"):
        batch(0, 1, sequence="a|b")


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
    assert await values_in(log, 30, limit=2) == [b"30", b"+"]
    assert await values_in(log, 30, 31, limit=2) == [b"30", b"+"]
    assert await first_stored(log, 0, 30) == 30
    assert await values_in(log, 30, limit=5) == [b"30", b"+", b"31", b"+"]
    await log.trim("t", 0, 91)
    assert await first_stored(log, 30) == 31
    assert await values_in(log, 31, limit=2) == [b"31", b"+"]
    await log.trim("t", 0, 149)
    assert await first_stored(log, 0) == 50
    assert await values_in(log, 50, limit=1) == []
