"""A log with little room: what it lets go of is heard and replayed; what is removed is gone."""

import json
import time
from collections.abc import Callable, Iterator

import httpx
import pytest
import redis
from system import Running, rhapsode, running

from rhapsode.ops.tools.stories import story
from rhapsode.storage.redis.embedded import EmbeddedValkey

LOG_MB = 6


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Give a system whose log holds less than a minute of audio."""
    state = tmp_path_factory.mktemp("small") / "state"
    with running(state, keep_log_mb=str(LOG_MB)) as system:
        yield system


def get(system: Running, path: str, **parameters: str | int) -> httpx.Response:
    return httpx.get(f"{system.url}{path}", params=parameters, timeout=20, trust_env=False)


def until(holds: Callable[[], object], what: str, deadline_s: float = 60.0) -> None:
    end = time.monotonic() + deadline_s
    while not holds():
        assert time.monotonic() < end, f"not so within {deadline_s} s: {what}"
        time.sleep(0.1)


def kept(system: Running) -> dict[str, int]:
    ran = rhapsode("gc", "--dry-run", "--json", state=str(system.state), keep_log_mb=str(LOG_MB))
    assert ran.returncode == 0, ran.stderr
    return dict(json.loads(ran.stdout)["kept"])


def command(system: Running, *arguments: str) -> str:
    ran = rhapsode(*arguments, state=str(system.state))
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


@pytest.fixture(scope="module")
def told(small: Running) -> list[str]:
    """Tell more than the log holds; return the sessions, the first of them not in it any more."""
    sessions = [small.start(story("lighthouse")) for _ in range(4)]
    for session in sessions:
        assert small.wait_finished(session)["state"] == "SUCCESS"
    for number in range(3):  # what comes later pushes out what came before
        sessions.append(small.start(f"{story('lighthouse')} And so it ended, {number}."))
        small.wait_finished(sessions[-1])
    until(lambda: kept(small)["log_bytes"] < LOG_MB * 1_000_000, "the log is within its bound")
    return sessions


def test_an_archived_session_is_told_of_heard_and_replayed(small: Running, told: list[str]) -> None:
    assert kept(small)["archive_bytes"] > 1_000_000
    first = small.progress(told[0])
    assert (first["state"], first["failed_chunks"]) == ("SUCCESS", 0)
    playlist = get(small, str(first["playlist"]))
    assert playlist.status_code == 200
    assert "#EXT-X-ENDLIST" in playlist.text
    for session in (told[0], told[-1]):
        said = command(small, "replay", session, "--verify")
        assert "identical" in said, said


def test_the_log_forgets_what_is_over_and_keeps_few_keys_of_it(
    small: Running, told: list[str]
) -> None:
    assert command(small, "records", "audio-frame", told[0]).count("\n") > 5  # of the archive
    server = redis.Redis(unix_socket_path=str(EmbeddedValkey(small.state / "valkey").socket))
    keys = {bytes(key) for key in server.scan_iter(f"*{told[0]}*")}
    assert {key.rpartition(b"}")[2].split(b":")[1] for key in keys} == {b"scope", b"facts"}
    assert all(server.ttl(key) > 0 for key in keys if b":scope:" in key)
    server.close()


def test_sessions_are_listed_page_by_page(small: Running, told: list[str]) -> None:
    listed: list[str] = []
    after = ""
    for _ in range(len(told) + 1):
        page = get(small, "/v1/sessions", limit=3, after=after).json()
        listed += [one["session_id"] for one in page["sessions"]]
        after = page["after"]
        if after is None:
            break
    assert listed == told[::-1]


def test_what_is_kept_is_measured(small: Running, told: list[str]) -> None:
    metrics = get(small, "/metrics").text
    assert f"rhapsode_sessions_kept {float(len(told))}" in metrics
    assert "rhapsode_archive_bytes" in metrics
    said = command(small, "gc", "--dry-run")
    assert "would go: 0 sessions" in said


def test_to_clean_up_by_hand_is_left_to_the_worker_that_does(small: Running) -> None:
    ran = rhapsode("gc", state=str(small.state))
    assert ran.returncode == 1
    assert "a worker is cleaning up" in ran.stderr


def test_what_is_removed_is_gone(small: Running, told: list[str]) -> None:
    archived, under_way = told[1], small.start(story("lighthouse") * 20)
    until(lambda: small.progress(under_way).get("segments"), "it is under way")
    for session in (archived, under_way):
        answer = httpx.delete(f"{small.url}/v1/sessions/{session}", timeout=20, trust_env=False)
        assert answer.status_code == 202, answer.text
    for session in (archived, under_way):
        until(lambda one=session: get(small, f"/v1/sessions/{one}").status_code == 404, "gone")
        assert get(small, f"/media/hls/{session}/audio.m3u8").status_code == 404
        assert not list(small.state.glob(f"media/{session}/*"))
        assert not list(small.state.glob(f"archive/archive/{session}/*"))
    gone = httpx.delete(f"{small.url}/v1/sessions/{archived}", timeout=20, trust_env=False)
    assert gone.status_code == 404
    assert small.progress(told[0])["state"] == "SUCCESS"
