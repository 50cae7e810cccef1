"""Mastering and encoding: what is due first goes first, and who is well ahead goes by runs."""

import asyncio
import threading
import time
from dataclasses import replace

import pytest

from rhapsode.agents.journal import Description
from rhapsode.agents.turns import CodecTurns, Turns, needed_from
from rhapsode.codecs.records import Session
from rhapsode.codecs.session import Form


async def settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


def codec_turns(turns: Turns, accepted_ms: int) -> CodecTurns:
    return CodecTurns(turns, Description(Session(session="s", last=True), accepted_ms))


async def test_audio_is_worked_on_in_the_order_in_which_it_is_due() -> None:
    turns = Turns(1)
    now_ms = int(time.time() * 1000)
    early = replace(codec_turns(turns, now_ms - 10_000), heard_from_s=time.time() - 10)
    late = codec_turns(turns, now_ms)
    done: list[str] = []
    begun = threading.Event()
    go = threading.Event()

    def first() -> None:
        begun.set()
        go.wait(10)

    tasks = [asyncio.create_task(late.run(0, first))]
    while not begun.is_set():
        await asyncio.sleep(0)
    for name, session, second in (
        ("late, its 5th second", late, 5),
        ("late, its beginning", late, 0),
        ("early, its 30th second", early, 30),
        ("early, its 9th second", early, 9),
        ("early, its 8th second", early, 8),
    ):
        tasks.append(asyncio.create_task(session.run(second * 48_000, done.append, name)))
        await settle()
    go.set()
    await asyncio.gather(*tasks)
    assert done == [
        "early, its 8th second",  # somebody waits for it
        "early, its 9th second",
        "late, its beginning",
        "late, its 5th second",  # as far as this knows it has not begun
        "early, its 30th second",
    ]


async def test_who_is_well_ahead_finishes_a_run_of_segments_before_another_begins() -> None:
    turns = Turns(1)
    heard_from_s = time.time() + 60
    first, second = (
        replace(codec_turns(turns, 0), heard_from_s=heard_from_s + late) for late in (0, 1)
    )
    seconds = [sample / 48_000 for sample in (0, 300_000, 900_000)]
    assert [first.has_time(round(at * 48_000)) for at in seconds] == [True, True, True]
    done: list[tuple[str, float]] = []
    async with turns.take():
        tasks: list[asyncio.Task[None]] = []
        for at in seconds:
            for name, session in (("first", first), ("second", second)):
                work = session.run(round(at * 48_000), done.append, (name, at))
                tasks.append(asyncio.create_task(work))
                await settle()
    await asyncio.gather(*tasks)
    runs = [[(name, at) for at in some] for some in (seconds[:2], seconds[2:]) for name in NAMES]
    assert done == [one for run in runs for one in run]


NAMES = ("first", "second")


async def test_who_has_no_time_is_not_kept_waiting_between_two_runs() -> None:
    turns = Turns(1)
    heard = replace(codec_turns(turns, 0), heard_from_s=time.time() - 1)
    ahead = replace(heard, heard_from_s=time.time() + 60)
    async with turns.take():
        await heard.reach(48_000)
        waiting = asyncio.create_task(ahead.reach(48_000))
        await settle()
        assert not waiting.done()
    await waiting


async def test_what_the_work_raises_comes_back_with_its_turn() -> None:
    session = codec_turns(Turns(1), 0)

    def fail() -> None:
        raise KeyError("a bug")

    for _ in range(2):
        with pytest.raises(KeyError):
            await session.run(0, fail)


@pytest.mark.parametrize(
    ("second", "needed_s"), [(0.0, 0.0), (0.1, 0.0), (6.8, 5.248), (7.2, 5.248), (7.3, 7.296)]
)
def test_audio_is_needed_as_soon_as_the_segment_that_holds_it(
    second: float, needed_s: float
) -> None:
    needed = needed_from(Form(), round(second * 48_000))
    assert needed / 48_000 == pytest.approx(needed_s, abs=0.01)
