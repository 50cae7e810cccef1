"""The main job through real servers and processes: a text in, HLS and device audio out."""

import asyncio
import json
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any, cast

import httpx
import numpy as np
import pytest
import redis
from hearing import heard, word_error_rate
from system import Running, rhapsode

from rhapsode.codecs.audio.files import decode
from rhapsode.codecs.hls.check import check
from rhapsode.codecs.hls.m3u8 import parse
from rhapsode.ops.devices.client import listen

STORY = (
    "The keeper lit the lamp, and the light went out over the water. It turned slowly, like "
    "somebody thinking. Every ship that saw it knew where the land was. In the morning the sun "
    "came up behind the harbor, and the old keeper went down the hundred steps to sleep."
)


def files_of(system: Running, session: str) -> dict[str, bytes]:
    folder = system.state / "media" / session
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture(scope="module")
def story(live: Running) -> str:
    session = live.start(STORY)
    assert live.wait_finished(session)["state"] == "SUCCESS"
    return session


def test_the_finished_session_breaks_no_rule_of_hls(live: Running, story: str) -> None:
    assert check(files_of(live, story)) == []


def test_the_sample_count_is_what_the_playlist_says(live: Running, story: str) -> None:
    files = files_of(live, story)
    playlist = parse(files["audio.m3u8"].decode())
    segments = b"".join(files[uri] for uri, _ in playlist.segments)
    samples, rate_hz = decode(files["init.mp4"] + segments)
    assert rate_hz == 48_000
    # PyAV's FFmpeg heeds the edit list, so the priming frame is trimmed
    assert len(samples) == playlist.frames * 1024


def test_a_recogniser_hears_the_words_of_the_hls(live: Running, story: str) -> None:
    files = files_of(live, story)
    segments = b"".join(files[name] for name in sorted(files) if name.endswith(".m4s"))
    samples, rate_hz = decode(files["init.mp4"] + segments)
    assert word_error_rate(STORY, heard(samples, rate_hz)) < 0.10


def test_a_device_hears_the_same_words_to_the_end(live: Running, story: str) -> None:
    url = f"ws://127.0.0.1:{live.port}/xiaozhi/v1/"
    got = asyncio.run(listen(url, session=story))
    assert got.complete
    assert " ".join(got.sentences) == STORY
    assert word_error_rate(STORY, heard(got.samples(), 16_000)) < 0.10


def test_ffmpeg_decodes_it_without_a_warning(live: Running, story: str) -> None:
    if shutil.which("ffmpeg") is None:
        pytest.skip("no ffmpeg is installed here, and 'make test' may not install one")
    done = subprocess.run(
        [
            "ffmpeg",
            "-v",
            "warning",
            "-xerror",
            "-err_detect",
            "explode",
            "-i",
            f"{live.url}/media/hls/{story}/audio.m3u8",
            "-f",
            "s16le",
            "-",
        ],
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, b"")
    frames = parse(files_of(live, story)["audio.m3u8"].decode()).frames
    assert len(done.stdout) == 2 * 1024 * (frames + 1)


def test_replay_derives_every_byte_again(live: Running, story: str, tmp_path: Path) -> None:
    done = rhapsode("replay", story, "--verify", "--out", str(tmp_path / "again"), **live.variables)
    assert done.returncode == 0, done.stderr
    assert "identical" in done.stdout
    again = {path.name: path.read_bytes() for path in (tmp_path / "again").iterdir()}
    files = files_of(live, story)
    assert {name: again[name] for name in files} == files


def test_replay_finds_a_byte_that_was_changed(live: Running) -> None:
    session = live.start("Here a byte will be changed.")
    live.wait_finished(session)
    path = live.state / "media" / session / "audio_001.m4s"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(bytes(data))
    done = rhapsode("replay", session, "--verify", **live.variables)
    assert done.returncode == 1
    assert "audio_001.m4s" in done.stdout


def test_a_bare_xadd_from_any_program_becomes_a_session(live: Running) -> None:
    client = redis.Redis(unix_socket_path=str(live.state / "valkey" / "valkey.sock"))
    client.xadd("rhapsode:in:text", {"text": "Hello from another program.", "session": "foreign"})
    client.close()
    wait_until_known(live, "foreign")
    assert live.wait_finished("foreign")["state"] == "SUCCESS"
    assert check(files_of(live, "foreign")) == []


def test_a_foreign_entry_that_is_malformed_hinders_nobody(live: Running) -> None:
    client = redis.Redis(unix_socket_path=str(live.state / "valkey" / "valkey.sock"))
    client.xadd("rhapsode:in:text", {"words": "this field is unknown"})
    client.xadd("rhapsode:in:text", {"text": "But this one is right.", "session": "after"})
    wait_until_known(live, "after")
    assert live.wait_finished("after")["state"] == "SUCCESS"
    letters = b"".join(
        fields[b"v"] for _, fields in cast("Any", client.xrange("{rhapsode:0}:log:dead-letter"))
    )
    client.close()
    assert b"unknown field 'words'" in letters
    listed = rhapsode("dead", "ls", "--json", **live.variables)
    (letter,) = [one for one in json.loads(listed.stdout) if "'words'" in one["reason"]]
    assert (letter["stage"], letter["session"]) == ("pump", "")
    shown = rhapsode("dead", "show", letter["letter"], **live.variables)
    assert "unknown field 'words'" in shown.stdout
    refused = rhapsode("dead", "retry", letter["letter"], **live.variables)
    assert (refused.returncode, "belongs to no session" in refused.stderr) == (1, True)


def wait_until_known(live: Running, session: str) -> None:
    end = time.monotonic() + 20
    while "session_id" not in live.progress(session):
        assert time.monotonic() < end, f"{session} never came to be"
        time.sleep(0.02)


def test_sessions_side_by_side_are_not_mixed(live: Running) -> None:
    texts = [
        "Four horses were standing behind the yellow house.",
        "My brother wants to buy a new boat in summer.",
        "The train to London leaves at seven in the evening.",
        "Please put the apples and the bread on the kitchen table.",
    ]
    sessions = [live.start(text) for text in texts]
    lengths: list[int] = []
    for session in sessions:
        assert live.wait_finished(session)["state"] == "SUCCESS"
        files = files_of(live, session)
        assert check(files) == []
        lengths.append(parse(files["audio.m3u8"].decode()).frames)
    assert max(lengths) < 2 * min(lengths)
    for text, session in zip(texts, sessions, strict=True):
        samples, rate_hz = decode(
            files_of(live, session)["init.mp4"]
            + b"".join(
                data
                for name, data in sorted(files_of(live, session).items())
                if name.endswith(".m4s")
            )
        )
        assert np.abs(samples).max() > 1000
        assert word_error_rate(text, heard(samples, rate_hz)) < 0.35, text


def test_a_device_that_presses_its_button_is_stopped_at_once(live: Running, story: str) -> None:
    url = f"ws://127.0.0.1:{live.port}/xiaozhi/v1/"
    got = asyncio.run(listen(url, session=story, abort_after_s=0.6))
    assert got.complete
    assert got.seconds < 2.0


def test_a_device_asking_for_an_unknown_session_is_told(live: Running) -> None:
    url = f"ws://127.0.0.1:{live.port}/xiaozhi/v1/"
    got = asyncio.run(listen(url, session="nobody"))
    assert "nobody" in got.alert


def test_a_device_may_say_what_it_wants_to_hear(live: Running) -> None:
    url = f"ws://127.0.0.1:{live.port}/xiaozhi/v1/"
    got = asyncio.run(listen(url, text="Say this back to me."))
    assert got.complete
    assert got.sentences == ["Say this back to me."]


def test_metrics_tell_what_every_part_did(live: Running, story: str) -> None:
    text = httpx.get(f"{live.url}/metrics", trust_env=False).text
    assert "rhapsode_session_first_audio_seconds_count" in text
    assert 'rhapsode_sessions_finished_total{outcome="done"}' in text
