"""The whole product behind Sentinels and on a Cluster: masters die in the middle of a story."""

import asyncio
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from os import environ
from pathlib import Path

import pytest
from cluster import Cluster
from ports import free_port
from sentinels import Deployment
from standins.waiting import until
from system import Running, rhapsode

from rhapsode.storage.log import Log, NewEntry, UnreachableError
from rhapsode.storage.opening import open_log
from rhapsode.storage.redis.keys import Keys

STORY = "The lighthouse keeper climbed the stairs, and counted them, as he did every night. " * 40
PARTITIONS = 4
FOREIGN = Path(__file__).parents[1] / "chaos" / "storm" / "foreign.py"


@pytest.fixture(params=["sentinels", "cluster"])
def deployment(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Deployment | Cluster]:
    folder, password = tmp_path / "servers", "failover-test-7733"
    deployment = (
        Deployment(folder, password)
        if request.param == "sentinels"
        else Cluster(folder, password, replicas=True)
    )
    try:
        deployment.start()
        yield deployment
    finally:
        deployment.stop()


def disturb(deployment: Deployment | Cluster) -> None:
    """Have every master die, one after another; on a Cluster each partition moves before."""
    if isinstance(deployment, Deployment):
        deployment.fail_over()
        return
    for number in range(PARTITIONS):
        key = Keys("rhapsode").epochs(number)
        deployment.move(key, (deployment.master_of(key) + 1) % 3)
    for number in range(3):
        deployment.fail_over(number)


async def forwarded(log: Log, count: int) -> bool:
    try:
        spans = [await log.span("forwarded", number) for number in range(PARTITIONS)]
    except UnreachableError:
        return False
    return sum(span.next for span in spans) >= count


async def sent(log: Log, value: bytes) -> bool:
    try:
        await log.append("numbers", 1, [NewEntry(b"p1", value)])
    except UnreachableError:
        return False
    return True


def wait_for(condition: Callable[[], object]) -> None:
    end_s = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end_s
        time.sleep(0.02)


@pytest.mark.timeout(240)
def test_a_story_goes_on_behind_a_failover_and_every_byte_is_derived_from_the_log(
    deployment: Deployment | Cluster, tmp_path: Path
) -> None:
    state, port = tmp_path / "state", free_port()
    variables = {"state": str(state), "port": str(port), "voices": "espeak"}
    variables |= {"redis_url": deployment.url, "partitions": str(PARTITIONS)}
    system = Running(state, port, variables)
    system.spawn("up", "up")
    try:
        system.wait_ready()
        session = system.start(STORY)
        wait_for(lambda: system.progress(session).get("segments"))
        disturb(deployment)
        progress = system.wait_finished(session, 120.0)
        assert (progress["state"], progress["error"]) == ("SUCCESS", "")
        verified = rhapsode("replay", session, "--verify", **system.variables)
        assert verified.returncode == 0, verified.stdout + verified.stderr
    finally:
        system.stop()
    assert "failover-test-7733" not in system.logs()


@pytest.mark.timeout(120)
async def test_a_faust_app_finds_the_new_masters_by_its_broker_urls(
    deployment: Deployment | Cluster, tmp_path: Path
) -> None:
    log, _ = open_log(deployment.url, "rhapsode")
    for topic in ("numbers", "forwarded"):
        await log.declare(topic, PARTITIONS)
    output = tmp_path / "foreign.log"
    with output.open("wb") as file:
        worker = subprocess.Popen(  # noqa: ASYNC220 - it only starts it
            [sys.executable, str(FOREIGN), "--datadir", str(tmp_path), "worker", "--without-web"],
            env=environ | {"BROKER_URL": deployment.broker_urls},
            stdout=file,
            stderr=file,
        )
    try:
        await log.append("numbers", 1, [NewEntry(b"p1", b"0")])
        await until(lambda: forwarded(log, 1), 40.0)
        await asyncio.to_thread(disturb, deployment)
        await until(lambda: sent(log, b"1"), 40.0)
        await until(lambda: forwarded(log, 2), 40.0)
        assert worker.poll() is None, output.read_text()
        assert "failover-test-7733" not in output.read_text()
    finally:
        worker.kill()
        worker.wait()
        await log.close()
