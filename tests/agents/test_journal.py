"""The journal: typed reading and writing of sequences, all that a stage knows of its past."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest
from standins.in_memory import System, accepted

from rhapsode.agents.batching import batches
from rhapsode.agents.journal import (
    KEPT_DESCRIPTIONS,
    STEP_ENTRIES,
    Journal,
    Sequences,
    UndeclaredTopicError,
    UnknownSessionError,
)
from rhapsode.codecs.encoding import MalformedError
from rhapsode.codecs.records import (
    AudioFrame,
    Chunk,
    Event,
    Item,
    Passage,
    Segment,
    SequenceRecord,
    Session,
    Speech,
    text_items,
)
from rhapsode.codecs.session import Form, VoiceSettings
from rhapsode.storage.log import (
    Entry,
    ForgottenError,
    GapError,
    SequenceBatch,
    SequenceState,
    partition_of,
)
from rhapsode.storage.memory.log import MemoryLog
from rhapsode.topologies.testing import PARTITIONS


@dataclass
class CountingLog(MemoryLog):
    """A log that counts its reads."""

    reads: list[tuple[str, str, int | None]] = field(default_factory=list)
    """(topic, sequence, limit) of each read."""

    def __post_init__(self) -> None:
        super().__init__()

    async def read_sequence(
        self,
        topic: str,
        partition: int,
        sequence: str,
        start: int,
        end: int | None = None,
        *,
        limit: int | None = None,
    ) -> list[Entry]:
        self.reads.append((topic, sequence, limit))
        return await super().read_sequence(topic, partition, sequence, start, end, limit=limit)


def passage(seq: int, text: str = "words", *, last: bool = False) -> Passage:
    return Passage(session="s", seq=seq, item=0, text=text, last=last)


def passages_in(system: System) -> Sequences[Passage]:
    return system.journal.of(Passage)


async def test_a_sequence_that_does_not_exist_has_nothing_on_it() -> None:
    passages = passages_in(System())
    assert await passages.state("s") == SequenceState(0, False)
    assert await passages.records("s", 0) == []
    assert await passages.last("s") is None
    assert [record async for record in passages.stream("s")] == []


async def test_records_come_back_as_they_were_appended() -> None:
    system = System()
    await system.describe()
    records = [passage(0, "one"), passage(1, "two"), passage(2, "three", last=True)]
    assert await system.journal.append(*records) == [True, True, True]
    assert await system.journal.append(*records) == [False, False, False]
    passages = passages_in(system)
    assert await passages.records("s", 0) == records
    assert await passages.records("s", 1, 2) == records[1:2]
    assert await passages.records("s", 1) == records[1:]
    assert await passages.records("s", 0, limit=2) == records[:2]
    assert await passages.last("s") == records[-1]
    assert await passages.state("s") == SequenceState(3, True)


async def test_what_does_not_continue_its_sequence_is_refused() -> None:
    system = System()
    await system.describe()
    with pytest.raises(GapError):
        await system.journal.append(passage(1))
    assert await passages_in(system).records("s", 0) == []


async def test_what_belongs_to_no_session_is_refused() -> None:
    system = System()
    with pytest.raises(ForgottenError):
        await system.journal.append(passage(0))
    chunk = Chunk(session="s", seq=0, index=0, text="x")  # may lie in a partition of its own
    assert await system.journal.append(chunk) == [True]


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
    await system.describe()
    await system.append(marked)
    frames = system.journal.of(AudioFrame)
    assert await frames.last("s") == marked[-1]
    assert [frame async for frame in frames.stream("s")] == list(marked)


async def test_all_parts_of_a_position_come_together() -> None:
    system = System()
    await system.describe()
    parts = [Speech(session="s", seq=0, index=0, part=n, parts=3) for n in range(3)]
    after = Speech(session="s", seq=1, index=1)
    assert len(batches([*parts, after])) == 2
    await system.append([*parts, after])
    speech = system.journal.of(Speech)
    assert await speech.records("s/0", 0, 1) == parts
    assert await speech.last("s/0") == after


async def test_parts_of_the_last_position_close_their_sequence() -> None:
    system = System()
    await system.describe()
    items = text_items("s", 0, "x" * 40_000, last=True)
    (batch,) = batches(items)
    assert batch.last
    await system.append(items)
    assert await system.journal.of(Item).state("s") == SequenceState(1, True)


@pytest.mark.parametrize("count", [1, STEP_ENTRIES, STEP_ENTRIES + 1, 3 * STEP_ENTRIES + 7])
async def test_a_stream_reads_everything_in_bounded_steps(count: int) -> None:
    log = CountingLog()
    system = System(log=log)
    await system.describe()
    records = [passage(seq) for seq in range(count)]
    await system.append(records)
    assert [record async for record in passages_in(system).stream("s")] == records
    assert {limit for _, _, limit in log.reads} == {STEP_ENTRIES}
    found = [record async for record in passages_in(system).stream("s", count // 2, count)]
    assert found == records[count // 2 :]


async def test_a_stream_ends_at_what_is_stored_and_does_not_wait() -> None:
    system = System()
    await system.describe()
    await system.append([passage(0), passage(1)])
    async with asyncio.timeout(5):
        assert len([record async for record in passages_in(system).stream("s")]) == 2


async def test_a_sequences_last_record_costs_one_read_of_its_end() -> None:
    log = CountingLog()
    system = System(log=log)
    await system.describe()
    await system.append([passage(seq) for seq in range(500)])
    log.reads.clear()
    assert await passages_in(system).last("s") == passage(499)
    assert len(log.reads) == 1


@pytest.mark.parametrize(
    "record",
    [
        Chunk(session="abc", seq=0, chapter=3, index=0, text="x", boundary="end"),
        Speech(session="abc", seq=0, chapter=3, index=0),
        Segment(session="abc", number=0, first_frame=0, frames=1, size_bytes=1),
        Event(session="abc", stage="master", seq=0, kind="chunk"),
    ],
    ids=["chunks spread by chapter", "speech stays with its session", "segments", "events"],
)
async def test_a_sequence_is_looked_for_where_its_records_are_put(record: SequenceRecord) -> None:
    sequences = Journal(MemoryLog(), 64).of(type(record))
    assert sequences.partition(record.sequence) == partition_of(record.key.encode(), 64)


async def test_something_else_on_the_sequence_is_malformed() -> None:
    system = System()
    alien = SequenceBatch(
        topic="passage", sequence="s", start=0, end=1, key=b"s", values=(b"not a record",)
    )
    await system.log.append_at(partition_of(b"s", PARTITIONS), [alien])
    with pytest.raises(MalformedError, match="not a record"):
        await passages_in(system).records("s", 0)


async def test_a_topic_that_was_not_declared_is_refused_and_named() -> None:
    journal = System().journal.limited_to(["chunk", "speech"])
    assert journal.of(Chunk).kind is Chunk
    with pytest.raises(UndeclaredTopicError, match="topic segment is not among chunk, s"):
        journal.of(Segment)
    assert journal.of(Session).kind is Session  # every stage is handed its session's description


async def test_a_session_is_described_by_its_record_and_when_the_log_accepted_it() -> None:
    form, voice = Form(segment_s=3.0), VoiceSettings(voice="espeak", speed=1.5, language="de")
    system = System(log=MemoryLog(lambda: 1_700_000_000_123))
    await system.describe("s", form=form, voice=voice, mode="expand", owner="me")
    description = await system.journal.describe("s")
    assert (description.session, description.created_ms) == ("s", 1_700_000_000_123)
    assert (description.form, description.voice, description.mode) == (form, voice, "expand")
    assert description.record.owner == "me"


async def test_a_description_is_read_once_and_only_so_many_are_kept() -> None:
    log = CountingLog()
    system = await accepted(system=System(log=log))
    journal = system.journal
    described = [await journal.describe("s") for _ in range(5)]
    assert len({id(description) for description in described}) == 1
    assert log.reads == [("session", "s", None)]
    for number in range(KEPT_DESCRIPTIONS):
        await system.describe(f"s{number}")
        await journal.describe(f"s{number}")
    assert len(journal._descriptions) == KEPT_DESCRIPTIONS
    assert await journal.describe("s") == described[0]


async def test_a_session_that_the_server_has_lost_is_unknown() -> None:
    system = await accepted()
    await system.journal.describe("s")
    assert isinstance(system.log, MemoryLog)
    system.log.lose(Session.TOPIC, partition_of(b"s", PARTITIONS), 0)
    with pytest.raises(UnknownSessionError):
        await system.journal.describe("s")


async def test_a_session_that_nobody_accepted_is_unknown_until_it_is() -> None:
    system = System()
    with pytest.raises(UnknownSessionError, match="no session s"):
        await system.journal.describe("s")
    await system.describe("s")
    assert (await system.journal.describe("s")).session == "s"


def test_neighbours_at_one_position_are_one_batch_and_others_are_not() -> None:
    records: Sequence[SequenceRecord] = [
        Speech(session="s", seq=0, index=0, part=0, parts=2),
        Speech(session="s", seq=0, index=0, part=1, parts=2),
        Speech(session="s", seq=0, chapter=1, index=0),
        Event(session="s", stage="master", seq=0, kind="chunk"),
        AudioFrame(session="s", first_sample=0, samples=0, last=True),
    ]
    made = batches(records)
    assert [(batch.topic, batch.sequence, len(batch.values)) for batch in made] == [
        ("speech", "s/0", 2),
        ("speech", "s/1", 1),
        ("event", "s/master", 1),
        ("audio-frame", "s", 1),
    ]
