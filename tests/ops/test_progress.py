"""Progress folded from events: twice is once, and the log tells the same as listening did."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rhapsode.agents.voices.tone import ToneVoice
from rhapsode.codecs.records import Event
from rhapsode.codecs.session import Form
from rhapsode.ops.progress import Progress, load_progress
from rhapsode.storage.memory.log import MemoryLog
from rhapsode.topologies.testing import InMemorySystem

CREATED_MS = 1_000


def events(chunks: int, segments: int, error: str = "") -> list[Event]:
    """Return what stages report of a session, stage after stage."""
    told = [Event(session="s", stage="split", seq=0, kind="text", chars_total=100, last=True)]
    for seq in range(chunks):
        last = seq == chunks - 1
        told.append(
            Event(
                session="s",
                stage="master",
                seq=seq,
                kind="chunk",
                chars=100 * (seq + 1) // chunks,
                audio_s=2.0 * (seq + 1),
                count=seq + (0 if last else 1),
                degraded=seq >= 2,
                error=error if last else "",
                last=last,
            )
        )
    for seq in range(segments):
        last = seq == segments - 1
        told.append(
            Event(
                session="s",
                stage="publish",
                seq=seq,
                kind="segment" if not last else "failed" if error else "done",
                audio_s=1.0 * (seq + 1),
                count=seq + 1,
                error=error if last else "",
                last=last,
            )
        )
    return told


def folded(told: list[tuple[Event, int]]) -> Progress:
    progress = Progress("s", created_ms=CREATED_MS)
    for event, timestamp_ms in told:
        progress.apply(event, timestamp_ms)
    return progress


def timed(told: list[Event]) -> list[tuple[Event, int]]:
    return [(event, CREATED_MS + 10 * number) for number, event in enumerate(told, start=1)]


@given(
    chunks=st.integers(1, 6),
    segments=st.integers(1, 6),
    error=st.sampled_from(["", "the voice broke"]),
    data=st.data(),
)
def test_an_event_that_comes_again_at_any_time_changes_nothing(
    chunks: int, segments: int, error: str, data: st.DataObject
) -> None:
    told = timed(events(chunks, segments, error))
    again: list[tuple[Event, int]] = []
    for number, item in enumerate(told):
        again.append(item)
        again += data.draw(st.lists(st.sampled_from(told[: number + 1]), max_size=2))
    assert folded(again) == folded(told)


@given(
    chunks=st.integers(1, 6),
    segments=st.integers(1, 6),
    heard=st.integers(0, 13),
)
async def test_what_is_loaded_and_then_heard_is_what_was_heard_all_along(
    chunks: int, segments: int, heard: int
) -> None:
    ticks = iter(range(CREATED_MS, CREATED_MS + 10_000, 10))
    system = InMemorySystem(log=MemoryLog(clock_ms=lambda: next(ticks)), for_devices=False)
    await system.declare()
    await system.describe("s", form=Form())
    told = timed(events(chunks, segments))
    for event, _ in told[:heard]:
        await system.append([event])
    loaded = await load_progress(system.journal, "s")
    assert loaded is not None
    assert loaded == folded(told[:heard])
    for event, timestamp_ms in told[max(0, heard - 2) :]:
        loaded.apply(event, timestamp_ms)
    assert loaded == folded(told)


async def test_a_session_that_was_never_accepted_has_no_progress() -> None:
    assert await load_progress(InMemorySystem().journal, "nobody") is None


@pytest.mark.parametrize(
    ("heard", "error", "state", "percent"),
    [
        (0, "", "PENDING", None),
        (1, "", "PROGRESS", 0),
        (3, "", "PROGRESS", 50),
        (5, "", "PROGRESS", 99),
        (8, "", "PROGRESS", 99),
        (9, "", "SUCCESS", 100),
        (9, "the voice broke", "FAILURE", 99),
    ],
)
def test_the_state_follows_the_stages(
    heard: int, error: str, state: str, percent: int | None
) -> None:
    progress = folded(timed(events(4, 4, error))[:heard])
    assert (progress.state, progress.percent) == (state, percent)
    assert progress.error == (error if state == "FAILURE" else "")


def test_times_count_from_acceptance_and_the_first_segment() -> None:
    told = timed(events(2, 3))
    progress = folded(told)
    first_ms = told[3][1]
    assert progress.first_audio_s == (first_ms - CREATED_MS) / 1000
    assert progress.finished_ms == told[-1][1]
    assert progress.seconds_ahead == pytest.approx(3.0 - (told[-1][1] - first_ms) / 1000)
    assert progress.extra == {"split": 10, "master": 20, "publish": 40}


def test_before_the_first_segment_nothing_is_reported_of_sound() -> None:
    progress = folded(timed(events(2, 3))[:2])
    assert progress.first_audio_s is None
    assert progress.seconds_ahead == 0.0
    assert progress.as_json()["published_s"] == 0.0


async def test_a_stand_in_for_the_voice_in_the_middle_is_remembered_after_a_reload() -> None:
    system = InMemorySystem(voice=ToneVoice(degraded_at="odd"))
    async with system.running():
        await system.narrate("One is plain. Then an odd one comes along here. The last is plain.")
        await system.finished("s")
    progress = await load_progress(system.journal, "s")
    assert progress is not None
    assert progress.degraded
    assert progress.as_json()["degraded"] is True


@pytest.mark.parametrize(("segment_s", "target_s"), [(1.0, 1), (2.0, 2), (3.4, 3), (6.0, 6)])
async def test_a_session_is_held_to_its_own_forms_target_duration(
    segment_s: float, target_s: int
) -> None:
    system = InMemorySystem(form=Form(segment_s=segment_s))
    await system.describe("s", open=True)
    progress = await load_progress(system.journal, "s")
    assert progress is not None
    assert (progress.target_duration_s, progress.open) == (target_s, True)


async def test_a_narrated_session_comes_to_a_hundred_percent_of_its_text() -> None:
    system = InMemorySystem()
    text = "One fox. Two foxes, and a third that came late."
    async with system.running():
        await system.narrate(text)
        await system.finished("s")
    progress = await load_progress(system.journal, "s")
    assert progress is not None
    assert (progress.state, progress.percent, progress.error) == ("SUCCESS", 100, "")
    assert progress.chars_total == len(text)
    assert progress.published_s == pytest.approx(progress.audio_s, abs=0.03)
    assert set(progress.extra) == {"split", "master", "publish"}
