"""What ``up`` and the other commands tell about where things are."""

import json
import shlex
import signal
import time
from pathlib import Path
from typing import Any

import pytest
import redis
from command_line import command_line, one_sentence
from system import Running, running


def told(system: Running) -> dict[str, str]:
    """Return what ``up`` prints once it is ready, by name."""
    end = time.monotonic() + 30
    printed = ""
    while "Ctrl-C" not in printed:  # the gateway may answer us a moment before it answers ``up``
        assert time.monotonic() < end, printed
        time.sleep(0.02)
        printed = (system.state / "up.log").read_text()
    lines = printed.splitlines()
    rows = lines[next(n for n, line in enumerate(lines) if line.endswith(" is ready.")) + 1 :]
    pairs = (row.strip().split("  ", 1) for row in rows if row.startswith("  "))
    return {pair[0]: pair[1].strip() for pair in pairs}


def test_up_tells_where_everything_is_in_a_folder_of_any_name(tmp_path: Path) -> None:
    with running(tmp_path / "a folder, isn't it") as system:
        rows = told(system)
        assert rows["page"] == f"{system.url}/"
        assert rows["state folder"] == str(system.state)
        assert "stop" in rows
        words = shlex.split(rows["add a text"])
        assert words[:2] == ["redis-cli", "-s"]
        with redis.Redis(unix_socket_path=words[2]) as client:
            client.execute_command(*words[3:])
        listed = command_line("sessions", "--json", **system.variables)
        system.processes["up"].send_signal(signal.SIGINT)
        assert system.processes["up"].wait(20) == 0
    assert listed.status == 0
    assert "rhapsode: stopping" in (system.state / "up.log").read_text()


def test_lists_come_as_json_too(live: Running) -> None:
    session = live.start("Just for the list.")
    live.wait_finished(session)
    sessions = json.loads(command_line("sessions", "--json", **live.variables).out)
    assert session in [one["session_id"] for one in sessions]
    topics = json.loads(command_line("topics", "--json", **live.variables).out)
    text = next(one for one in topics if one["topic"] == "text")
    assert text["records"] >= 1
    assert set(text["lag"]) == {"expand", "split"}
    verified = json.loads(
        command_line("replay", session, "--verify", "--json", **live.variables).out
    )
    assert (verified["identical"], verified["differences"]) == (True, [])


def test_records_are_shown_a_line_each_with_their_sound_as_its_length(live: Running) -> None:
    session = live.start("Just for the records.")
    live.wait_finished(session)

    def shown(*arguments: str) -> list[dict[str, Any]]:
        told = command_line("records", *arguments, **live.variables)
        assert told.status == 0, told.err
        return [json.loads(line) for line in told.out.splitlines()]

    (text,) = shown("text", session)
    assert (text["type"], text["text"]) == ("text/2", "Just for the records.")
    chunks = shown("chunk", f"{session}/0", "--limit", "1")
    assert [chunk["index"] for chunk in chunks] == [0]
    frames = shown("audio-frame", session)
    assert frames[0]["pcm"] == f"{2 * frames[0]['samples']} bytes"
    newest = shown("segment", "--limit", "3")
    assert len(newest) == 3
    assert newest == sorted(newest, key=lambda record: record["time"])


def test_the_topology_comes_as_json_too() -> None:
    stages = json.loads(command_line("topology", "--json").out)
    split = next(one for one in stages if one["stage"] == "split")
    assert split == {
        "topology": "speech",
        "stage": "split",
        "sources": ["text", "passage", "admission", "control"],
        "reads": ["audio-frame"],
        "sinks": ["chunk", "event", "admission"],
    }


def test_a_device_finds_the_gateway_of_the_settings(live: Running, tmp_path: Path) -> None:
    file = tmp_path / "device.wav"
    arguments = ("device", "--text", "Say this back to me.", "--out", str(file), "--json")
    heard = command_line(*arguments, **live.variables)
    assert heard.status == 0, heard
    figures = json.loads(heard.out)
    assert figures["complete"] is True
    assert figures["sentences"] == ["Say this back to me."]
    assert file.read_bytes().startswith(b"RIFF")
    one_sentence(command_line(*arguments, **live.variables), str(file), "--force")
    assert command_line(*arguments, "--force", **live.variables).status == 0


def test_a_device_hears_a_session_that_was_over_before_it_came(
    live: Running, tmp_path: Path
) -> None:
    session = live.start("Nobody with a device is here yet. So nothing is made for one.")
    audio_s = live.wait_finished(session)["audio_s"]
    packets = ("records", "device", session, "--limit", "1")
    assert command_line(*packets, **live.variables).out == ""
    arguments = ("device", "--session", session, "--out", str(tmp_path / "heard.wav"), "--json")
    heard = command_line(*arguments, **live.variables)
    figures = json.loads(heard.out)
    assert figures["complete"] is True
    assert abs(figures["audio_s"] - float(str(audio_s))) < 0.1
    assert json.loads(command_line(*packets, **live.variables).out)["first_frame"] == 0
    verified = command_line("replay", session, "--verify", **live.variables)
    assert "identical" in verified.out, verified


def test_a_text_that_names_a_file_is_still_a_text(
    live: Running, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("my words.txt").write_text("These are the words of the file, and they take much longer.")
    named = command_line("say", "my words.txt", "--json", **live.variables)
    assert named.status == 0
    assert "--file 'my words.txt'" in named.err
    read = command_line("say", "--file", "my words.txt", "--json", **live.variables)
    assert read.err == ""
    assert json.loads(read.out)["audio_s"] > json.loads(named.out)["audio_s"] + 1


def test_forced_output_leaves_nothing_of_what_was_there(live: Running, tmp_path: Path) -> None:
    arguments = ("--out", str(tmp_path), "--force", "--json")
    long = command_line("say", "A rather long sentence, " * 5, *arguments, **live.variables)
    (tmp_path / "notes.txt").write_text("the user's own")
    short = command_line("say", "Hi.", *arguments, **live.variables)
    assert (long.status, short.status) == (0, 0)
    segments = sorted(path.name for path in tmp_path.glob("*.m4s"))
    assert len(segments) == json.loads(short.out)["segments"] < json.loads(long.out)["segments"]
    assert (tmp_path / "notes.txt").exists()


def test_settings_are_listed_without_secrets() -> None:
    variables = {"port": "9000", "llm_key": "swordfish", "redis_url": "redis://u:fish@h:1/0"}
    for arguments in (("settings",), ("settings", "--json")):
        listed = command_line(*arguments, **variables)
        assert listed.status == 0
        assert "fish" not in listed.out
        assert "RHAPSODE_PORT" in listed.out
    report = json.loads(command_line("settings", "--json", **variables).out)
    assert report["addresses"]["device"] == "ws://127.0.0.1:9000/xiaozhi/v1/"
    assert report["addresses"]["redis_cli"] == (
        "REDISCLI_AUTH=... redis-cli -u redis://h:1/0 --user u"
    )


def test_a_gateway_on_every_address_is_reached_by_loopback() -> None:
    for host, shown in (("0.0.0.0", "127.0.0.1"), ("::", "[::1]"), ("::1", "[::1]")):
        report = json.loads(command_line("settings", "--json", host=host).out)
        assert report["addresses"]["page"] == f"http://{shown}:8080/"


def test_the_version_is_printed() -> None:
    assert command_line("--version").out.startswith("rhapsode 0.")
