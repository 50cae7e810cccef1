"""Accidents at the log's server: other sessions go on, or everything begins anew."""

import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import httpx
import psutil
import pytest
from broker import Broker
from system import Running, rhapsode, running

from rhapsode.codecs.records import TOPICS
from rhapsode.storage.log import partition_of

pytestmark = pytest.mark.timeout(180)
PARTITIONS = 8
TEXT = "One sentence. And another one."


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    broker = Broker(tmp_path / "broker", "accident-4471")
    try:
        broker.start()
        yield broker
    finally:
        broker.kill()


@pytest.fixture
def system(broker: Broker, tmp_path: Path) -> Iterator[Running]:
    with running(tmp_path / "state", redis_url=broker.url) as system:
        yield system


def test_after_the_log_was_emptied_everything_begins_anew(broker: Broker, system: Running) -> None:
    for number in range(3):
        system.start(f"A long story, number {number}. " + TEXT * 40)
    before = at_work(system)
    with broker.client() as client:
        client.flushall()
    end_s = time.monotonic() + 60
    while True:
        assert time.monotonic() < end_s, system.logs()
        try:
            session = system.start(TEXT)
            if system.wait_finished(session, 5.0)["state"] == "SUCCESS":
                break
        except (AssertionError, httpx.TransportError, KeyError):
            continue  # what was accepted by a process that is about to end is gone with the log
    while "the log was emptied" not in system.logs():  # a text may be done before that is noticed
        assert time.monotonic() < end_s, system.logs()
        time.sleep(0.05)
    while at_work(system) & before:  # each looks for itself
        assert time.monotonic() < end_s, system.logs()
        time.sleep(0.05)
    system.wait_ready()
    for _ in range(5):
        assert system.wait_finished(system.start(TEXT), 30.0)["state"] == "SUCCESS"


def at_work(system: Running) -> set[int]:
    """Return the process ids of gateway and workers."""
    everyone = psutil.Process(system.processes["up"].pid).children(recursive=True)
    found: set[int] = set()
    for process in everyone:
        with suppress(psutil.NoSuchProcess):
            if " rhapsode.ops " in " ".join(process.cmdline()):
                found.add(process.pid)
    return found


def test_a_foreign_entry_in_one_stream_holds_up_its_partition_alone(
    broker: Broker, system: Running
) -> None:
    with broker.client() as client:
        client.xadd("{rhapsode:3}:log:chunk", {"x": "y"})
    others_finish(system, 8)
    assert "Foreign programs write to the ingress key" in system.logs()
    assert "crashed" not in system.logs()


def test_foreign_entries_in_all_streams_of_a_partition_hold_up_no_start(
    broker: Broker, tmp_path: Path
) -> None:
    with broker.client() as client:
        for topic in TOPICS:
            client.xadd(f"{{rhapsode:3}}:log:{topic}", {"x": "y"})
    with running(tmp_path / "state", redis_url=broker.url) as system:
        others_finish(system, 4)
        for command in (("topics",), ("dead", "ls"), ("records", "event")):
            done = rhapsode(*command, state=str(tmp_path / "state"), redis_url=broker.url)
            assert done.returncode == 0, done.stderr
        assert "Traceback" not in system.logs()


def others_finish(system: Running, count: int) -> None:
    """Have that many sessions said of which nothing lies in the partition that stands still."""
    finished = 0
    while finished < count:
        session = system.start(TEXT)
        # some of its chunks may lie there, too
        numbers = {partition_of(key.encode(), PARTITIONS) for key in (session, f"{session}/0")}
        if 3 not in numbers:
            assert system.wait_finished(session, 30.0)["state"] == "SUCCESS"
            finished += 1
