"""The central promise: stop a stage anywhere, start it anew, and the bytes are the same."""

import asyncio

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from standins.deaths import (
    Death,
    MortalLog,
    MortalObjects,
    Scythe,
    World,
    survived,
)
from standins.rooms import Room, contents, until
from standins.undisturbed import STAGES, Undisturbed, model, said_by, stored_by, voice

from rhapsode.codecs.hls import check as hls_check
from rhapsode.codecs.records import Text


async def rerun(
    was: Undisturbed, name: str, deaths: list[Death], step: int, *, late_first: bool = False
) -> int:
    """Run one stage over what was logged, through deaths; hold it to what it said undisturbed."""
    stage = STAGES[name]
    coming = list(was.sources[stage.source])
    if late_first:  # what is spoken at once may come in any order of chapters
        coming.sort(key=lambda batch: batch.sequence, reverse=True)
    scythe = Scythe()
    log = MortalLog(scythe)
    room = Room(voice=voice(), model=model(), log=log, store=MortalObjects(scythe))
    await room.declare()
    if stage.source != Text.TOPIC:
        await room.append_at(was.texts)
    world = World(log, stage.source, coming, step)
    writes = await survived(stage, room, scythe, world, deaths)
    assert not room.counts.troubles
    assert said_by(stage, await contents(log, *stage.sinks)) == said_by(stage, was.contents)
    assert stored_by(stage, room.store.files) == stored_by(stage, was.files)
    for playlist in [file for file in room.store.files if file.endswith("audio.m3u8")]:
        assert hls_check.check_history(room.store.versions(playlist)) == []
    return writes


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("name", STAGES)
async def test_a_stage_that_dies_once_at_any_write_leaves_no_trace(
    undisturbed: Undisturbed, name: str, after: bool
) -> None:
    writes = await rerun(undisturbed, name, [], 1)
    stride = 1 if name in ("expand", "split", "speak", "master") else 7
    for number in range(0, writes, stride):
        await rerun(undisturbed, name, [Death(number, after)], 1)


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
async def test_audio_is_mastered_to_the_end_though_later_chapters_were_spoken_first(
    undisturbed: Undisturbed, after: bool
) -> None:
    writes = await rerun(undisturbed, "master", [], 1, late_first=True)
    for number in range(writes):
        await rerun(undisturbed, "master", [Death(number, after)], 1, late_first=True)


@pytest.mark.parametrize("name", ["master", "pack", "publish", "frame"])
async def test_what_was_dealt_with_long_ago_may_come_again(
    undisturbed: Undisturbed, name: str
) -> None:
    for writes in (3, 9):
        await rerun(undisturbed, name, [Death(writes, again=10_000)], 2)


lives = st.lists(
    st.builds(
        Death, st.integers(0, 25), st.booleans(), st.one_of(st.integers(0, 4), st.just(10_000))
    ),
    min_size=1,
    max_size=4,
)


@pytest.mark.parametrize("name", STAGES)
@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(deaths=lives, step=st.sampled_from([1, 2, 5, 1000]), late_first=st.booleans())
async def test_any_number_of_deaths_and_redeliveries_give_the_same_bytes(
    undisturbed: Undisturbed, name: str, deaths: list[Death], step: int, late_first: bool
) -> None:
    await rerun(undisturbed, name, deaths, step, late_first=late_first)


@settings(max_examples=5, deadline=None)
@given(writes=st.lists(st.integers(0, 120), min_size=1, max_size=3), after=st.booleans())
async def test_the_whole_flow_stopped_anywhere_goes_on_to_the_same_bytes(
    undisturbed: Undisturbed, writes: list[int], after: bool
) -> None:
    scythe = Scythe()
    room = Room(voice=voice(), model=model(), log=MortalLog(scythe), store=MortalObjects(scythe))
    await room.declare()
    await room.append_at(undisturbed.texts)
    for number in writes:
        scythe.raise_for(Death(number, after))
        async with room.flowing():
            stopped = asyncio.create_task(room.finished("story", "note", "model"))
            await until(lambda stopped=stopped: scythe.struck or stopped.done(), 30.0)
            stopped.cancel()
            await asyncio.gather(stopped, return_exceptions=True)
    scythe.raise_for(None)
    async with room.flowing():
        await room.finished("story", "note", "model")
    for stage in STAGES.values():
        said = said_by(stage, await contents(room.log, *stage.sinks))
        assert said == said_by(stage, undisturbed.contents)
        assert stored_by(stage, room.store.files) == stored_by(stage, undisturbed.files)
