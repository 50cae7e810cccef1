"""``kill -9`` of any one worker in the middle of a story: complete, in order, byte for byte."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import httpx
import numpy as np
import pytest
from aiokafka.coordinator.protocol import ConsumerProtocolMemberAssignment
from hearing import heard, plain_words, word_error_rate
from numpy.typing import NDArray
from sample_audio import decoded, encoded, sweep
from system import Running, rhapsode, running

from rhapsode.agents.journal import Journal
from rhapsode.codecs.audio.files import decode
from rhapsode.codecs.hls.check import check
from rhapsode.codecs.records import ObjectAudio
from rhapsode.codecs.text.sentences import words
from rhapsode.ops.tools.stories import story
from rhapsode.storage.log import partition_of
from rhapsode.storage.opening import open_log
from rhapsode.topologies.registry import STAGE_NAMES

OBJECT_S = 240.0
"""Long enough that decoding it takes longer than killing who does."""
BEFORE = "Before the music, somebody lit the lantern."
AFTER = "And after it, all of them came home to the harbour."


def all_files(system: Running, session: str) -> dict[str, bytes]:
    folder = system.state / "media" / session
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def wait_for_segments(system: Running, session: str, count: int) -> None:
    end = time.monotonic() + 60
    while int(str(system.progress(session).get("segments", 0))) < count:
        assert time.monotonic() < end, system.logs()
        time.sleep(0.01)


def samples_of(files: dict[str, bytes]) -> NDArray[np.int16]:
    """Return a session's HLS audio, 48 kHz mono, having checked its rules."""
    assert check(files) == []
    segments = b"".join(files[name] for name in sorted(files) if name.endswith(".m4s"))
    samples, rate_hz = decode(files["init.mp4"] + segments, max_seconds=600)
    assert rate_hz == 48_000
    return samples


def verify(system: Running, session: str) -> None:
    verified = rhapsode("replay", session, "--verify", **system.variables)
    assert verified.returncode == 0, verified.stdout + verified.stderr


def check_whole(system: Running, session: str) -> None:
    """Hold the session against its text, its rules and its log."""
    samples = samples_of(all_files(system, session))
    verify(system, session)
    text = story("lighthouse").replace("#", "")
    assert word_error_rate(text, heard(samples, 48_000)) < 0.10
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
from rhapsode.agents.journal import Journal
from rhapsode.codecs.records import AudioFrame
from rhapsode.storage.opening import open_log
async def main():
    log, _ = open_log(sys.argv[1], "rhapsode")
    position, texts, last = 0, [], False
    async for frame in Journal(log, 8).of(AudioFrame).stream(sys.argv[2]):
        assert frame.first_sample == position, (frame.first_sample, position)
        position, last = frame.end, frame.last
        texts += [frame.text] if frame.text else []
    assert last
    print(" ".join(texts))
    await log.close()
asyncio.run(main())
"""


@pytest.mark.timeout(240)
@pytest.mark.parametrize("stage", STAGE_NAMES)
def test_killing_the_worker_of_a_stage_loses_doubles_and_reorders_nothing(
    stage: str, tmp_path: Path
) -> None:
    with two_workers(tmp_path, stage) as system:
        session = system.start(story("lighthouse"))
        wait_for_segments(system, session, 4)
        kill_owner(system, stage, session)
        progress = system.wait_finished(session, deadline_s=120)
        assert progress["state"] == "SUCCESS", system.logs()
        check_whole(system, session)


@pytest.mark.timeout(240)
@pytest.mark.parametrize("stage", ["fetch", "split", "master"])
def test_killing_a_worker_in_the_middle_of_an_object_loses_and_doubles_no_sample(
    stage: str, tmp_path: Path
) -> None:
    with two_workers(tmp_path, stage) as system:
        folder = system.state / "objects"
        folder.mkdir(parents=True)
        (folder / "sweep.mp3").write_bytes(encoded("mp3", sweep(44_100, OBJECT_S)))
        answer = httpx.post(f"{system.url}/v1/sessions", json={"open": True}, trust_env=False)
        session = str(answer.json()["session_id"])
        items = ({"text": BEFORE}, {"object": "sweep.mp3"}, {"text": AFTER, "last": True})
        for item in items:
            path = f"{system.url}/v1/sessions/{session}/items"
            assert httpx.post(path, json=item, trust_env=False).status_code == 200
        asyncio.run(some_of_the_object(system, session))
        kill_owner(system, stage, session)
        if stage == "fetch":
            assert not asyncio.run(pieces_of(system, session))[-1].object_end, "killed too late"
        progress = system.wait_finished(session, deadline_s=120)
        assert (progress["state"], progress["degraded"]) == ("SUCCESS", False), system.logs()
        verify(system, session)
        pieces = asyncio.run(pieces_of(system, session))
        assert [piece.piece for piece in pieces] == list(range(len(pieces)))
        pcm = np.concatenate([np.frombuffer(piece.pcm, "<i2") for piece in pieces])
        # to the sample what a decoder gives that nobody disturbed
        expected = decoded((folder / "sweep.mp3").read_bytes(), max_seconds=2 * OBJECT_S)
        assert np.array_equal(pcm, expected)
        samples = samples_of(all_files(system, session))
        said = heard(np.concatenate([samples[: 6 * 48_000], samples[-6 * 48_000 :]]), 48_000)
        assert {"lantern", "harbour"} & set(plain_words(said))


@contextmanager
def two_workers(tmp_path: Path, stage: str) -> Generator[Running]:
    """Run everything, with two workers for the stage alone."""
    others = [name for name in STAGE_NAMES if name != stage]
    with running(tmp_path / "state", separate=True, voices="piper,espeak") as system:
        system.spawn("gateway", "gateway")
        system.spawn("others", "worker", *others)
        system.spawn("first", "worker", stage)
        system.spawn("second", "worker", stage)
        system.wait_ready()
        asyncio.run(plan(system, stage))
        yield system


def kill_owner(system: Running, stage: str, session: str) -> None:
    """Kill whichever of the two workers has the session's partition."""
    victim = asyncio.run(owner(system, stage, session))
    assert victim in {system.processes[name].pid for name in ("first", "second")}
    os.kill(victim, signal.SIGKILL)


async def some_of_the_object(system: Running, session: str) -> None:
    """Wait until the first pieces of the object are in the log, and not yet all of them."""
    log, _ = open_log(system.variables["redis_url"], "rhapsode")
    try:
        sequences = Journal(log, 8).of(ObjectAudio)
        async with asyncio.timeout(60):
            while (await sequences.state(f"{session}/0")).next < 4:
                await asyncio.sleep(0.005)
    finally:
        await log.close()


async def pieces_of(system: Running, session: str) -> list[ObjectAudio]:
    log, _ = open_log(system.variables["redis_url"], "rhapsode")
    try:
        return [piece async for piece in Journal(log, 8).of(ObjectAudio).stream(f"{session}/0")]
    finally:
        await log.close()


async def owner(system: Running, stage: str, session: str) -> int:
    """Return the process id of the worker that owns the stage's partition of the session."""
    # chunks are keyed by session and chapter
    key = f"{session}/0" if stage in ("speak", "fetch") else session
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
