"""The supervisor: children die and are started again, what they print is passed on."""

import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import httpx
import pytest
from ports import free_port

from rhapsode.ops.run.forking import ForkServer
from rhapsode.ops.run.log_server import log_server
from rhapsode.ops.run.supervisor import Supervisor
from rhapsode.ops.run.up import StartFailedError, wait_until_ready
from rhapsode.ops.settings import Settings
from rhapsode.ops.settings_reading import read_settings

WaitUntil = Callable[..., Awaitable[None]]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return read_settings({}, state=tmp_path, port=free_port())


@pytest.fixture
async def fork_server() -> AsyncIterator[ForkServer]:
    async with ForkServer() as server:
        yield server


@pytest.fixture
async def supervisor(
    settings: Settings, fork_server: ForkServer, tmp_path: Path
) -> AsyncIterator[Supervisor]:
    supervisor = Supervisor(settings, fork_server, logs=tmp_path / "log")
    yield supervisor
    await supervisor.stop()


async def test_a_child_that_keeps_ending_stops_the_start_with_its_last_words(
    settings: Settings, supervisor: Supervisor, tmp_path: Path
) -> None:
    supervisor.add("singer", "worker", "sing")
    with pytest.raises(StartFailedError) as caught:
        await wait_until_ready(settings, supervisor, lambda _: None)
    assert "the process 'singer' ended 3 times in a row" in str(caught.value)
    assert "'sing' is not a stage" in str(caught.value)
    assert "'sing' is not a stage" in (tmp_path / "log" / "singer.log").read_text()


async def test_what_children_print_is_passed_on_under_their_name(
    settings: Settings,
    fork_server: ForkServer,
    wait_until: WaitUntil,
    capfd: pytest.CaptureFixture[str],
) -> None:
    supervisor = Supervisor(settings, fork_server)
    child = supervisor.add("versions", "--version")
    try:
        await wait_until(lambda: child.tail, 30)
    finally:
        await supervisor.stop()
    printed = ""

    def passed_on() -> bool:
        nonlocal printed
        printed += capfd.readouterr().err
        return "versions | rhapsode " in printed

    await wait_until(passed_on)


async def test_a_child_that_is_killed_is_started_again(
    supervisor: Supervisor, wait_until: WaitUntil
) -> None:
    child = supervisor.add("gateway", "gateway")
    await wait_until(lambda: child.process is not None)
    assert child.process is not None
    first = child.process.pid
    os.kill(first, signal.SIGKILL)
    await wait_until(lambda: child.process is not None and child.process.pid != first)
    assert child.restarts == 1


async def test_a_child_that_is_killed_at_work_has_not_failed(
    settings: Settings, fork_server: ForkServer, wait_until: WaitUntil
) -> None:
    async with log_server(settings) as (reachable, _):
        supervisor = Supervisor(reachable, fork_server, logs=settings.state / "log")
        try:
            await kill_at_work(supervisor, settings, wait_until)
        finally:
            await supervisor.stop()


async def kill_at_work(supervisor: Supervisor, settings: Settings, wait_until: WaitUntil) -> None:
    child = supervisor.add("gateway", "gateway")

    def answers() -> bool:
        try:
            return httpx.get(
                f"http://127.0.0.1:{settings.port}/metrics", trust_env=False
            ).is_success
        except httpx.TransportError:
            return False

    for kill in range(3):
        await wait_until(answers, 30)
        assert child.process is not None
        killed = child.process.pid
        os.kill(killed, signal.SIGKILL)
        await wait_until(
            lambda killed=killed: child.process is not None and child.process.pid != killed
        )
        assert (child.restarts, child.failures) == (kill + 1, 0)


async def test_settings_reach_the_children_and_the_surroundings_do_not(
    supervisor: Supervisor,
    settings: Settings,
    wait_until: WaitUntil,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("RHAPSODE_INSTANCE", "another")
    child = supervisor.add("settings", "settings", metrics_port=1234)
    await wait_until(lambda: child.restarts, 30)
    told = (settings.state / "log" / "settings.log").read_text().splitlines()
    assert {
        f"RHAPSODE_STATE={settings.state}",
        "RHAPSODE_METRICS_PORT=1234",
        "RHAPSODE_INSTANCE=",
    } <= set(told)
