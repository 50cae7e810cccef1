"""`rhapsode say` beside others: whoever leaves, what the others say is said to its end."""

import json
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from system import environment, rhapsode

from rhapsode.ops.tools.stories import story
from rhapsode.storage.redis.embedded import EmbeddedValkey

pytestmark = pytest.mark.timeout(120)
LONG = story("lighthouse")


def saying(state: Path, text: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "rhapsode.ops", "say", "--json", text],
        env=environment(state=str(state), voices="espeak"),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize("leaves", [signal.SIGINT, signal.SIGKILL])
def test_who_is_left_says_all_of_it(tmp_path: Path, leaves: signal.Signals) -> None:
    first = saying(tmp_path, LONG * 20)  # it would take minutes
    server = EmbeddedValkey(tmp_path / "valkey")
    while not server.answers():
        assert first.poll() is None, first.communicate()
    second = saying(tmp_path, LONG * 3)
    session = ""
    while not session:
        assert second.poll() is None, second.communicate()
        session = newest(tmp_path)
    first.send_signal(leaves)
    first.communicate(timeout=30)
    printed, complaint = second.communicate(timeout=90)
    assert second.returncode == 0, complaint
    said = json.loads(printed)
    assert said["audio_s"] > 200
    verified = rhapsode("replay", said["session_id"], "--verify", state=str(tmp_path))
    assert "identical" in verified.stdout, verified.stderr


def newest(state: Path) -> str:
    """Return the second session's id once there are two."""
    listed = rhapsode("sessions", "--json", state=str(state))
    found = json.loads(listed.stdout) if listed.returncode == 0 else []
    return str(found[0]["session_id"]) if len(found) > 1 else ""


def test_where_nobody_works_on_a_server_it_is_said_which_worker_to_start(tmp_path: Path) -> None:
    with EmbeddedValkey(tmp_path / "valkey") as server:
        ended = rhapsode("say", "Hello.", state=str(tmp_path), redis_url=server.url)
    assert ended.returncode == 1
    assert re.search(r"no worker runs for expand, split.*: start `rhapsode worker", ended.stderr)
    assert "Traceback" not in ended.stderr
