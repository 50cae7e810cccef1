"""More sessions than places: they wait in line, are told where they stand, and are heard."""

import json
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from system import Running, running

from rhapsode.ops.tools.stories import story


@pytest.fixture(scope="module")
def narrow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Give a system that has one place."""
    state: Path = tmp_path_factory.mktemp("narrow") / "state"
    with running(state, most_sessions="1") as system:
        yield system


def standing(system: Running, session: str, position: int) -> dict[str, object]:
    """Wait until a session stands there in the line; return its status."""
    end = time.monotonic() + 20
    while time.monotonic() < end:
        status = system.progress(session)
        line = status.get("in_line")
        if isinstance(line, dict) and line["position"] == position:
            return status
        time.sleep(0.02)
    raise AssertionError(f"it is not number {position} in line: {system.progress(session)}")


def cancel(system: Running, session: str) -> None:
    answer = httpx.post(f"{system.url}/v1/sessions/{session}/cancel", trust_env=False)
    assert answer.status_code == 200, answer.text


def first_event(system: Running, session: str) -> dict[str, object]:
    """Return the first progress that the session's events tell."""
    address = f"{system.url}/v1/sessions/{session}/events"
    with httpx.stream("GET", address, timeout=20, trust_env=False) as events:
        for line in events.iter_lines():
            if line.startswith("data:"):
                return dict(json.loads(line.removeprefix("data:")))
    raise AssertionError("the events ended without one")


def test_who_waits_is_told_the_position_and_is_heard_in_turn(narrow: Running) -> None:
    before = narrow.start("Short.")
    narrow.wait_finished(before)
    long = narrow.start(story("lighthouse") * 3)
    end = time.monotonic() + 20
    while not narrow.progress(long)["segments"]:
        assert time.monotonic() < end
        time.sleep(0.02)
    second, third = narrow.start("The second."), narrow.start("The third.")
    status = standing(narrow, third, 2)
    assert status["state"] == "PENDING"
    assert "in_line" in first_event(narrow, second)
    metrics = httpx.get(f"{narrow.url}/metrics", trust_env=False).text
    assert "rhapsode_sessions_waiting 2.0" in metrics
    assert "rhapsode_sessions_limit 1.0" in metrics
    cancel(narrow, second)
    cancel(narrow, long)
    finished = narrow.wait_finished(third)
    assert finished["state"] == "SUCCESS"
    assert "in_line" not in finished
    assert narrow.wait_finished(second)["error"] == "cancelled"
