"""A log out of reach is complained of at once and then now and then, however many wait for it."""

import pytest
from structlog.testing import capture_logs

import rhapsode.topologies.engine.patience
from rhapsode.topologies.engine.patience import TELL_EVERY_S, Complaints


def test_what_many_wait_for_is_said_once_in_ten_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    now_s = 100.0
    monkeypatch.setattr(rhapsode.topologies.engine.patience, "monotonic", lambda: now_s)
    complaints = Complaints()
    with capture_logs() as told:
        for _ in range(40):
            complaints.say("heartbeat failed", OSError("no route"))
            complaints.say("log out of reach", OSError("no route"))
        now_s += TELL_EVERY_S
        complaints.say("heartbeat failed", OSError("still none"))
    assert [(one["event"], one["why"]) for one in told] == [
        ("heartbeat failed, trying again", "no route"),
        ("log out of reach, trying again", "no route"),
        ("heartbeat failed, trying again", "still none"),
    ]
