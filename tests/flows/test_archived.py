"""What the log lets go of is still there: archived first, read as if nothing had happened."""

import asyncio

import numpy as np
import pytest
from standins.in_memory import System, contents
from standins.retention import (
    FAR_MS,
    SEQUENCED,
    TEXT,
    Clocked,
    everything,
    let_go,
    remover_of,
    spans,
    told,
    trimmer_of,
)
from standins.waiting import until

from rhapsode.agents.archive import Archive
from rhapsode.agents.journal import Journal
from rhapsode.agents.trimming import SupersededError
from rhapsode.codecs.archive import DamagedPieceError
from rhapsode.codecs.records import (
    AudioFrame,
    Control,
    DeviceFrames,
    Item,
    Session,
)
from rhapsode.ops.progress import load_progress
from rhapsode.ops.tools.replay import derive
from rhapsode.storage.log import ForgottenError, Span
from rhapsode.storage.objects.memory import MemoryObjects
from rhapsode.storage.objects.store import ObjectsUnreachableError
from rhapsode.topologies.testing import PARTITIONS

YEAR_MS = 31_536_000_000


async def test_what_is_trimmed_is_read_from_the_archive_as_it_was() -> None:
    system = await told("s")
    before = await contents(system.log, *SEQUENCED)
    await let_go(system)
    assert await spans(system) == {0}
    assert await everything(system.journal, before) == before
    await system.check("s")


async def test_a_journal_that_saw_nothing_reads_the_archive_too() -> None:
    system = await told("s")
    before = await contents(system.log, *SEQUENCED)
    await let_go(system)
    fresh = Journal(system.log, PARTITIONS, archive=system.archive)
    assert (await fresh.describe("s")).record.session == "s"
    assert await everything(fresh, before) == before


async def test_partly_trimmed_is_read_across_archive_and_log_by_any_steps() -> None:
    system = await told("s")
    frames = await system.records(AudioFrame, "s")
    for share in (0.2, 0.5, 0.8):
        entries = await system.journal.of(AudioFrame).entries("s", 0)
        await let_go(system, entries[int(share * len(entries))].timestamp_ms)
        sequences = system.journal.of(AudioFrame)
        for first in (0, len(frames) // 3, len(frames) - 1):
            start = frames[first].start
            assert await sequences.records("s", start) == frames[first:]
            assert [one async for one in sequences.stream("s", start)] == frames[first:]
            assert await sequences.records("s", start, start + 1) == frames[first : first + 1]
        assert (await sequences.records("s", 0, limit=3))[:3] == frames[:3]
        assert await sequences.last("s") == frames[-1]


async def quiet(system: System) -> None:
    """Wait until no stage has had anything to do for a while."""
    async with asyncio.timeout(30):
        before = -1
        while before != system.counts.records:
            before = system.counts.records
            await asyncio.sleep(1.5)  # longer than any idle tick of a stage


async def test_stages_that_start_anew_over_a_trimmed_session_go_on_from_where_they_were() -> None:
    system = System(log=Clocked())
    async with system.running():
        await system.describe("s", open=True)
        await system.text(0, "One sentence is here. Another one follows it, ", item_end=False)
        await quiet(system)
    await let_go(system)
    assert await spans(system) == {0}
    async with system.running():
        await system.text(1, "and is longer. This is the end.", item_end=True, last=True)
        await system.finished("s")
    await let_go(system)
    await system.check("s")
    said = " ".join(frame.text for frame in await system.records(AudioFrame, "s") if frame.text)
    assert said == ("One sentence is here. Another one follows it, and is longer. This is the end.")


async def test_a_session_that_is_over_is_forgotten_and_replays() -> None:
    system = await told("s", "other")
    before = await contents(system.log, *SEQUENCED)
    progress = await load_progress(system.journal, "s")
    remover = remover_of(system)
    assert not await remover.forget_if_over("s")  # it is not archived yet
    await let_go(system)
    assert await remover.forget_if_over("s")
    assert not any(one.sequences for one in await remover._states("s"))
    fresh = Journal(system.log, PARTITIONS, archive=system.archive)
    assert await everything(fresh, before) == before
    assert await load_progress(fresh, "s") == progress
    for name in await system.archive._objects.names("archive/s/"):
        if not name.endswith("/head"):
            await system.archive.withdraw(name)
    bare = Journal(system.log, PARTITIONS, archive=Archive(system.archive._objects))
    assert await load_progress(bare, "s") == progress  # without a look into any piece
    assert (await derive(fresh, "s", store=system.store)).differences == []
    assert await remover.forget_if_over("s")  # again, as after a crash in the middle
    known = await system.session_index.get("s")
    assert known is not None
    assert known.ended_ms > 1_700_000_000_000
    assert known.archive_bytes > 1000
    assert known.media_bytes == sum(
        len(data) for name, data in system.recorded.of("s").items() if name.endswith(".m4s")
    ) - len(system.recorded.of("s").get("init.m4s", b""))


async def test_what_comes_late_for_a_forgotten_session_is_refused() -> None:
    system = await told("s")
    await let_go(system)
    await remover_of(system).forget_if_over("s")
    with pytest.raises(ForgottenError):
        await system.journal.append(Control(session="s", seq=0, verb="listening"))
    with pytest.raises(ForgottenError):
        await system.journal.append(Session(session="s", last=True))


async def test_a_session_that_goes_on_is_not_forgotten() -> None:
    system = System(log=Clocked())
    async with system.running():
        await system.describe("s", open=True)
        await system.text(0, "A few words. ", item_end=True)
        await until(lambda: system.records(AudioFrame, "s"))
    await let_go(system)
    assert not await remover_of(system).forget_if_over("s")
    assert (await system.journal.of(Item).state("s")).next == 1


async def test_of_two_who_archive_at_once_neither_loses_anything() -> None:
    system = await told("s", "t", "u")
    before = await contents(system.log, *SEQUENCED)
    one, other = trimmer_of(system), trimmer_of(system)
    for number in range(PARTITIONS):
        for _ in range(20):
            results = await asyncio.gather(
                one.cut(number, FAR_MS), other.cut(number, FAR_MS), return_exceptions=True
            )
            assert all(
                result is None
                or not isinstance(result, BaseException)
                or isinstance(result, SupersededError)
                for result in results
            )
    await let_go(system)
    assert await spans(system) == {0}
    assert await everything(system.journal, before) == before


class Failing(MemoryObjects):
    """A store that fails once in a while."""

    def __init__(self) -> None:
        super().__init__()
        self.puts_left = 10**9

    async def put(self, name: str, data: bytes, content_type: str) -> None:
        self.puts_left -= 1
        if self.puts_left < 0:
            raise ObjectsUnreachableError("the store is away")
        await super().put(name, data, content_type)


@pytest.mark.parametrize("puts", [0, 1, 2, 3])
async def test_nothing_is_trimmed_that_is_not_archived(puts: int) -> None:
    system = System(log=Clocked())
    objects = Failing()
    system.archive = Archive(objects)
    system.__post_init__()
    async with system.running():
        for session in ("s", "t", "u"):
            await system.narrate(TEXT, session)
        await system.finished("s", "t", "u")
    before = await contents(system.log, *SEQUENCED)
    objects.puts_left = puts
    with pytest.raises(ObjectsUnreachableError):
        await let_go(system)
    assert await everything(system.journal, before) == before
    objects.puts_left = 10**9
    await let_go(system)
    assert await spans(system) == {0}
    assert await everything(system.journal, before) == before


class NeverTrims(Clocked):
    """A log whose trims are lost, as in a power cut after the note of what is archived."""

    lost = True

    async def trim(self, topic: str, partition: int, before: int) -> int:
        if self.lost:
            return (await self.span(topic, partition)).first
        return await super().trim(topic, partition, before)


async def test_a_power_cut_between_archive_and_trim_archives_nothing_twice() -> None:
    log = NeverTrims()
    system = System(log=log)
    await system.narrated(TEXT)
    await system.session_index.add("s")
    before = await contents(system.log, *SEQUENCED)
    trimmer = trimmer_of(system)
    for number in range(PARTITIONS):
        await trimmer.cut(number, FAR_MS)
    stored = (await system.session_index.totals()).archive_bytes
    assert await everything(system.journal, before) == before
    log.lost = False
    await let_go(system)
    assert await spans(system) == {0}
    assert (await system.session_index.totals()).archive_bytes >= stored
    fresh = Journal(system.log, PARTITIONS, archive=system.archive)
    assert await everything(fresh, before) == before
    entries = await fresh.of(AudioFrame).entries("s", 0)
    assert len({entry.offset for entry in entries}) == len(entries)


async def test_a_piece_has_at_most_a_minute_and_the_writes_of_one_time() -> None:
    system = System(log=Clocked())
    await system.describe()
    second = np.zeros(24_000, "<i2").tobytes()
    for number in range(300):
        frame = AudioFrame(session="s", first_sample=24_000 * number, samples=24_000, pcm=second)
        await system.append([frame])
    await let_go(system)
    newest = await system.log.archived(system.journal.of(AudioFrame).partition("s"), "s")
    header = await system.archive.header(newest)
    pieces = [one for one in header.earlier if one.topic == "audio-frame"]
    lengths = [(one.end - one.start) / 48_000 for one in pieces]
    assert max(lengths) <= 60.0
    assert len(lengths) < 12


async def test_what_a_stage_has_not_read_stays() -> None:
    system = await told("s")
    number = system.journal.of(AudioFrame).partition("s")
    held = (await system.log.span("audio-frame", number)).next - 2
    await system.log.commit("group-frame", number, {"audio-frame": held})
    trimmer = trimmer_of(system, readers={"audio-frame": ("group-frame", "never-ran")})
    while await trimmer.cut(number, FAR_MS):
        pass
    assert await system.log.span("audio-frame", number) == Span(held, held + 2)
    assert (await system.log.span("device", number)).next > 0
    assert (await system.log.span("device", number)).first == (
        await system.log.span("device", number)
    ).next


async def test_a_stage_that_has_not_come_to_a_partition_yet_holds_it() -> None:
    system = await told("s")
    number = system.journal.of(AudioFrame).partition("s")
    trimmer = trimmer_of(system, readers={"audio-frame": ("group",)})
    await system.log.commit("group", 1 - number, {"audio-frame": 0})
    while await trimmer.cut(number, FAR_MS):
        pass
    span = await system.log.span("audio-frame", number)
    assert (span.first, span.next > 0) == (0, True)


async def test_a_clock_that_ran_ahead_once_holds_nothing_up() -> None:
    log = Clocked()
    system = System(log=log)
    async with system.running():
        await system.describe("s", open=True)
        log.now_ms += YEAR_MS
        await system.text(0, TEXT)
        log.now_ms -= YEAR_MS
        await system.text(1, TEXT, last=True)
        await system.finished("s")
    await let_go(system, log.now_ms + 1)
    text = await system.log.span("text", system.journal.of(Item).partition("s"))
    assert text.first == text.next > 1


async def test_a_damaged_piece_is_said_and_not_taken_for_silence() -> None:
    objects = MemoryObjects()
    system = System(log=Clocked(), archive=Archive(objects))
    await system.narrated(TEXT)
    await let_go(system)
    for name in await objects.names("archive/"):
        stored = await objects.get(name)
        assert stored is not None
        await objects.put(name, stored.data[: len(stored.data) // 2], stored.content_type)
    fresh = Journal(system.log, PARTITIONS, archive=Archive(objects))
    with pytest.raises(DamagedPieceError):
        await fresh.of(AudioFrame).records("s", 0, limit=100)


async def test_devices_hear_an_archived_session() -> None:
    system = await told("s")
    packets = await system.records(DeviceFrames, "s")
    await let_go(system)
    await remover_of(system).forget_if_over("s")
    fresh = Journal(system.log, PARTITIONS, archive=system.archive)
    assert [one async for one in fresh.of(DeviceFrames).stream("s")] == packets
