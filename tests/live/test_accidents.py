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
        time.sleep(0.05)  # a look into a file, until the deadline above
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
    stuck = started_in(system, {3}, TEXT)
    mended = rhapsode("mend", state=str(system.state), redis_url=broker.url)
    assert "1 put aside" in mended.stdout, mended.stderr
    assert system.wait_finished(stuck)["state"] == "SUCCESS"
    verified = rhapsode("replay", stuck, "--verify", **system.variables)
    assert verified.returncode == 0, verified.stderr


def test_a_key_of_another_type_holds_up_its_partition_alone(
    broker: Broker, system: Running
) -> None:
    while partition_of(f"{(session := system.start(TEXT))}/0".encode(), PARTITIONS) != 3:
        cancel(system, session)
    assert system.wait_finished(session)["state"] == "SUCCESS"
    with broker.client() as client:
        client.rename("{rhapsode:3}:log:chunk", "{rhapsode:3}:put-away")
        client.set("{rhapsode:3}:log:chunk", "theirs")
        others_finish(system, 8)
        client.rename("{rhapsode:3}:put-away", "{rhapsode:3}:log:chunk")
    assert "Traceback" not in system.logs()


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


def test_who_stands_still_holds_up_nobody_in_line(broker: Broker, tmp_path: Path) -> None:
    state, url = tmp_path / "state", broker.url
    with running(state, redis_url=url, most_sessions="1") as system, broker.client() as client:
        long = started_in(system, {0, 1, 2, 4, 5, 6, 7}, TEXT * 200)
        stuck = started_in(system, {3}, TEXT)
        client.xadd("{rhapsode:3}:log:admission", {"x": "y"})
        client.xadd("{rhapsode:3}:log:control", {"x": "y"})
        cancel(system, long)
        others_finish(system, 3)
        assert system.progress(stuck)["state"] == "PENDING"
        assert "Traceback" not in system.logs()


def started_in(system: Running, partitions: set[int], text: str) -> str:
    """Begin sessions until one lies in one of the partitions; cancel the others."""
    while partition_of((session := system.start(text)).encode(), PARTITIONS) not in partitions:
        cancel(system, session)
    return session


def cancel(system: Running, session: str) -> None:
    answer = httpx.post(f"{system.url}/v1/sessions/{session}/cancel", trust_env=False, timeout=10)
    assert answer.is_success, answer.text


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
