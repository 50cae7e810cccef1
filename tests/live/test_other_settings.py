"""Settings are defaults for sessions to come: what was accepted is made by what the log says."""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from system import Running, rhapsode, running

from rhapsode.codecs.hls.check import check
from rhapsode.ops.tools.stories import story
from rhapsode.topologies.registry import STAGE_NAMES

pytestmark = pytest.mark.timeout(240)
SHORT = {"segment_s": "1.0", "bit_rate": "64000"}
LONG = {"segment_s": "5.0", "bit_rate": "192000"}


def wait_until(holds: Callable[[], object], deadline_s: float = 60.0) -> None:
    end = time.monotonic() + deadline_s
    while not holds():
        assert time.monotonic() < end, "not so in time"
        time.sleep(0.02)


def segments(system: Running, session: str) -> int:
    return int(str(system.progress(session).get("segments", 0)))


def check_whole(system: Running, session: str, target_s: int) -> None:
    """Check a session's rules and form, and that it is derived the same under any settings."""
    progress = system.wait_finished(session, 120)
    assert (progress["state"], progress["error"]) == ("SUCCESS", ""), system.logs()
    folder = system.state / "media" / session
    files = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert check(files) == []
    assert f"#EXT-X-TARGETDURATION:{target_s}\n".encode() in files["audio.m3u8"]
    for other in (SHORT, LONG):
        verified = rhapsode("replay", session, "--verify", **(system.variables | other))
        assert verified.returncode == 0, (other, verified.stdout + verified.stderr)


def test_workers_with_other_settings_make_the_same_bytes_also_where_one_is_killed(
    tmp_path: Path,
) -> None:
    with running(tmp_path / "state", separate=True) as system:
        system.spawn("gateway", "gateway")
        victim = system.spawn("short", "worker", *STAGE_NAMES, **SHORT)
        system.spawn("long", "worker", *STAGE_NAMES, **LONG)
        system.wait_ready()
        # several, so that each worker has some
        sessions = [system.start(story("lighthouse")) for _ in range(2)]
        asked = system.start(story("lighthouse"), form={"segment_s": 3.0, "bit_rate": 48_000})
        wait_until(lambda: sum(segments(system, session) for session in sessions) >= 6)
        os.kill(victim.pid, signal.SIGKILL)
        for session in sessions:
            check_whole(system, session, 2)
        check_whole(system, asked, 3)
        assert "Traceback" not in system.logs()


def test_settings_that_change_under_sessions_in_flight_change_sessions_to_come(
    tmp_path: Path,
) -> None:
    state = tmp_path / "state"
    with running(state, separate=False, **SHORT) as before:
        told = before.start(story("lighthouse"))
        answer = httpx.post(
            f"{before.url}/v1/sessions", json={"open": True}, timeout=10, trust_env=False
        )
        going_on = str(answer.json()["session_id"])
        add(before, going_on, text="This was said under the old settings. ")
        wait_until(lambda: segments(before, told) >= 2)
        wait_until(lambda: before.progress(going_on)["chunk_count"])
        before.processes["up"].terminate()
        assert before.processes["up"].wait(20) == 0
        assert "Traceback" not in before.logs()
    with running(state, separate=False, **LONG, default_mode="expand", voice_slots="2") as after:
        after.variables["redis_url"] = f"unix://{state / 'valkey' / 'valkey.sock'}"
        add(after, going_on, text="And this under the new ones.", last=True)
        for session in (told, going_on):
            check_whole(after, session, 1)
        check_whole(after, after.start("A session of the new settings. " * 4), 5)
        assert "Traceback" not in after.logs()


def add(system: Running, session: str, **fields: object) -> None:
    answer = httpx.post(
        f"{system.url}/v1/sessions/{session}/items", json=fields, timeout=10, trust_env=False
    )
    assert answer.status_code == 200, answer.text
