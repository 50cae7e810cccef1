"""Things go wrong while sessions run: they end whole, and the others never notice."""

import asyncio
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import msgspec
import psutil
import pytest
from aiokafka.coordinator.protocol import ConsumerProtocolMemberAssignment
from broker import Broker
from standins.faults import Fault
from standins.openai_server import openai_standin
from system import Running, rhapsode, running

from rhapsode.codecs.encoding import decode, encode
from rhapsode.codecs.records import TOPICS, DeadLetter, SequenceRecord
from rhapsode.ops.run.forking import PROGRAM
from rhapsode.ops.tools.stories import story
from rhapsode.storage.log import Log, NewEntry, partition_of
from rhapsode.storage.opening import open_log
from rhapsode.topologies.registry import STAGE_NAMES, STAGES, processes

pytestmark = pytest.mark.timeout(120)
PASSWORD = "broker-password-8812"
ALWAYS_WRITTEN = ["session", "text", "chunk", "speech", "audio-frame", "segment", "event"]
"""Topics that have records of every session that is narrated whole."""
SPEECH_KEY = "sk-stand-in"
PARTITIONS = 8


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    broker = Broker(tmp_path_factory.mktemp("broker"), PASSWORD)
    try:
        broker.start()
        yield broker
    finally:
        broker.kill()


@pytest.fixture(scope="module")
def system(broker: Broker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Give ``up`` on a server with a password, whose every write is on disk."""
    state = tmp_path_factory.mktemp("faults") / "state"
    with running(state, redis_url=broker.url) as system:
        yield system


def wait_until(holds: Callable[[], object], deadline_s: float = 30.0) -> None:
    end = time.monotonic() + deadline_s
    while not holds():
        assert time.monotonic() < end, "not so in time"
        time.sleep(0.01)


def segments(system: Running, session: str) -> int:
    return int(str(system.progress(session).get("segments", 0)))


def post_as(broker: Broker, session: str, text: str) -> None:
    """Leave a text at the ingress key under a session id of the test's choice."""
    with closing(broker.client()) as client:
        client.xadd("rhapsode:in:text", {"text": text, "session": session})


def session_of(partitions: set[int], name: str) -> str:
    """Return a session id that falls on one of the partitions."""
    ids = (f"{name}-{number}" for number in range(1000))
    return next(one for one in ids if partition_of(one.encode(), PARTITIONS) in partitions)


def check_whole(system: Running, session: str) -> None:
    """Check that the session ended, that each byte can be derived again, and nothing is doubled."""
    progress = system.wait_finished(session)
    assert (progress["state"], progress["error"]) == ("SUCCESS", ""), system.logs()
    verified = rhapsode("replay", session, "--verify", **system.variables)
    assert verified.returncode == 0, verified.stdout + verified.stderr
    asyncio.run(check_sequences(system.variables["redis_url"], session))


async def check_sequences(url: str, session: str) -> None:
    """Read the session's records partition by partition: no sequence has a gap or a double."""
    log, _ = open_log(url, "rhapsode")
    try:
        for topic in ALWAYS_WRITTEN:
            kind = TOPICS[topic]
            assert issubclass(kind, SequenceRecord)
            ends: dict[str, int] = {}
            for record in await records_of(log, topic, kind, session):
                last = ends.get(record.sequence, 0)
                again = topic in ("text", "speech") and record.end == last  # parts of one position
                assert record.start == last or again, (topic, record)
                ends[record.sequence] = record.end
            assert ends, topic
    finally:
        await log.close()


async def records_of(
    log: Log, topic: str, kind: type[SequenceRecord], session: str
) -> list[SequenceRecord]:
    found: list[SequenceRecord] = []
    keys = (session.encode(), f"{session}/0".encode())  # the story has one chapter
    for number in range(PARTITIONS):
        position = 0
        while entries := (await log.read({(topic, number): position})).get((topic, number)):
            position = entries[-1].offset + 1
            found += [decode(entry.value or b"", kind) for entry in entries if entry.key in keys]
    return found


# -- records that are none


def test_a_malformed_record_is_a_dead_letter_and_hinders_nobody(
    broker: Broker, system: Running
) -> None:
    going_on = system.start(story("lighthouse"))
    wait_until(lambda: segments(system, going_on) >= 1)
    partition = partition_of(going_on.encode(), PARTITIONS)
    bad = (
        b"\xc1 no MessagePack",
        encode(DeadLetter(session="x", stage="s", topic="t", partition=0, offset=0, reason="r")),
        msgspec.msgpack.encode({"type": "text/2", "session": "../../etc", "seq": 0}),
        b"",
    )
    asyncio.run(append_to_all(broker.url, partition, bad))
    readers = [(stage.name, source) for stage in STAGES for source in stage.sources]
    wait_until(lambda: len(letters(broker, partition)) >= len(bad) * len(readers))
    found = letters(broker, partition)
    for value in bad:
        said = {(one.stage, one.topic) for one in found if one.value == value}
        assert said == set(readers)
    assert all(one.reason and one.partition == partition for one in found)
    after = session_of({partition}, "after")
    post_as(broker, after, "And this one comes after, in the same partition.")
    wait_until(lambda: system.progress(after).get("state") == "SUCCESS")
    for session in (going_on, after):
        check_whole(system, session)
    listed = httpx.get(f"{system.url}/v1/sessions", trust_env=False)
    assert {after, going_on} <= {one["session_id"] for one in listed.json()["sessions"]}


async def append_to_all(url: str, partition: int, values: tuple[bytes, ...]) -> None:
    log, _ = open_log(url, "rhapsode")
    entries = [NewEntry(key=b"bad", value=value) for value in values]
    for topic in TOPICS:
        if topic != DeadLetter.TOPIC:
            await log.append(topic, partition, entries)
    await log.close()


def letters(broker: Broker, partition: int) -> list[DeadLetter]:
    with closing(broker.client()) as client:
        entries: Any = client.xrange(f"{{rhapsode:{partition}}}:log:dead-letter")
    return [decode(fields[b"v"], DeadLetter) for _, fields in entries]


# -- the log's server is killed


def test_every_process_rides_out_a_log_that_is_killed_and_comes_back(
    broker: Broker, system: Running
) -> None:
    before = children(system)
    session = system.start(story("lighthouse"))
    wait_until(lambda: segments(system, session) >= 2)
    broker.kill()
    answer = httpx.post(f"{system.url}/v1/sessions", json={"text": "x"}, trust_env=False)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    assert "does not answer" in answer.json()["error"]
    health = httpx.get(f"{system.url}/healthz", trust_env=False)
    assert (health.status_code, health.json()["status"]) == (503, "log out of reach")
    # long enough for every stage to see it
    workers = sum("worker" in command_of(child) for child in before)
    told = "heartbeat failed, trying again"
    wait_until(lambda: (system.state / "up.log").read_text().count(told) >= workers)
    broker.start()
    check_whole(system, session)
    system.wait_ready()
    assert children(system) == before


def test_health_is_told_soon_where_the_log_stands_still(broker: Broker, system: Running) -> None:
    with broker.frozen():
        health = httpx.get(f"{system.url}/healthz", timeout=30, trust_env=False)
    assert health.status_code == 503
    assert "does not answer within" in health.json()["error"]
    system.wait_ready()


# -- a worker that is thought dead, and is not


def test_a_worker_that_wakes_up_after_its_lease_doubles_nothing(
    broker: Broker, system: Running
) -> None:
    second = system.spawn("second", "worker", *STAGE_NAMES)
    zombie = next(child for child in children(system) if "expand" in command_of(child))
    (stages,) = (set(names) for names in processes() if "expand" in names)
    wait_until(lambda: all(len(plan(broker, stage)) == 2 for stage in STAGE_NAMES))
    try:
        partitions = plan(broker, "split")[zombie]
        sessions = [session_of(partitions, name) for name in ("first", "second")]
        for session in sessions:
            post_as(broker, session, story("lighthouse"))
        wait_until(lambda: segments(system, sessions[0]) >= 2)
        os.kill(zombie, signal.SIGSTOP)
        wait_until(lambda: not any(zombie in plan(broker, stage) for stage in stages))
        for session in sessions:
            system.wait_finished(session)
    finally:
        os.kill(zombie, signal.SIGCONT)
    # awake, it goes on with what it had in hand, is refused, and joins again
    wait_until(lambda: all(zombie in plan(broker, stage) for stage in stages))
    for session in sessions:
        check_whole(system, session)
    second.terminate()
    assert second.wait(15) == 0
    assert zombie in children(system)


def plan(broker: Broker, stage: str) -> dict[int, set[int]]:
    """Return each worker's partitions of the stage, by process id."""
    return asyncio.run(_plan(broker.url, f"rhapsode-{stage}"))


async def _plan(url: str, group: str) -> dict[int, set[int]]:
    log, groups = open_log(url, "rhapsode")
    try:
        members = await groups.members(group)
        found: dict[int, set[int]] = {}
        for member in members.metadata:
            raw = await groups.assignment(group, member, members.generation)
            if raw is not None:
                assigned = ConsumerProtocolMemberAssignment.decode(raw).assignment
                found[int(member.split(":")[1])] = {n for _, numbers in assigned for n in numbers}
        return found
    finally:
        await log.close()


# -- a voice that dies


async def test_a_voice_that_dies_in_the_middle_is_stood_in_for(tmp_path: Path) -> None:
    async with openai_standin() as standin:
        dies: list[Fault] = ["", "", *["reset" for _ in range(50)]]
        standin.faults.coming.extend(dies)
        done = await asyncio.to_thread(
            rhapsode,
            "say",
            "One is fine. Two is fine. Here it dies. Another goes on. To the very end.",
            "--json",
            state=str(tmp_path),
            voices="openai,espeak",
            openai_speech_url=standin.url,
            openai_speech_key=SPEECH_KEY,
        )
    assert done.returncode == 0, done.stderr
    said = msgspec.json.decode(done.stdout)
    assert said["degraded"] is True
    assert said["audio_s"] > 4
    # the third was tried again, and then the voice was left alone
    spoken = [one["input"] for one in standin.spoken]
    assert spoken == ["One is fine.", "Two is fine.", "Here it dies.", "Here it dies."]
    assert SPEECH_KEY not in done.stderr + done.stdout


# -- starting and ending


def test_a_session_goes_on_where_everything_was_stopped_and_nothing_is_left(
    tmp_path: Path,
) -> None:
    with running(tmp_path / "state") as first:
        session = first.start(story("lighthouse"))
        wait_until(lambda: segments(first, session) >= 2)
        processes = [first.processes["up"].pid, *children(first)]
        first.processes["up"].terminate()
        assert first.processes["up"].wait(20) == 0
        assert not [pid for pid in processes if Path(f"/proc/{pid}").exists()]
        assert "did not stop" not in first.logs()
        assert "Traceback" not in first.logs()
    with running(tmp_path / "state") as again:
        again.variables["redis_url"] = f"unix://{tmp_path / 'state' / 'valkey' / 'valkey.sock'}"
        check_whole(again, session)
        processes = children(again)
        again.processes["up"].kill()
        wait_until(lambda: not [pid for pid in processes if Path(f"/proc/{pid}").exists()])


def children(system: Running) -> list[int]:
    """Return the processes that ``up`` has started, by itself or by its fork server."""
    direct = psutil.Process(system.processes["up"].pid).children()
    forked = [
        one
        for process in direct
        if PROGRAM in command_of(process.pid)
        for one in process.children()
    ]
    return sorted(process.pid for process in (*direct, *forked))


def command_of(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ").split()


# -- what others may see


def test_nothing_listens_beyond_this_machine(system: Running) -> None:
    processes = [system.processes["up"].pid, *children(system)]
    said = subprocess.run(["ss", "-Hltunp"], capture_output=True, text=True, check=True).stdout
    ours = [line for line in said.splitlines() if any(f"pid={pid}," in line for pid in processes)]
    addresses = [line.split()[4] for line in ours]
    assert f"127.0.0.1:{system.port}" in addresses
    assert all(address.startswith("127.0.0.1:") for address in addresses), ours


def test_no_password_is_in_any_log_or_answer(broker: Broker, system: Running) -> None:
    for path in ("/metrics", "/healthz", "/v1/sessions", "/openapi.json"):
        assert PASSWORD not in httpx.get(f"{system.url}{path}", trust_env=False).text
    for path in system.state.rglob("*.log"):
        assert PASSWORD not in path.read_text(errors="replace"), path


def test_nobody_needed_a_traceback(system: Running) -> None:
    assert "Traceback" not in (system.state / "up.log").read_text()
