"""What a log promises of sequences, on the server and in memory alike: append by place."""

import asyncio

import pytest

from rhapsode.storage.log import (
    MOST_POSITION,
    ClosedError,
    GapError,
    Log,
    LogError,
    NewEntry,
    OverlapError,
    SequenceBatch,
    SequenceState,
    Span,
)


def place(
    start: int,
    end: int,
    *values: bytes,
    sequence: str = "sequence",
    topic: str = "t",
    last: bool = False,
) -> SequenceBatch:
    return SequenceBatch(
        topic, sequence, start, end, sequence.encode(), values or (b"%d" % start,), last=last
    )


async def line_values(log: Log, start: int, end: int | None = None, sequence: str = "sequence"):
    return [entry.value for entry in await log.read_sequence("t", 0, sequence, start, end)]


async def test_what_stands_is_dropped_and_what_follows_is_written(log: Log):
    assert await log.append_at(0, [place(0, 5), place(5, 8)]) == [True, True]
    assert await log.append_at(0, [place(0, 5), place(5, 8), place(8, 9)]) == [False, False, True]
    assert await log.sequence_state("t", 0, "sequence") == SequenceState(9, closed=False)
    assert await line_values(log, 0) == [b"0", b"5", b"8"]
    assert await log.span("t", 0) == Span(0, 3)


async def test_the_first_writer_wins(log: Log):
    await log.append_at(0, [place(0, 4, b"first")])
    assert await log.append_at(0, [place(0, 4, b"second"), place(1, 3, b"inside")]) == [
        False,
        False,
    ]
    assert await line_values(log, 0) == [b"first"]


async def test_entries_of_a_placement_have_its_key_and_one_time(log: Log):
    await log.append_at(0, [place(0, 1, b"a", b"b", b"c")])
    read = await log.read_sequence("t", 0, "sequence", 0)
    assert [(entry.offset, entry.key, entry.value) for entry in read] == [
        (0, b"sequence", b"a"),
        (1, b"sequence", b"b"),
        (2, b"sequence", b"c"),
    ]
    assert len({entry.timestamp_ms for entry in read}) == 1


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        (place(6, 7), GapError),
        (place(4, 6), OverlapError),
        (place(0, 6), OverlapError),
        (place(7, 7, last=True), GapError),
        (place(0, 1, sequence="other"), None),
        (place(1, 2, sequence="other"), GapError),
    ],
)
async def test_one_wrong_placement_keeps_all_others_out(
    log: Log, wrong: SequenceBatch, error: type[LogError] | None
):
    await log.append_at(0, [place(0, 5)])
    batch = [place(0, 1, sequence="elsewhere", topic="u"), place(0, 5), wrong, place(5, 6)]
    if error is None:
        assert await log.append_at(0, batch) == [True, False, True, True]
        return
    with pytest.raises(error, match=f"goes to {5 if wrong.sequence == 'sequence' else 0}"):
        await log.append_at(0, batch)
    assert await log.span("u", 0) == Span(0, 0)
    assert await log.span("t", 0) == Span(0, 1)
    assert await log.sequence_state("u", 0, "elsewhere") == SequenceState()
    assert await log.sequence_state("t", 0, "sequence") == SequenceState(5)


async def test_placements_are_judged_in_order(log: Log):
    with pytest.raises(GapError):
        await log.append_at(0, [place(1, 2), place(0, 1)])
    batch = [place(0, 1), place(1, 2), place(0, 2), place(2, 2, last=True), place(0, 1)]
    assert await log.append_at(0, batch) == [True, True, False, True, False]
    with pytest.raises(ClosedError):
        await log.append_at(0, [place(0, 1, sequence="b", last=True), place(1, 2, sequence="b")])
    assert await log.sequence_state("t", 0, "b") == SequenceState()


async def test_nothing_lies_beyond_an_end_mark(log: Log):
    await log.append_at(0, [place(0, 3, last=True)])
    assert await log.sequence_state("t", 0, "sequence") == SequenceState(3, closed=True)
    assert await log.append_at(0, [place(0, 3, last=True), place(3, 3, last=True)]) == [False] * 2
    for beyond in (place(3, 4), place(2, 4), place(9, 9, last=True), place(4, 5, last=True)):
        with pytest.raises(ClosedError, match="goes to 3"):
            await log.append_at(0, [beyond])


async def test_a_bare_end_mark_takes_no_position_and_is_written_once(log: Log):
    await log.append_at(0, [place(0, 3)])
    assert await log.append_at(0, [place(2, 2, b"!", last=True)]) == [False]
    assert await log.sequence_state("t", 0, "sequence") == SequenceState(3, closed=False)
    assert await log.append_at(0, [place(3, 3, b"end", last=True)]) == [True]
    assert await log.append_at(0, [place(3, 3, b"end", last=True)]) == [False]
    assert await log.sequence_state("t", 0, "sequence") == SequenceState(3, closed=True)
    assert await line_values(log, 0) == [b"0", b"end"]
    assert await line_values(log, 3) == [b"end"]
    assert await line_values(log, 3, 4) == [b"end"]
    assert await line_values(log, 0, 3) == [b"0"]
    assert await line_values(log, 4) == []


async def test_an_empty_line_can_be_closed(log: Log):
    assert await log.append_at(0, [place(0, 0, b"end", last=True)]) == [True]
    assert await log.sequence_state("t", 0, "sequence") == SequenceState(0, closed=True)
    assert await line_values(log, 0) == [b"end"]
    with pytest.raises(ClosedError):
        await log.append_at(0, [place(0, 1)])


def test_a_placement_that_is_none_cannot_be_made():
    for start, end, last in ((-1, 0, True), (2, 1, True), (3, 3, False), (0, 1 << 60, False)):
        with pytest.raises(ValueError, match="sequence"):
            place(start, end, last=last)
    with pytest.raises(ValueError, match="holds no entry"):
        SequenceBatch("t", "sequence", 0, 1, b"", ())


async def test_positions_are_exact_to_the_last(log: Log):
    await log.append_at(
        0, [place(0, MOST_POSITION - 1, b"a"), place(MOST_POSITION - 1, MOST_POSITION)]
    )
    assert await log.sequence_state("t", 0, "sequence") == SequenceState(MOST_POSITION)
    assert await line_values(log, MOST_POSITION - 2, MOST_POSITION - 1) == [b"a"]


async def test_a_line_is_read_by_whole_placements(log: Log):
    await log.append("t", 0, [NewEntry(None, b"other")])
    await log.append_at(
        0, [place(0, 10, b"a1", b"a2"), place(0, 1, b"x", sequence="m"), place(10, 20)]
    )
    await log.append_at(0, [place(20, 30, b"c"), place(30, 40, b"d1", b"d2")])
    assert await line_values(log, 0) == [b"a1", b"a2", b"10", b"c", b"d1", b"d2"]
    assert await line_values(log, 9, 10) == [b"a1", b"a2"]
    assert await line_values(log, 9, 11) == [b"a1", b"a2", b"10"]
    assert await line_values(log, 10, 10) == []
    assert await line_values(log, 12, 12) == []
    assert await line_values(log, 25) == [b"c", b"d1", b"d2"]
    assert await line_values(log, 39, 1000) == [b"d1", b"d2"]
    assert await line_values(log, 40) == []
    assert await line_values(log, 0, sequence="unknown") == []


async def test_a_long_line_is_read_in_order(log: Log):
    for first in range(0, 600, 50):
        both = ("sequence", "mate") if first % 100 else ("mate", "sequence")
        batch = [
            place(n, n + 1, sequence=sequence)
            for n in range(first, first + 50)
            for sequence in both
        ]
        await log.append_at(0, batch)
    assert await line_values(log, 7, 593) == [b"%d" % n for n in range(7, 593)]


async def test_trimmed_entries_are_left_out_of_their_line(log: Log):
    await log.append_at(0, [place(0, 1, b"a", b"b"), place(1, 2, b"c")])
    await log.trim("t", 0, 1)
    assert await line_values(log, 0) == [b"b", b"c"]
    await log.trim("t", 0, 3)
    assert await line_values(log, 0) == []
    assert await log.append_at(0, [place(0, 1), place(2, 3)]) == [False, True]


async def test_a_forgotten_line_starts_anew_and_its_entries_stay(log: Log):
    await log.append_at(0, [place(0, 5, last=True)])
    await log.forget_sequence("t", 0, "sequence")
    assert await log.sequence_state("t", 0, "sequence") == SequenceState()
    assert await line_values(log, 0) == []
    assert await log.span("t", 0) == Span(0, 1)
    assert await log.append_at(0, [place(0, 2, b"again")]) == [True]
    assert await line_values(log, 0) == [b"again"]
    await log.forget_sequence("t", 0, "unknown")


async def test_records_of_64_kb_come_back_whole(log: Log):
    big = [bytes([n]) * 65_536 for n in range(12)]
    await log.append_at(0, [place(n, n + 1, value) for n, value in enumerate(big)])
    assert await line_values(log, 0) == big


async def test_of_many_who_say_the_same_exactly_one_writes(log: Log):
    async def say(writer: int) -> int:
        won = 0
        for n in range(30):
            won += sum(await log.append_at(0, [place(n, n + 1, b"%d by %d" % (n, writer))]))
        return won

    assert sum(await asyncio.gather(*(say(writer) for writer in range(10)))) == 30
    said = await line_values(log, 0)
    assert [value.split()[0] for value in said if value] == [b"%d" % n for n in range(30)]
