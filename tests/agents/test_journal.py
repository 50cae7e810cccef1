"""Typed reading of lines, which is all that a stage knows of its past."""

import pytest
from standins.in_memory import PARTITIONS, System

from rhapsode.agents.journal import History
from rhapsode.codecs.encoding import MalformedError
from rhapsode.codecs.records import AudioFrame, Chunk, Passage, Segment, SequenceRecord, Speech
from rhapsode.storage.log import SequenceBatch, SequenceState, partition_of


def passage(seq: int, text: str = "words", *, last: bool = False) -> Passage:
    return Passage(session="s", seq=seq, text=text, last=last)


async def test_a_line_that_does_not_exist_has_nothing_on_it() -> None:
    passages = History(System().log, Passage, PARTITIONS)
    assert await passages.state("s") == SequenceState(0, False)
    assert await passages.records("s", 0) == []
    assert await passages.last("s") is None


async def test_records_come_back_as_they_were_placed() -> None:
    system = System()
    records = [passage(0, "one"), passage(1, "two"), passage(2, "three", last=True)]
    await system.append(records)
    passages = system.journal.of(Passage)
    assert await passages.records("s", 0) == records
    assert await passages.records("s", 1, 2) == records[1:2]
    assert await passages.records("s", 1) == records[1:]
    assert await passages.last("s") == records[-1]
    assert await passages.state("s") == SequenceState(3, True)


@pytest.mark.parametrize(
    "marked",
    [
        (AudioFrame(session="s", first_sample=0, samples=0, last=True, error="why"),),
        (
            AudioFrame(session="s", first_sample=0, samples=8, pcm=bytes(16)),
            AudioFrame(session="s", first_sample=8, samples=0, last=True),
        ),
    ],
    ids=["alone", "after others"],
)
async def test_the_last_record_may_be_a_bare_end_mark(marked: tuple[AudioFrame, ...]) -> None:
    system = System()
    await system.append(marked)
    assert await system.journal.of(AudioFrame).last("s") == marked[-1]


async def test_all_parts_of_a_place_come_together() -> None:
    system = System()
    parts = [Speech(session="s", seq=0, index=0, part=n, parts=3) for n in range(3)]
    after = Speech(session="s", seq=1, index=1)
    await system.append([*parts, after])
    speech = system.journal.of(Speech)
    assert await speech.records("s/0", 0, 1) == parts
    assert await speech.last("s/0") == after


@pytest.mark.parametrize(
    "record",
    [
        Chunk(
            session="abc",
            seq=0,
            chapter=3,
            index=0,
            text="x",
            start_char=0,
            end_char=1,
            boundary="end",
        ),
        Speech(session="abc", seq=0, chapter=3, index=0),
        Segment(session="abc", number=0, first_frame=0, frames=1, size_bytes=1),
    ],
    ids=["chunks spread by chapter", "speech stays with its session", "segments"],
)
async def test_a_line_is_looked_for_where_its_records_are_put(record: SequenceRecord) -> None:
    history = History(System().log, type(record), 64)
    assert history.partition(record.sequence) == partition_of(record.key.encode(), 64)


async def test_something_else_on_the_line_is_malformed() -> None:
    system = System()
    alien = SequenceBatch(
        topic="passage", sequence="s", start=0, end=1, key=b"s", values=(b"not a record",)
    )
    await system.log.append_at(partition_of(b"s", PARTITIONS), [alien])
    with pytest.raises(MalformedError, match="not a record"):
        await system.journal.of(Passage).records("s", 0)
