"""Turns go to whose listener would run dry first, and none is lost."""

import asyncio
import time
from itertools import count

import pytest
from standins.waiting import until

import rhapsode.agents.turns
from rhapsode.agents.turns import NOW, Due, Turns


async def settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


class Queue:
    """People who wait for a turn and hold it until they are told to go."""

    def __init__(self, at_once: int) -> None:
        self.turns = Turns(at_once)
        self.holding: list[str] = []
        self.had: list[str] = []
        self.gates: dict[str, asyncio.Event] = {}
        self.tasks: dict[str, asyncio.Task[None]] = {}

    async def join(self, name: str, place: int) -> None:
        self.gates[name] = asyncio.Event()
        self.tasks[name] = asyncio.create_task(self._wait(name, place))
        await settle()

    async def _wait(self, name: str, place: int) -> None:
        async with self.turns.take(Due(place)):
            self.holding.append(name)
            self.had.append(name)
            try:
                await self.gates[name].wait()
            finally:
                self.holding.remove(name)

    async def leave(self, name: str) -> None:
        self.gates[name].set()
        await settle()


async def test_no_more_hold_a_turn_at_once_than_there_are() -> None:
    queue = Queue(2)
    for name in "abc":
        await queue.join(name, 0)
    assert queue.holding == ["a", "b"]
    await queue.leave("a")
    assert queue.holding == ["b", "c"]


async def test_the_lowest_place_goes_first_and_equals_in_order_of_arrival() -> None:
    queue = Queue(1)
    await queue.join("first", 9)
    for name, place in (("late", 7), ("early", 1), ("too", 7), ("next", 3)):
        await queue.join(name, place)
    for name in ("first", "early", "next", "late", "too"):
        assert queue.holding == [name]
        await queue.leave(name)
    assert queue.holding == []


async def test_who_is_cancelled_while_waiting_takes_no_turn() -> None:
    queue = Queue(1)
    await queue.join("a", 0)
    await queue.join("gone", 1)
    await queue.join("b", 2)
    queue.tasks["gone"].cancel()
    await settle()
    await queue.leave("a")
    assert queue.had == ["a", "b"]
    await queue.leave("b")
    await queue.join("c", 0)
    assert queue.holding == ["c"]


async def test_a_turn_given_to_one_who_is_cancelled_at_that_moment_goes_on() -> None:
    queue = Queue(1)
    await queue.join("a", 0)
    await queue.join("gone", 1)
    await queue.join("b", 2)
    queue.gates["a"].set()
    while queue.holding:  # until the turn was passed on, and not a step longer
        await asyncio.sleep(0)
    queue.tasks["gone"].cancel()
    await settle()
    assert queue.had == ["a", "b"]


async def test_a_turn_comes_back_from_one_who_fails() -> None:
    turns = Turns(1)
    with pytest.raises(KeyError):
        async with turns.take():
            raise KeyError("a bug")
    async with asyncio.timeout(5), turns.take():
        pass


class Held:
    """Turns that are held, in order, until all are let go of."""

    def __init__(self, turns: Turns) -> None:
        self.turns = turns
        self.names: list[str] = []
        self.tasks: list[asyncio.Task[None]] = []
        self.leave = asyncio.Event()

    async def ask(self, name: str, due: Due) -> None:
        self.tasks.append(asyncio.create_task(self._hold(name, due)))
        await settle()

    async def _hold(self, name: str, due: Due) -> None:
        async with self.turns.take(due):
            self.names.append(name)
            await self.leave.wait()

    async def end(self) -> None:
        self.leave.set()
        await asyncio.gather(*self.tasks)


async def test_who_is_in_no_haste_leaves_a_turn_for_who_is() -> None:
    held = Held(Turns(2, kept=1))
    now_s = time.time()
    await held.ask("lazy", Due(now_s + 100))
    await held.ask("lazier", Due(now_s + 101))
    assert held.names == ["lazy"]
    await held.ask("urgent", Due(now_s))
    assert held.names == ["lazy", "urgent"]
    await held.end()
    assert held.names == ["lazy", "urgent", "lazier"]


async def test_a_session_that_starts_comes_between_who_would_run_dry_and_who_is_well_ahead() -> (
    None
):
    held = Held(Turns(1))
    now_s = time.time()
    await held.ask("holds it", NOW)
    await held.ask("well ahead", Due(now_s + 60))
    await held.ask("starts second", Due(now_s, starts=True))
    await held.ask("starts first", Due(now_s - 30, starts=True))
    await held.ask("soon dry", Due(now_s + 0.1))
    await held.end()
    assert held.names == ["holds it", "soon dry", "starts first", "starts second", "well ahead"]


async def test_nothing_that_can_wait_begins_while_a_session_starts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(rhapsode.agents.turns, "QUIET_S", 0.05)
    turns = Turns(3)
    starts, others = Held(turns), Held(turns)
    now_s = time.time()
    await starts.ask("starts", Due(now_s, starts=True))
    await others.ask("can wait", Due(now_s + 60))
    await others.ask("would run dry", Due(now_s))
    assert others.names == ["would run dry"]
    await starts.end()
    await settle()
    assert others.names == ["would run dry"]  # the session's next stage is about to work
    await until(lambda: others.names == ["would run dry", "can wait"])
    await others.end()


async def test_the_longer_a_turn_takes_the_sooner_it_is_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seconds = iter((0.0, 3.0))
    monkeypatch.setattr(rhapsode.agents.turns, "monotonic", lambda: next(seconds, 3.0))
    turns = Turns(1)
    async with turns.take():
        pass  # for three seconds
    held = Held(turns)
    now_s = time.time()
    await held.ask("holds it", NOW)
    await held.ask("starts", Due(now_s, starts=True))
    await held.ask("dry in ten seconds", Due(now_s + 10))
    await held.ask("dry in four seconds", Due(now_s + 4))
    await held.end()
    assert held.names == ["holds it", "dry in four seconds", "starts", "dry in ten seconds"]


async def test_who_has_just_begun_may_be_back_before_the_next_one_starts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seconds = count()
    monkeypatch.setattr(rhapsode.agents.turns, "monotonic", lambda: next(seconds))
    turns = Turns(1, reserved_s=0.2)
    begun, others = Held(turns), Held(turns)
    now_s = time.time()
    await begun.ask("first", Due(now_s - 2, starts=True))
    await others.ask("second", Due(now_s - 1, starts=True))
    await begun.end()
    await settle()
    assert others.names == []
    await others.ask("first again", Due(now_s + 1))
    assert others.names == ["first again"]
    await others.end()
    assert others.names == ["first again", "second"]


async def test_a_turn_that_nobody_comes_back_for_is_the_next_ones(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # a timer may come before its time by the clock: nobody else would wake who waits
    monkeypatch.setattr(rhapsode.agents.turns, "time", lambda: 1_000.0)
    seconds = count()
    monkeypatch.setattr(rhapsode.agents.turns, "monotonic", lambda: next(seconds))
    turns = Turns(1, reserved_s=0.05)
    begun, others = Held(turns), Held(turns)
    await begun.ask("first", Due(0, starts=True))
    await others.ask("second", Due(1, starts=True))
    await begun.end()
    await until(lambda: others.names == ["second"])
    await others.end()


async def test_who_has_held_turns_for_long_is_due_later_and_not_for_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now_s = 1000.0
    monkeypatch.setattr(rhapsode.agents.turns, "monotonic", lambda: now_s)
    turns = Turns(1)
    had: list[str] = []

    async def hold(session: str, at_s: float, held_s: float = 0.0) -> None:
        nonlocal now_s
        async with turns.take(Due(at_s, session=session)):
            had.append(session)
            now_s += held_s

    async def race() -> list[str]:
        had.clear()
        first = asyncio.create_task(hold("nobody", 0.0))
        await settle()
        async with turns.take(Due(-1.0)):
            others = [
                asyncio.create_task(hold("greedy", 0.0)),
                asyncio.create_task(hold("other", 10.0)),
            ]
            await settle()
        await asyncio.gather(first, *others)
        return had[1:]

    assert await race() == ["greedy", "other"]
    await hold("greedy", 0.0, held_s=9.0)
    assert await race() == ["other", "greedy"], "it held the turn for 9 s"
    now_s += 30.0
    assert await race() == ["greedy", "other"], "that was long ago"
