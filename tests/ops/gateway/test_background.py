"""A bug in what the gateway does beside requests interrupts that, is told, and ends nothing."""

import asyncio
from pathlib import Path

import httpx
import pytest

from rhapsode.codecs.records import Event
from rhapsode.ops.gateway import background as background_module
from rhapsode.ops.gateway.app import gateway
from rhapsode.ops.gateway.background import Background
from rhapsode.ops.gateway.follower import Follower
from rhapsode.ops.gateway.pump import Pump
from rhapsode.ops.progress import Progress
from rhapsode.ops.services import Services
from rhapsode.ops.settings_reading import read_settings
from rhapsode.storage.memory.log import MemoryLog
from rhapsode.topologies.testing import InMemorySystem


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(background_module, "AGAIN_FIRST_S", 0.001)


async def test_work_that_a_bug_ends_is_begun_again_and_told_of() -> None:
    begun: list[int] = []
    third = asyncio.Event()

    async def work() -> None:
        begun.append(len(begun))
        if len(begun) < 3:
            raise ZeroDivisionError("a bug")
        third.set()
        await asyncio.Event().wait()

    background = Background("counting")
    assert background.failure == ""
    async with background.running(work):
        await asyncio.wait_for(third.wait(), 10)
        assert begun == [0, 1, 2]
        assert background.failure == "counting: ZeroDivisionError('a bug')"


async def test_leaving_ends_work_also_between_two_tries() -> None:
    background = Background("failing")

    async def work() -> None:
        raise ZeroDivisionError

    async with background.running(work):
        async with asyncio.timeout(10):
            while not background.failure:
                await asyncio.sleep(0)
    assert background.failure


async def test_an_event_that_shows_a_bug_does_not_stop_those_behind_it() -> None:
    system = InMemorySystem(log=MemoryLog())
    await system.declare()
    for session in ("odd", "s"):
        await system.describe(session)
    follower = Follower(system.journal)

    def measure(_: Progress, event: Event) -> None:
        if event.session == "odd":
            raise ZeroDivisionError

    follower.on_event.append(measure)
    async with follower.running():
        changed = follower.next_change("s")
        for session in ("odd", "s"):
            event = Event(session=session, stage="publish", seq=0, kind="segment", count=1)
            await system.append([event])
        assert await follower.wait(changed, 10.0)
        assert follower.background.failure == "following the log: ZeroDivisionError()"


async def test_health_tells_what_a_bug_has_interrupted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed = asyncio.Event()

    async def broken(_: Pump, _timeout_s: float) -> int:
        failed.set()
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr(Pump, "pump_once", broken)
    services = Services(read_settings({}, state=tmp_path, redis_url="memory://"))
    app = gateway(services)
    transport = httpx.ASGITransport(app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8080") as client,
    ):
        await asyncio.wait_for(failed.wait(), 10)
        answer = await client.get("/healthz")
    assert answer.status_code == 503
    assert answer.json()["status"] == "failing"
    assert (
        "taking entries from the ingress key in:text: ZeroDivisionError('a bug')"
        in answer.json()["error"]
    )
