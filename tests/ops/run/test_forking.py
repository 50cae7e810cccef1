"""The fork server: it forks what is asked, tells who ended, and is replaced where it dies."""

import asyncio
import contextlib
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import psutil
import pytest

from rhapsode.ops.run import forking
from rhapsode.ops.run.forking import PROGRAM, Forked, ForkServer
from rhapsode.ops.run.log_server import log_server
from rhapsode.ops.settings_reading import read_settings

WaitUntil = Callable[..., Awaitable[None]]
DEADLINE_S = 60.0


@pytest.fixture
async def server() -> AsyncIterator[ForkServer]:
    async with ForkServer() as server:
        yield server


async def forked(server: ForkServer, output: Path, *arguments: str, **variables: str) -> Forked:
    environment = {"PATH": os.environ["PATH"], **variables}
    with output.open("wb") as file:
        return await server.fork(arguments, environment, file.fileno())


@pytest.fixture
async def log_url(tmp_path: Path) -> AsyncIterator[str]:
    async with log_server(read_settings({}, state=tmp_path)) as (reachable, _):
        yield reachable.redis_url


async def a_worker(server: ForkServer, tmp_path: Path, log_url: str) -> Forked:
    """Fork a worker, which runs until it is ended."""
    where = {"RHAPSODE_REDIS_URL": log_url, "RHAPSODE_STATE": str(tmp_path)}
    return await forked(server, tmp_path / "log", "worker", "pack", **where)


def is_gone(pid: int) -> bool:
    """Return whether the process has ended, were it that nobody has asked for its status yet."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def server_process() -> psutil.Process:
    (found,) = [one for one in psutil.Process().children() if PROGRAM in one.cmdline()]
    return found


async def test_a_forked_process_runs_the_command_and_its_status_is_told(
    server: ForkServer, tmp_path: Path
) -> None:
    async with asyncio.timeout(DEADLINE_S):
        good = await forked(server, tmp_path / "good", "--version")
        bad = await forked(server, tmp_path / "bad", "worker", "sing")
        assert (await good.wait(), await bad.wait()) == (0, 1)
    assert (tmp_path / "good").read_text().startswith("rhapsode ")
    assert "'sing' is not a stage" in (tmp_path / "bad").read_text()


async def test_a_forked_process_has_the_environment_that_was_asked_for_and_no_other(
    server: ForkServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RHAPSODE_PORT", "1234")
    async with asyncio.timeout(DEADLINE_S):
        process = await forked(server, tmp_path / "log", "settings", RHAPSODE_NAMESPACE="mine")
        await process.wait()
    told = (tmp_path / "log").read_text().splitlines()
    assert {"RHAPSODE_NAMESPACE=mine", "RHAPSODE_PORT=8080"} <= set(told)


async def test_a_forked_process_is_known_by_its_command_line(
    server: ForkServer, tmp_path: Path, log_url: str, wait_until: WaitUntil
) -> None:
    async with asyncio.timeout(DEADLINE_S):
        process = await a_worker(server, tmp_path, log_url)
    # as `ps` and `pgrep -f` show it
    shown = Path(f"/proc/{process.pid}/cmdline")
    named = "-m rhapsode.ops worker pack"
    await wait_until(lambda: shown.read_text().rstrip("\0").endswith(named))
    process.send_signal(signal.SIGKILL)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL, signal.SIGSTOP])
async def test_a_signal_reaches_a_forked_process(
    server: ForkServer, tmp_path: Path, log_url: str, number: int, wait_until: WaitUntil
) -> None:
    async with asyncio.timeout(DEADLINE_S):
        process = await a_worker(server, tmp_path, log_url)
    process.send_signal(number)
    if number == signal.SIGSTOP:
        stopped = psutil.STATUS_STOPPED
        await wait_until(lambda: psutil.Process(process.pid).status() == stopped)
        process.send_signal(signal.SIGKILL)
        number = signal.SIGKILL
    async with asyncio.timeout(DEADLINE_S):
        assert await process.wait() in {-number, 0}  # it may heed SIGTERM by now
    process.send_signal(number)  # which is nobody's by now


async def test_a_server_that_dies_takes_its_processes_along_and_is_replaced(
    server: ForkServer, tmp_path: Path, log_url: str
) -> None:
    async with asyncio.timeout(DEADLINE_S):
        process = await a_worker(server, tmp_path, log_url)
        server_process().kill()
        assert await process.wait() == -signal.SIGTERM
        assert is_gone(process.pid)
        again = await forked(server, tmp_path / "again", "--version")
        assert await again.wait() == 0


async def test_to_fork_while_the_server_dies_is_an_error_and_not_a_wait_for_ever(
    server: ForkServer, tmp_path: Path
) -> None:
    server_process().send_signal(signal.SIGSTOP)
    asking = asyncio.create_task(forked(server, tmp_path / "log", "--version"))
    await asyncio.sleep(0)
    server_process().kill()
    async with asyncio.timeout(DEADLINE_S):
        with pytest.raises(OSError, match="fork server has ended"):
            await asking


async def test_a_frozen_server_hinders_no_signal_and_no_end_and_is_replaced(
    server: ForkServer, tmp_path: Path, log_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with asyncio.timeout(DEADLINE_S):
        process = await a_worker(server, tmp_path, log_url)
        frozen = server_process()
        frozen.send_signal(signal.SIGSTOP)
        process.send_signal(signal.SIGKILL)
        assert await process.wait() < 0
        monkeypatch.setattr(forking, "FORKS_WITHIN_S", 0.5)
        with pytest.raises(OSError, match="does not answer"):
            await forked(server, tmp_path / "log", "--version")
        monkeypatch.setattr(forking, "FORKS_WITHIN_S", DEADLINE_S)
        while frozen.is_running() and frozen.status() != psutil.STATUS_ZOMBIE:
            await asyncio.sleep(0.01)
        try:
            again = await forked(server, tmp_path / "again", "--version")
        except OSError:  # it was asked before its end was seen
            again = await forked(server, tmp_path / "again", "--version")
        assert await again.wait() == 0


async def test_a_server_that_loads_slowly_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forking, "FORKS_WITHIN_S", 0.5)  # to load takes longer
    monkeypatch.setattr(forking, "STARVED_S", 0.0)
    async with asyncio.timeout(DEADLINE_S), ForkServer() as server:
        process = await forked(server, tmp_path / "log", "--version")
        assert await process.wait() == 0


async def test_a_process_that_heeds_no_end_of_its_server_is_killed(
    server: ForkServer, tmp_path: Path, log_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forking, "ENDS_WITHIN_S", 0.5)
    async with asyncio.timeout(DEADLINE_S):
        process = await a_worker(server, tmp_path, log_url)
        process.send_signal(signal.SIGSTOP)
        server_process().kill()
        assert await process.wait() < 0
    assert is_gone(process.pid)


async def test_a_server_is_gone_though_what_it_has_just_forked_still_holds_its_socket(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held: list[socket.socket] = []
    make_pair = socket.socketpair

    def pair(*kind: int) -> tuple[socket.socket, socket.socket]:
        ours, theirs = make_pair(*kind)
        held.append(theirs.dup())
        return ours, theirs

    monkeypatch.setattr(socket, "socketpair", pair)
    async with asyncio.timeout(DEADLINE_S), ForkServer() as server:
        server_process().send_signal(signal.SIGSTOP)
        asking = asyncio.create_task(forked(server, tmp_path / "log", "--version"))
        await asyncio.sleep(0)
        server_process().kill()
        with pytest.raises(OSError, match="fork server has ended"):
            await asking
    for each in held:
        each.close()


async def test_who_no_longer_waits_leaves_no_process_behind(
    server: ForkServer, tmp_path: Path, log_url: str, wait_until: WaitUntil
) -> None:
    asking = asyncio.create_task(a_worker(server, tmp_path, log_url))
    await asyncio.sleep(0)
    asking.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await asking
    async with asyncio.timeout(DEADLINE_S):
        await (await forked(server, tmp_path / "next", "--version")).wait()
    await wait_until(lambda: not server_process().children())


async def test_processes_end_with_the_context(
    tmp_path: Path, log_url: str, wait_until: WaitUntil
) -> None:
    async with asyncio.timeout(DEADLINE_S), ForkServer() as server:
        process = await a_worker(server, tmp_path, log_url)
    await wait_until(lambda: is_gone(process.pid))


async def test_processes_end_when_the_server_and_its_client_are_killed_at_once(
    tmp_path: Path, log_url: str, wait_until: WaitUntil
) -> None:
    code = f"""
import asyncio, os, sys
from rhapsode.ops.run.forking import ForkServer
async def main():
    async with ForkServer() as server:
        where = {{"RHAPSODE_REDIS_URL": "{log_url}", "RHAPSODE_STATE": "{tmp_path}"}}
        one = await server.fork(("worker", "pack"), where, sys.stderr.fileno())
        print(one.pid, flush=True)
        await one.wait()
asyncio.run(main())
"""
    client = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        code,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    assert client.stdout is not None
    async with asyncio.timeout(DEADLINE_S):
        pid = int(await client.stdout.readline())
    server = psutil.Process(psutil.Process(pid).ppid())
    client.kill()
    server.kill()
    await client.wait()
    await wait_until(lambda: is_gone(pid))
