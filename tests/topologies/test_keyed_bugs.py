"""A bug ends one session, with its reason and a dead letter, and stops nobody else."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

import pytest

from rhapsode.agents.journal import Description, Journal
from rhapsode.codecs.records import Item, Passage, SequenceRecord
from rhapsode.storage.log import ForgottenError, UnusableServerError
from rhapsode.storage.objects.store import ObjectsRefusedError
from rhapsode.topologies import keyed_runner
from rhapsode.topologies.keyed_runner import BUG_TRIES
from rhapsode.topologies.stage import Agent, Outputs

from .runner_bench import Bench, bench_with, passage, text, until


@dataclass
class Buggy:
    """Echoes each item of its session, but for those that say what is to be raised."""

    raised: dict[str, Exception]
    times: int = 1_000
    reasons: list[str] = field(default_factory=list[str])
    ending: Callable[[str], tuple[SequenceRecord, ...]] = lambda _: ()

    async def __call__(self, session: Description, items: AsyncIterator[Item]) -> Outputs:
        async for item in items:
            if item.text in self.raised and self.times:
                self.times -= 1
                raise self.raised[item.text]
            yield passage(item, item.seq, item.text)

    async def given_up(
        self, session: Description, record: Item, reason: str
    ) -> tuple[SequenceRecord, ...]:
        self.reasons.append(f"{record.text}: {reason}")
        return self.ending(session.session)


def build(agent: Agent) -> Callable[[Journal], Agent]:
    return lambda _: agent


async def offered(bench: Bench, *words: str, session: str = "a") -> None:
    for seq, word in enumerate(words):
        await bench.offer(seq, text(session, word, seq), session)
    await until(lambda: len(bench.done) == len(words))


async def test_a_bug_is_tried_once_more_before_its_record_is_given_up() -> None:
    agent = Buggy({"two": KeyError("a bug")}, times=1)
    async with bench_with(build(agent)) as bench:
        await offered(bench, "one", "two", "three")
        assert [found.text for found in await bench.passages()] == ["one", "two", "three"]
        assert not await bench.letters()
    assert (bench.troubles, agent.reasons) == (["bug"], [])


async def test_records_of_a_session_that_was_deleted_are_passed_over() -> None:
    agent = Buggy({"two": ForgottenError("deleted")})
    async with bench_with(build(agent)) as bench:
        await offered(bench, "one", "two")
        assert [found.text for found in await bench.passages()] == ["one"]
        assert not await bench.letters()
    assert (bench.troubles, agent.reasons) == ([], [])


async def test_a_bug_ends_its_session_with_the_reason_and_its_traceback_is_in_the_letter() -> None:
    def ending(session: str) -> tuple[SequenceRecord, ...]:
        return (Passage(session=session, seq=1, item=1, last=True, error="ended"),)

    agent = Buggy({"two": KeyError("a bug")}, ending=ending)
    async with bench_with(build(agent)) as bench:
        await offered(bench, "one", "two")
        assert [found.error for found in await bench.passages()] == ["", "ended"]
        (letter,) = await bench.letters()
    assert agent.reasons == ["two: a bug in the stage test (KeyError)"]
    assert "KeyError: 'a bug'" in letter.reason
    assert "in __call__" in letter.reason
    assert bench.troubles == ["bug"] * BUG_TRIES + ["dead-letter"]
    assert len(bench.bugs) == BUG_TRIES


async def test_a_bug_of_one_session_is_not_noticed_by_another() -> None:
    agent = Buggy({"two": KeyError("a bug")})
    async with bench_with(build(agent), sessions=("a", "b")) as bench:
        await bench.offer(7, text("a", "two"), "a")
        await bench.offer(8, text("b", "fine"), "b")
        await until(lambda: sorted(bench.done) == [7, 8])
        assert [found.text for found in await bench.passages("b")] == ["fine"]


async def test_a_bug_in_giving_up_leaves_the_dead_letter() -> None:
    def ending(session: str) -> tuple[SequenceRecord, ...]:
        raise RuntimeError("another bug")

    agent = Buggy({"two": KeyError("a bug")}, ending=ending)
    async with bench_with(build(agent)) as bench:
        await bench.offer(0, text(words="two"))
        await until(lambda: bench.done == [0])
        (letter,) = await bench.letters()
    assert "KeyError" in letter.reason
    assert len(agent.reasons) == 1


async def test_an_agent_that_cannot_end_its_sessions_loses_one_record() -> None:
    class Plain:
        async def __call__(self, session: Description, items: AsyncIterator[Item]) -> Outputs:
            async for item in items:
                if item.text == "two":
                    raise KeyError("a bug")
                yield passage(item, min(item.seq, 1), item.text)

    async with bench_with(build(Plain())) as bench:
        await offered(bench, "one", "two", "three")
        assert [found.text for found in await bench.passages()] == ["one", "three"]
        assert len(await bench.letters()) == 1


async def test_whoever_ended_the_session_first_is_right() -> None:
    agent = Buggy({"two": KeyError("a bug")})

    async with bench_with(build(agent)) as bench:
        await bench.journal.append(Passage(session="a", seq=0, item=0, text="x"))

        def ending(session: str) -> tuple[SequenceRecord, ...]:
            if len(agent.reasons) > 1:
                return ()  # it has looked again
            return (Passage(session=session, seq=0, item=0, last=True, error="ended"),)

        agent.ending = ending
        await bench.offer(0, text(words="two"))
        await until(lambda: bench.done == [0])
        assert [found.text for found in await bench.passages()] == ["x"]
    assert bench.troubles == ["bug", "bug", "reload", "dead-letter"]


@pytest.mark.parametrize(
    "error", [UnusableServerError("out of memory"), ObjectsRefusedError("no rights")]
)
async def test_a_server_that_is_full_or_refuses_is_tried_again(error: Exception) -> None:
    agent = Buggy({"two": error}, times=2)
    async with bench_with(build(agent)) as bench:
        await offered(bench, "one", "two")
        assert not await bench.letters()
    assert bench.troubles == ["retry", "retry"]


async def test_what_stays_unreachable_ends_its_session_in_the_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(keyed_runner, "RETRY_PATIENCE_S", 0.0)
    agent = Buggy({"two": ConnectionError("no voice today")})
    async with bench_with(build(agent)) as bench:
        await bench.offer(0, text(words="two"))
        await until(lambda: bench.done == [0])
    assert agent.reasons == ["two: unreachable for 0 s: no voice today"]
