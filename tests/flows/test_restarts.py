"""The central promise: stop a stage anywhere, start it anew, and the bytes are the same."""

import asyncio

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from standins.crashes import (
    Crash,
    CrashingLog,
    Upstream,
    WriteGate,
    append_unharmed,
    run_through,
)
from standins.in_memory import contents
from standins.recordings import STAGES
from standins.undisturbed import (
    FINISHED,
    SPEECH_STAGES,
    Undisturbed,
    begin,
    hold_to,
    is_idle_session,
    stored_by,
    system_that_crashes,
    written_by,
)
from standins.waiting import until

from rhapsode.codecs.hls import check as hls_check


@pytest.fixture(autouse=True)
def without_holding_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let nothing wait because it is in no haste: nobody listens, and each run is one of many."""
    monkeypatch.setattr("rhapsode.agents.turns.QUIET_S", 0.0)


async def rerun(
    was: Undisturbed,
    name: str,
    crashes: list[Crash],
    step: int,
    *,
    order: int = 0,
    late_first: bool = False,
) -> int:
    """Run one stage over what was logged, through crashes; hold it to what it wrote undisturbed."""
    stage = STAGES[name]
    coming = was.coming(stage, order)
    if late_first:  # what is spoken at once may come in any order of chapters
        coming.sort(key=lambda batch: batch.sequence, reverse=True)
    gate = WriteGate()
    system = system_that_crashes(gate)
    assert isinstance(system.log, CrashingLog)
    await system.declare()
    for batch in was.given(stage):
        await append_unharmed(system.log, batch)
    upstream = Upstream(system.log, stage.sources, coming, step)
    writes = await run_through(stage, system, gate, upstream, crashes)
    await hold_to(was, stage, system)
    for playlist in [file for file in system.store.files if file.endswith("audio.m3u8")]:
        assert hls_check.check_history(system.recorded.versions(playlist)) == []
    return writes


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("name", STAGES)
async def test_a_stage_that_crashes_once_at_any_write_leaves_no_trace(
    undisturbed: dict[str, Undisturbed], name: str, after: bool
) -> None:
    writes = await rerun(undisturbed[name], name, [], 1)
    stride = 17 if name in ("pack", "publish", "frame") else 1  # those encode all the audio
    for number in range(0, writes, stride):
        await rerun(undisturbed[name], name, [Crash(number, after)], 1)


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
async def test_audio_is_mastered_to_the_end_though_later_chapters_were_spoken_first(
    undisturbed: dict[str, Undisturbed], after: bool
) -> None:
    writes = await rerun(undisturbed["master"], "master", [], 1, late_first=True)
    for number in range(0, writes, 5):
        await rerun(undisturbed["master"], "master", [Crash(number, after)], 1, late_first=True)


@pytest.mark.parametrize("name", STAGES)
async def test_what_was_dealt_with_long_ago_may_come_again(
    undisturbed: dict[str, Undisturbed], name: str
) -> None:
    for writes in (3, 9):
        await rerun(undisturbed[name], name, [Crash(writes, redelivered=10_000)], 2)


crashes_drawn = st.lists(
    st.builds(
        Crash, st.integers(0, 25), st.booleans(), st.one_of(st.integers(0, 4), st.just(10_000))
    ),
    min_size=1,
    max_size=4,
)


@pytest.mark.parametrize("name", STAGES)
@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    crashes=crashes_drawn,
    step=st.sampled_from([1, 2, 5, 1000]),
    order=st.integers(0, 2**32),
    late_first=st.booleans(),
)
async def test_any_number_of_crashes_and_redeliveries_give_the_same_bytes(
    undisturbed: dict[str, Undisturbed],
    name: str,
    crashes: list[Crash],
    step: int,
    order: int,
    late_first: bool,
) -> None:
    await rerun(undisturbed[name], name, crashes, step, order=order, late_first=late_first)


@settings(max_examples=5, deadline=None)
@given(writes=st.lists(st.integers(0, 300), min_size=1, max_size=3), after=st.booleans())
async def test_the_whole_flow_stopped_anywhere_goes_on_to_the_same_bytes(
    undisturbed: dict[str, Undisturbed], writes: list[int], after: bool
) -> None:
    gate = WriteGate()
    system = system_that_crashes(gate)
    await begin(system)
    stages = tuple(SPEECH_STAGES.values())
    was = undisturbed[stages[0].name]
    for number in writes:
        gate.set_to(Crash(number, after))
        async with system.running(stages):
            finished = asyncio.create_task(system.finished(*FINISHED))
            await until(lambda finished=finished: gate.crashed or finished.done(), 30.0)
            finished.cancel()
            await asyncio.gather(finished, return_exceptions=True)
    gate.set_to(None)
    async with system.running(stages):
        await system.finished(*FINISHED)
    files = {name: data for name, data in was.files.items() if not is_idle_session(name)}
    wanted = {
        place: values for place, values in was.contents.items() if not is_idle_session(place[1])
    }
    for stage in stages:
        found = written_by(stage, await contents(system.log, *stage.sinks))
        assert found == written_by(stage, wanted)
        assert stored_by(stage, system.store.files) == stored_by(stage, files)
