"""The contract of appends at a position, for the log on the server and the one in memory."""

import asyncio

import pytest
from standins.batches import batch, values_in

from rhapsode.storage.log import (
    MOST_POSITION,
    ClosedError,
    GapError,
    Log,
    LogError,
    OverlapError,
    SequenceBatch,
    SequenceState,
    Span,
)


async def test_what_is_already_stored_is_not_written_again(log: Log):
    assert await log.append_at(0, [batch(0, 5), batch(5, 8)]) == [True, True]
    assert await log.append_at(0, [batch(0, 5), batch(5, 8), batch(8, 9)]) == [False, False, True]
    assert await log.sequence_state("t", 0, "s") == SequenceState(9, closed=False)
    assert await values_in(log, 0) == [b"0", b"5", b"8"]
    assert await log.span("t", 0) == Span(0, 3)


async def test_the_first_writer_wins(log: Log):
    await log.append_at(0, [batch(0, 4, b"first")])
    later = [batch(0, 4, b"second"), batch(1, 3, b"inside")]
    assert await log.append_at(0, later) == [False, False]
    assert await values_in(log, 0) == [b"first"]


@pytest.mark.parametrize("stored", ["s", "other"])
async def test_batches_that_belong_together_are_written_all_or_none(log: Log, stored: str):
    both = [batch(0, 4), batch(0, 1, sequence="other")]
    await log.append_at(0, [batch(0, 7, sequence=stored)])
    with pytest.raises(OverlapError, match=f"{stored} ends at 7"):
        await log.append_at(0, both, together=True)
    assert await log.span("t", 0) == Span(0, 1)
    missing = [one for one in both if one.sequence != stored]
    assert await log.append_at(0, missing, together=True) == [True]
    assert await log.append_at(0, both, together=True) == [False, False]
    assert await log.append_at(0, [batch(7, 9, sequence=stored)], together=True) == [True]


async def test_entries_of_a_batch_have_its_key_and_one_time(log: Log):
    await log.append_at(0, [batch(0, 1, b"a", b"b", b"c")])
    read = await log.read_sequence("t", 0, "s", 0)
    assert [(entry.offset, entry.key, entry.value) for entry in read] == [
        (0, b"s", b"a"),
        (1, b"s", b"b"),
        (2, b"s", b"c"),
    ]
    assert len({entry.timestamp_ms for entry in read}) == 1


@pytest.mark.parametrize(
    ("refused", "error"),
    [
        (batch(6, 7), GapError),
        (batch(6, 7, by_start=True), GapError),
        (batch(4, 6), OverlapError),
        (batch(0, 6), OverlapError),
        (batch(7, 7, last=True), GapError),
        (batch(1, 2, sequence="other"), GapError),
    ],
)
async def test_one_refused_batch_keeps_all_others_out(
    log: Log, refused: SequenceBatch, error: type[LogError]
):
    await log.append_at(0, [batch(0, 5)])
    before, after = batch(0, 1, sequence="elsewhere", topic="u"), batch(5, 6)
    ends_at = 5 if refused.sequence == "s" else 0
    with pytest.raises(error, match=f"ends at {ends_at}"):
        await log.append_at(0, [before, batch(0, 5), refused, after])
    assert await log.span("u", 0) == Span(0, 0)
    assert await log.span("t", 0) == Span(0, 1)
    assert await log.sequence_state("u", 0, "elsewhere") == SequenceState()
    assert await log.sequence_state("t", 0, "s") == SequenceState(5)


async def test_batches_of_several_sequences_and_topics_go_in_together(log: Log):
    await log.append_at(0, [batch(0, 5)])
    batches = [batch(0, 1, topic="u"), batch(0, 5), batch(0, 1, sequence="other"), batch(5, 6)]
    assert await log.append_at(0, batches) == [True, False, True, True]
    assert await log.span("u", 0) == Span(0, 1)
    assert await log.span("t", 0) == Span(0, 3)


async def test_batches_are_judged_in_order(log: Log):
    with pytest.raises(GapError):
        await log.append_at(0, [batch(1, 2), batch(0, 1)])
    batches = [batch(0, 1), batch(1, 2), batch(0, 2), batch(2, 2, last=True), batch(0, 1)]
    assert await log.append_at(0, batches) == [True, True, False, True, False]
    with pytest.raises(ClosedError):
        await log.append_at(0, [batch(0, 1, sequence="b", last=True), batch(1, 2, sequence="b")])
    assert await log.sequence_state("t", 0, "b") == SequenceState()


async def test_nothing_follows_the_last_batch(log: Log):
    await log.append_at(0, [batch(0, 3, last=True)])
    assert await log.sequence_state("t", 0, "s") == SequenceState(3, closed=True)
    assert await log.append_at(0, [batch(0, 3, last=True), batch(3, 3, last=True)]) == [False] * 2
    for beyond in (batch(3, 4), batch(2, 4), batch(9, 9, last=True), batch(4, 5, last=True)):
        with pytest.raises(ClosedError, match="ends at 3"):
            await log.append_at(0, [beyond])


async def test_a_bare_end_mark_takes_no_position_and_is_written_once(log: Log):
    await log.append_at(0, [batch(0, 3)])
    assert await log.append_at(0, [batch(2, 2, b"!", last=True)]) == [False]
    assert await log.sequence_state("t", 0, "s") == SequenceState(3, closed=False)
    assert await log.append_at(0, [batch(3, 3, b"end", last=True)]) == [True]
    assert await log.append_at(0, [batch(3, 3, b"end", last=True)]) == [False]
    assert await log.sequence_state("t", 0, "s") == SequenceState(3, closed=True)
    assert await values_in(log, 0) == [b"0", b"end"]
    assert await values_in(log, 3) == [b"end"]
    assert await values_in(log, 3, 4) == [b"end"]
    assert await values_in(log, 0, 3) == [b"0"]
    assert await values_in(log, 4) == []


async def test_an_empty_sequence_can_be_closed(log: Log):
    assert await log.append_at(0, [batch(0, 0, b"end", last=True)]) == [True]
    assert await log.sequence_state("t", 0, "s") == SequenceState(0, closed=True)
    assert await values_in(log, 0) == [b"end"]
    with pytest.raises(ClosedError):
        await log.append_at(0, [batch(0, 1)])


def test_an_invalid_batch_cannot_be_made():
    for start, end, last in ((-1, 0, True), (2, 1, True), (3, 3, False), (0, 1 << 60, False)):
        with pytest.raises(ValueError, match="of 's'"):
            batch(start, end, last=last)
    with pytest.raises(ValueError, match="has no entry"):
        SequenceBatch("t", "s", 0, 1, b"", ())


async def test_positions_are_exact_up_to_the_greatest(log: Log):
    await log.append_at(
        0, [batch(0, MOST_POSITION - 1, b"a"), batch(MOST_POSITION - 1, MOST_POSITION)]
    )
    assert await log.sequence_state("t", 0, "s") == SequenceState(MOST_POSITION)
    assert await values_in(log, MOST_POSITION - 2, MOST_POSITION - 1) == [b"a"]


async def test_of_many_writers_of_the_same_batch_exactly_one_writes_it(log: Log):
    async def write(writer: int) -> int:
        written = 0
        for n in range(30):
            written += sum(await log.append_at(0, [batch(n, n + 1, b"%d by %d" % (n, writer))]))
        return written

    assert sum(await asyncio.gather(*(write(writer) for writer in range(10)))) == 30
    stored = await values_in(log, 0)
    assert [value.split()[0] for value in stored if value] == [b"%d" % n for n in range(30)]


# -- batches judged by their start


@pytest.mark.parametrize("end", [1, 4, 5, 6, 1000])
async def test_a_batch_judged_by_its_start_is_stored_whatever_its_end(log: Log, end: int):
    assert await log.append_at(0, [batch(0, 5, b"first", by_start=True)]) == [True]
    assert await log.append_at(0, [batch(0, end, b"again", by_start=True)]) == [False]
    assert await log.append_at(0, [batch(4, 4 + end, b"inside", by_start=True)]) == [False]
    assert await log.sequence_state("t", 0, "s") == SequenceState(5)
    assert await values_in(log, 0) == [b"first"]


async def test_a_chunk_spoken_twice_keeps_its_first_length(log: Log):
    first = [batch(0, 7, b"a", by_start=True), batch(7, 9, b"b", by_start=True)]
    second = [batch(0, 8, b"A", by_start=True), batch(8, 20, b"B", by_start=True)]
    assert await log.append_at(0, first) == [True, True]
    assert await log.append_at(0, second) == [False, False]
    assert await log.append_at(0, [batch(9, 12, b"c", by_start=True)]) == [True]
    assert await values_in(log, 0) == [b"a", b"b", b"c"]


async def test_the_start_is_judged_by_what_the_same_call_appended(log: Log):
    batches = [batch(0, 5, by_start=True), batch(3, 9, by_start=True), batch(5, 6, by_start=True)]
    assert await log.append_at(0, batches) == [True, False, True]
    with pytest.raises(OverlapError):  # the same range, judged by its end too
        await log.append_at(0, [batch(5, 9)])


async def test_in_a_closed_sequence_a_start_before_its_end_is_stored_and_any_other_refused(
    log: Log,
):
    await log.append_at(0, [batch(0, 3), batch(3, 6, last=True)])
    for end in (4, 6, 99):
        for last in (False, True):
            assert await log.append_at(0, [batch(3, end, by_start=True, last=last)]) == [False]
    for start in (6, 7):
        with pytest.raises(ClosedError, match="ends at 6"):
            await log.append_at(0, [batch(start, 99, by_start=True)])
    assert await log.sequence_state("t", 0, "s") == SequenceState(6, closed=True)


async def test_a_last_batch_judged_by_its_start_closes_its_sequence_once(log: Log):
    assert await log.append_at(0, [batch(0, 4, b"end", by_start=True, last=True)]) == [True]
    assert await log.append_at(0, [batch(0, 9, b"!", by_start=True, last=True)]) == [False]
    mark = batch(4, 4, by_start=True, last=True)
    assert await log.append_at(0, [mark]) == [False]
    assert await log.sequence_state("t", 0, "s") == SequenceState(4, closed=True)
    assert await values_in(log, 0) == [b"end"]


async def test_a_bare_end_mark_judged_by_its_start_is_written_once(log: Log):
    mark = batch(2, 2, b"end", by_start=True, last=True)
    with pytest.raises(GapError):
        await log.append_at(0, [mark])
    assert await log.append_at(0, [batch(0, 2), mark]) == [True, True]
    assert await log.append_at(0, [mark]) == [False]
    assert await values_in(log, 0) == [b"0", b"end"]
