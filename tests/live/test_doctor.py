"""The doctor judges the settings it is run with, and fails only where no text can become audio."""

import json
import shutil
import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from broker import Broker
from command_line import command_line
from ports import free_port
from system import Running

PASSWORD = "broker-password-3307"


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    broker = Broker(tmp_path / "broker", PASSWORD)
    try:
        broker.start()
        yield broker
    finally:
        broker.kill()


def examined(status: int, state: Path, **variables: str) -> dict[str, tuple[str, str]]:
    """Run the doctor; return verdict and message by what was looked at."""
    quick = {"voices": "espeak", "port": str(free_port()), "llm_url": "http://127.0.0.1:1/v1"}
    told = command_line("doctor", "--json", state=str(state), **(quick | variables))
    assert told.status == status, told
    report: dict[str, Any] = json.loads(told.out)
    assert report["works"] == (status == 0)
    return {one["what"]: (one["verdict"], one["message"]) for one in report["findings"]}


def test_defaults_work_on_a_fresh_machine_and_nothing_is_left_behind(tmp_path: Path) -> None:
    found = examined(0, tmp_path / "state")
    assert "embedded Valkey" in found["log"][1]
    assert found["log eviction"][0] == found["log persistence"][0] == "ok"
    assert found["port"][0] == found["state folder"][0] == found["disk space"][0] == "ok"
    assert found["English"] == ("ok", "espeak speaks first")
    assert not list((tmp_path / "state" / "media").iterdir())


def test_a_model_that_does_not_answer_matters_only_where_prompts_are_expanded(
    tmp_path: Path,
) -> None:
    assert examined(0, tmp_path)["language model"][0] == "warning"
    assert examined(1, tmp_path, default_mode="expand")["language model"][0] == "failed"


def test_voices_are_judged_in_their_order_and_one_is_enough(tmp_path: Path) -> None:
    found = examined(0, tmp_path, voices="openai,espeak", openai_speech_url="http://127.0.0.1:1")
    assert found["voice 1, openai:alloy"][0] == "warning"
    assert found["voice 2, espeak"][0] == "ok"
    assert found["English"] == ("ok", "espeak speaks first")


def test_without_any_voice_nothing_works(tmp_path: Path) -> None:
    found = examined(1, tmp_path, voices="openai")
    assert found["English"][0] == "failed"
    found = examined(1, tmp_path, voices="bells")
    assert "RHAPSODE_VOICES names bells" in found["voices"][1]


def test_a_log_that_is_given_is_looked_at(broker: Broker, tmp_path: Path) -> None:
    found = examined(0, tmp_path, redis_url=broker.url)
    assert broker.safe_url in found["log"][1]
    with closing(broker.client()) as client:
        client.execute_command("CONFIG", "SET", "appendonly", "no")
    assert examined(0, tmp_path, redis_url=broker.url)["log persistence"][0] == "warning"
    with closing(broker.client()) as client:
        client.execute_command("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
        client.execute_command("CONFIG", "SET", "maxmemory", "1gb")
    found = examined(1, tmp_path, redis_url=broker.url)
    verdict, message = found.get("log eviction", found["log"])
    assert verdict == "failed"
    assert "noeviction" in message


def test_a_log_out_of_reach_fails_and_its_password_is_not_told(
    broker: Broker, tmp_path: Path
) -> None:
    broker.kill()
    verdict, message = examined(1, tmp_path, redis_url=broker.url)["log"]
    assert verdict == "failed"
    assert PASSWORD not in message


def test_a_store_that_cannot_be_written_to_fails(tmp_path: Path) -> None:
    verdict, message = examined(1, tmp_path, media="/proc/x")["media store"]
    assert (verdict, "RHAPSODE_MEDIA" in message) == ("failed", True)


def test_a_state_folder_that_cannot_be_written_to_fails() -> None:
    verdict, message = examined(1, Path("/proc/x"), redis_url="memory://")["state folder"]
    assert (verdict, "--state" in message) == ("failed", True)


def test_a_port_in_use_fails_unless_our_gateway_answers_there(
    live: Running, tmp_path: Path
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        shutil.rmtree(tmp_path / "state", ignore_errors=True)
        assert examined(1, tmp_path / "state", port=port)["port"][0] == "failed"
    verdict, message = examined(0, live.state, port=str(live.port))["port"]
    assert (verdict, live.url in message) == ("ok", True)
