"""Who is in production, and in what order the others follow."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest
from standins.in_memory import System, open_session

from rhapsode.agents import admitting as admitting_module
from rhapsode.agents.admitted import AT_ONCE, FEW_IN_LINE, HEAD_START_S
from rhapsode.agents.admitting import FIRST_LIMIT, Admitter
from rhapsode.agents.models.reciter import Reciter
from rhapsode.agents.turns import grid_of
from rhapsode.codecs.hls.grid import AAC_FRAME_SAMPLES, Grid
from rhapsode.codecs.records import (
    Admission,
    AudioFrame,
    Chunk,
    Control,
    Item,
    Passage,
    Segment,
    text_items,
)
from rhapsode.storage.log import partition_of
from rhapsode.storage.memory.admissions import MemoryAdmissions
from rhapsode.topologies.registry import stages_named

RATE_HZ = 48_000


async def system_with(sessions: int, free: int = 0) -> System:
    """Return a system that has accepted sessions of one text each, in the order of their names."""
    system = System(admissions=MemoryAdmissions(free))
    await system.declare()
    for number in range(sessions):
        await system.narrate("Words.", f"s{number:02}")
    return system


async def enter(system: System, session: str) -> bool:
    """Ask for a place as a first stage does; return whether it was given."""
    admission = await system.gate.enter(await system.journal.describe(session))
    await system.append(admission or ())
    return admission is not None


@asynccontextmanager
async def admitting(system: System, most: int = 100) -> AsyncGenerator[None]:
    admitter = Admitter(system.journal, system.admissions, most, system.session_index)
    task = asyncio.create_task(admitter.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def admitted(system: System) -> list[str]:
    """Return the sessions that were admitted."""
    sessions = [f"s{number:02}" for number in range(50)]
    return [name for name in sessions if await system.records(Admission, name)]


async def end(system: System, *sessions: str) -> None:
    """End sessions, as `pack` does."""
    await system.append(
        [
            Segment(session=session, number=0, first_frame=0, frames=0, size_bytes=0, last=True)
            for session in sessions
        ]
    )


async def test_whoever_finds_a_place_is_admitted_by_what_it_writes_first() -> None:
    system = await system_with(1, free=1)
    assert await enter(system, "s00")
    assert await admitted(system) == ["s00"]
    assert await enter(system, "s00")  # again, after a restart: it takes no second place
    assert await system.admissions.waiting() == 0


async def test_without_a_place_a_session_stands_in_line() -> None:
    system = await system_with(2)
    assert not await enter(system, "s00")
    assert not await enter(system, "s01")
    assert not await enter(system, "s00")
    assert await system.admissions.waiting() == 2
    assert await admitted(system) == []


async def test_as_sessions_end_others_follow_in_the_order_of_their_acceptance() -> None:
    system = await system_with(5)
    for session in ("s03", "s01", "s04", "s02", "s00"):
        assert not await enter(system, session)
    async with admitting(system, most=2):
        await until_admitted(system, ["s00", "s01"])
        assert await system.admissions.position("s02") == 1
        await end(system, "s00")
        await until_admitted(system, ["s00", "s01", "s02"])
        await end(system, "s01", "s02")
        await until_admitted(system, ["s00", "s01", "s02", "s03", "s04"])
    assert await system.admissions.waiting() == 0


async def until_admitted(system: System, sessions: list[str]) -> None:
    async with asyncio.timeout(10):
        while await admitted(system) != sessions:
            await asyncio.sleep(0.02)


async def sound(system: System, session: str, first_s: float, seconds: float) -> None:
    """Append audio, as `master` does."""
    first, samples = round(first_s * RATE_HZ), round(seconds * RATE_HZ)
    size = RATE_HZ // 2
    await system.append(
        AudioFrame(session=session, first_sample=at, samples=n, pcm=bytes(2 * n))
        for at in range(first, first + samples, size)
        if (n := min(size, first + samples - at))
    )


async def test_who_is_in_line_begins_once_those_before_have_a_head_start(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(admitting_module, "monotonic", lambda: 1_000.0)
    system = await system_with(FEW_IN_LINE + 3)
    for number in range(FEW_IN_LINE + 3):
        assert not await enter(system, f"s{number:02}")
    admitter = await leading(system)
    for _ in range(2):
        await admitter._tick()
    assert await admitted(system) == ["s00"]
    await sound(system, "s00", 0.0, HEAD_START_S + 1.0)
    grid = grid_of(system.form)
    enough = grid.segment_of(round(HEAD_START_S * RATE_HZ) // AAC_FRAME_SAMPLES) + 1
    for packed in range(enough):
        for _ in range(2):
            await admitter._tick()
        assert await admitted(system) == ["s00"], "what is not in segments cannot be heard"
        await system.append([segment(grid, "s00", packed)])
    for _ in range(2):
        await admitter._tick()
    assert await admitted(system) == ["s00", "s01"]


async def test_where_few_are_in_line_they_begin_once_those_before_have_a_sound() -> None:
    system = await system_with(0)
    admitter = await leading(system)
    await admitter._tick()
    names = [f"s{number:02}" for number in range(AT_ONCE + FEW_IN_LINE)]
    for name in names:
        await system.narrate("Words.", name)
    assert [await enter(system, name) for name in names] == [True] * AT_ONCE + [False] * FEW_IN_LINE
    for sounding in range(FEW_IN_LINE):
        for _ in range(2):
            await admitter._tick()
        assert await admitted(system) == names[: AT_ONCE + sounding]
        await sound(system, names[sounding], 0.0, 1.0)
        await system.append([segment(grid_of(system.form), names[sounding], 0)])
    for _ in range(2):
        await admitter._tick()
    assert await admitted(system) == names


async def leading(system: System) -> Admitter:
    """Return an admitter that leads, and looks only when it is told to."""
    admitter = Admitter(system.journal, system.admissions, 100, system.session_index)
    assert await system.admissions.lead(admitter.member, 60.0)
    await admitter._begin()
    return admitter


def segment(grid: Grid, session: str, number: int) -> Segment:
    return Segment(
        session=session,
        number=number,
        name=f"audio_{number:03}.m4s",
        first_frame=grid.start(number),
        frames=grid.frames(number),
        size_bytes=1,
    )


async def test_who_comes_to_an_idle_machine_begins_at_once() -> None:
    system = await system_with(0)
    admitter = await leading(system)
    await admitter._tick()
    entered: list[bool] = []
    for number in range(AT_ONCE + 1):
        await system.narrate("Words.", f"s{number:02}")
        entered.append(await enter(system, f"s{number:02}"))
    assert entered == [True] * AT_ONCE + [False]


async def test_who_is_cancelled_in_line_takes_no_place() -> None:
    system = await system_with(3)
    for session in ("s00", "s01", "s02"):
        await enter(system, session)
    await system.append([Control(session="s00", seq=0, verb="cancel", last=True)])
    async with admitting(system, most=2):
        await until_admitted(system, ["s01", "s02"])
    assert await system.admissions.waiting() == 0


async def test_who_is_deleted_in_line_holds_up_nobody() -> None:
    system = await system_with(3)
    for session in ("s00", "s01", "s02"):
        await enter(system, session)
    await system.log.forget(partition_of(b"s00", system.journal.partitions), "s00", refuse_s=60.0)
    async with admitting(system):
        await until_admitted(system, ["s01", "s02"])
    assert await system.admissions.waiting() == 0


async def test_an_open_session_that_sleeps_takes_no_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rhapsode.agents.admitted.ASLEEP_S", 0.1)
    system = System(admissions=MemoryAdmissions())
    await system.declare()
    for number in range(3):
        await system.append([open_session(f"s{number:02}")])
        await system.text(0, "Words.", f"s{number:02}")
        await enter(system, f"s{number:02}")
    async with admitting(system, most=1):
        await until_admitted(system, ["s00", "s01", "s02"])


async def test_the_next_leader_knows_from_the_log_who_is_in_production() -> None:
    system = await system_with(4)
    for number in range(4):
        await enter(system, f"s{number:02}")
    async with admitting(system, most=2):
        await until_admitted(system, ["s00", "s01"])
    async with admitting(system, most=2):
        await until_places(system, producing=2)
        assert await admitted(system) == ["s00", "s01"]
        await end(system, "s01")
        await until_admitted(system, ["s00", "s01", "s02"])


async def until_places(system: System, *, producing: int) -> None:
    async with asyncio.timeout(10):
        while (places := await system.admissions.places()) is None or places.producing != producing:
            await asyncio.sleep(0.02)


async def test_a_line_that_was_lost_is_made_again_from_the_log() -> None:
    system = await system_with(3)
    await system.append([open_session("s03")])  # nothing is to be heard of it yet
    await enter(system, "s00")
    await end(system, "s00")
    system.admissions = MemoryAdmissions()
    async with admitting(system):
        await until_admitted(system, ["s01", "s02"])
    assert await system.admissions.position("s03") is None


async def test_places_are_said_before_anybody_asks() -> None:
    system = await system_with(0)
    async with admitting(system):
        await until_places(system, producing=0)
        await system.narrate("Words.", "s00")
        assert await enter(system, "s00")
        await until_places(system, producing=1)
    places = await system.admissions.places()
    assert places is not None
    assert places.limit == FIRST_LIMIT


@pytest.mark.parametrize("mode", ["narrate", "expand"])
async def test_a_session_that_waits_is_passed_over_and_heard_whole_once_it_is_admitted(
    mode: str,
) -> None:
    system = System(admissions=MemoryAdmissions(), model=Reciter("Once upon a time."))
    await system.declare()
    await system.append([open_session("s", mode=mode)])
    for seq in range(3):
        await system.append(text_items("s", seq, f"Sentence {seq}. ", item_end=True))
    first = (await system.records(Item, "s"))[:2]
    stage = "expand" if mode == "expand" else "split"
    (agent,) = (one.agent(system) for one in stages_named((stage,)))
    assert await system.hand(agent, "s", first) == []
    assert await system.admissions.position("s") == 1
    admission = Admission(session="s", last=True)
    await system.append([admission])
    await system.append(text_items("s", 3, "The end.", item_end=True, last=True))
    *_, last = await system.records(Item, "s")
    await system.hand(agent, "s", [admission, last])
    if mode == "narrate":
        chunks = await system.records(Chunk, "s/0")
        assert " ".join(chunk.text for chunk in chunks).split() == (
            ["Sentence", "0.", "Sentence", "1.", "Sentence", "2.", "The", "end."]
        )
        assert chunks[-1].last
    else:
        passages = await system.records(Passage, "s")
        assert [passage.item for passage in passages if passage.item_end] == [0, 1, 2, 3]
        assert passages[-1].last


async def test_more_sessions_than_places_are_all_heard() -> None:
    system = System(admissions=MemoryAdmissions(), most_sessions=2)
    async with system.running():
        for number in range(9):
            await system.narrate("Words that are heard.", f"s{number:02}")
        await system.finished(*(f"s{number:02}" for number in range(9)))
    for number in range(9):
        frames = await system.records(AudioFrame, f"s{number:02}")
        assert frames[-1].last
        assert not frames[-1].error
    assert not system.counts.troubles
