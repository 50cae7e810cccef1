"""A log out of reach is complained of at once and then now and then, however many wait for it."""

import asyncio

import pytest
from structlog.testing import capture_logs

import rhapsode.topologies.engine.patience
from rhapsode.storage.log import UnreachableError
from rhapsode.topologies.engine.patience import TELL_EVERY_S, Complaints, Patience


class AwayTwice:
    """A question that is answered when it is asked for the third time."""

    asked = 0

    async def __call__(self) -> str:
        self.asked += 1
        if self.asked < 3:
            raise UnreachableError("away")
        return "there"


def test_what_many_wait_for_is_said_once_in_ten_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    now_s = 100.0
    monkeypatch.setattr(rhapsode.topologies.engine.patience, "monotonic", lambda: now_s)
    complaints = Complaints()
    with capture_logs() as told:
        for _ in range(40):
            complaints.say("heartbeat failed", OSError("no route"))
            complaints.say("log out of reach", OSError("no route"))
        now_s += TELL_EVERY_S
        complaints.say("heartbeat failed", OSError("still none"))
    assert [(one["event"], one["why"]) for one in told] == [
        ("heartbeat failed, trying again", "no route"),
        ("log out of reach, trying again", "no route"),
        ("heartbeat failed, trying again", "still none"),
    ]


async def test_a_server_that_hangs_keeps_no_app_that_stops(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(rhapsode.topologies.engine.patience, "STOPPING_S", 0.05)

    async def hang() -> None:
        await asyncio.Event().wait()

    async with asyncio.timeout(10):
        with pytest.raises(UnreachableError, match="of the stop"):
            await Patience(lambda: True).ask(hang)


async def test_all_that_is_asked_while_an_app_stops_is_waited_for_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(rhapsode.topologies.engine.patience, "STOPPING_S", 1.0)
    monkeypatch.setattr(rhapsode.topologies.engine.patience, "LAST_QUESTION_S", 0.01)
    patience = Patience(lambda: True)

    async def hang() -> None:
        await asyncio.Event().wait()

    async with asyncio.timeout(20):  # each by itself would be waited for a second
        for _ in range(60):
            with pytest.raises(UnreachableError, match="of the stop"):
                await patience.ask(hang)


async def test_an_app_that_is_started_again_is_as_patient_as_before(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(rhapsode.topologies.engine.patience, "STOPPING_S", 0.0)
    stops = True
    patience = Patience(lambda: stops)
    assert patience.left_s() is not None
    stops = False
    assert await patience.ask(AwayTwice()) == "there"


async def test_what_was_asked_before_the_stop_is_not_waited_for_longer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(rhapsode.topologies.engine.patience, "STOPPING_S", 0.05)
    stops = False
    patience = Patience(lambda: stops)
    asked = asyncio.Event()

    async def hang() -> None:
        asked.set()
        await asyncio.Event().wait()

    asking = asyncio.ensure_future(patience.ask(hang))
    await asked.wait()
    patience.hurry()  # nothing stops yet
    stops = True
    patience.hurry()
    async with asyncio.timeout(10):
        with pytest.raises(UnreachableError, match="of the stop"):
            await asking


async def test_what_is_out_of_reach_is_asked_again_for_a_while_after_the_stop() -> None:
    assert await Patience(lambda: True).ask(AwayTwice()) == "there"
