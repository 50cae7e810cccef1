"""Who asks for health is told which stages nobody works on, be it the gateway or the doctor."""

import json
import os
import signal
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
from system import Running, rhapsode, running

from rhapsode.topologies.registry import STAGE_NAMES

pytestmark = pytest.mark.timeout(120)


def wait_until_waiting_for(system: Running, stages: list[str]) -> None:
    end = time.monotonic() + 30
    while (found := health(system)["waiting"]) != stages:
        assert time.monotonic() < end, found
        time.sleep(0.05)


def health(system: Running) -> dict[str, Any]:
    answer = httpx.get(f"{system.url}/healthz", timeout=10, trust_env=False)
    return dict(answer.json())


def workers_found(system: Running) -> list[str]:
    told = rhapsode("doctor", "--json", **system.variables)
    found = json.loads(told.stdout)["findings"]
    return [each["message"] for each in found if each["what"] == "workers"]


def test_a_stage_whose_last_worker_was_killed_is_waited_for(tmp_path: Path) -> None:
    with running(tmp_path / "state", separate=True) as system:
        system.spawn("gateway", "gateway")
        others = system.spawn("others", "worker", *(set(STAGE_NAMES) - {"speak"}))
        speak = system.spawn("speak", "worker", "speak")
        system.wait_ready()
        assert workers_found(system) == []
        os.kill(speak.pid, signal.SIGKILL)
        wait_until_waiting_for(system, ["speak"])
        assert health(system)["status"] == "waiting for workers"
        assert workers_found(system) == ["no worker for speak: start 'rhapsode worker speak'"]
        os.kill(others.pid, signal.SIGKILL)
        wait_until_waiting_for(system, list(STAGE_NAMES))
        system.spawn("again", "worker", *STAGE_NAMES)
        system.wait_ready()
