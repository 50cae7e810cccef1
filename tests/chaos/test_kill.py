"""``kill -9`` of any one worker in the middle of a story: complete, in order, byte for byte."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from aiokafka.coordinator.protocol import ConsumerProtocolMemberAssignment
from hearing import heard, word_error_rate
from system import Running, rhapsode, running

from rhapsode.codecs.audio.files import decode
from rhapsode.codecs.hls.check import check
from rhapsode.codecs.text.sentences import words
from rhapsode.ops.tools.stories import story
from rhapsode.storage.log import partition_of
from rhapsode.storage.opening import open_log
from rhapsode.topologies.registry import STAGE_NAMES


def all_files(system: Running, session: str) -> dict[str, bytes]:
    folder = system.state / "media" / session
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def wait_for_segments(system: Running, session: str, count: int) -> None:
    end = time.monotonic() + 60
    while int(str(system.progress(session).get("segments", 0))) < count:
        assert time.monotonic() < end, system.logs()
        time.sleep(0.01)


def check_whole(system: Running, session: str) -> None:
    """Hold the session against its text, its rules and its log."""
    files = all_files(system, session)
    assert check(files) == []
    verified = rhapsode("replay", session, "--verify", **system.variables)
    assert verified.returncode == 0, verified.stdout + verified.stderr
    segments = b"".join(files[name] for name in sorted(files) if name.endswith(".m4s"))
    samples, rate_hz = decode(files["init.mp4"] + segments, max_seconds=600)
    text = story("lighthouse").replace("#", "")
    assert word_error_rate(text, heard(samples, rate_hz)) < 0.10
    spoken = subprocess.run(
        [sys.executable, "-c", SPOKEN, system.variables["redis_url"], session],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    ).stdout
    assert words(spoken) == words(text)


SPOKEN = """
import asyncio, sys
from rhapsode.agents.journal import History
from rhapsode.codecs.records import AudioFrame
from rhapsode.storage.opening import open_log
async def main():
    log, _ = open_log(sys.argv[1], "rhapsode")
    frames = await History(log, AudioFrame, 8).records(sys.argv[2], 0)
    position = 0
    for frame in frames:
        assert frame.first_sample == position, (frame.first_sample, position)
        position = frame.end
    assert frames[-1].last
    print(" ".join(frame.text for frame in frames if frame.text))
    await log.close()
asyncio.run(main())
"""


@pytest.mark.timeout(240)
@pytest.mark.parametrize("stage", STAGE_NAMES)
def test_killing_the_worker_of_a_stage_loses_doubles_and_reorders_nothing(
    stage: str, tmp_path: Path
) -> None:
    others = [name for name in STAGE_NAMES if name != stage]
    with running(tmp_path / "state", separate=True, voices="piper,espeak") as system:
        system.spawn("gateway", "gateway")
        system.spawn("others", "worker", *others)
        system.spawn("first", "worker", stage)
        system.spawn("second", "worker", stage)
        system.wait_ready()
        asyncio.run(plan(system, stage))
        session = system.start(story("lighthouse"))
        wait_for_segments(system, session, 4)
        # whichever of the two has the session's partition: kill it for certain
        victim = asyncio.run(owner(system, stage, session))
        assert victim in {system.processes[name].pid for name in ("first", "second")}
        os.kill(victim, signal.SIGKILL)
        progress = system.wait_finished(session, deadline_s=120)
        assert progress["state"] == "SUCCESS", system.logs()
        check_whole(system, session)


async def owner(system: Running, stage: str, session: str) -> int:
    """Return the process id of the worker that owns the stage's partition of the session."""
    key = f"{session}/0" if stage == "speak" else session
    partition = partition_of(key.encode(), 8)
    for process, partitions in (await plan(system, stage)).items():
        if partition in partitions:
            return process
    raise AssertionError(f"nobody owns partition {partition} of {stage}")


async def plan(system: Running, stage: str, workers: int = 2) -> dict[int, set[int]]:
    """Return each worker's partitions, by process id, once that many workers have theirs."""
    log, groups = open_log(system.variables["redis_url"], "rhapsode")
    group = f"rhapsode-{stage}"
    try:
        async with asyncio.timeout(30):
            while True:
                members = await groups.members(group)
                found: dict[int, set[int]] = {}
                for member in members.metadata:
                    raw = await groups.assignment(group, member, members.generation)
                    if raw is not None:
                        assigned = ConsumerProtocolMemberAssignment.decode(raw).assignment
                        numbers = {n for _, partitions in assigned for n in partitions}
                        found[int(member.split(":")[1])] = numbers
                if len(found) == workers:
                    return found
                await asyncio.sleep(0.05)
    finally:
        await log.close()
