"""API keys through the front door: made, used, bounded, revoked."""

import json
import time
from collections.abc import Iterator
from urllib.parse import urljoin

import httpx
import pytest
from system import Running, rhapsode, running
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Give a system in which everybody needs a key."""
    state = tmp_path_factory.mktemp("locked") / "state"
    with running(state, require_key="always", media_signed_hours="1") as system:
        yield system


def made(system: Running, *options: str) -> tuple[str, str]:
    """Make a key on the command line; return its id and its text."""
    ran = rhapsode("keys", "add", "a client", *options, "--json", state=str(system.state))
    assert ran.returncode == 0, ran.stderr
    answer = json.loads(ran.stdout)
    return answer["id"], answer["key"]


def client(system: Running, key: str = "") -> httpx.Client:
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    return httpx.Client(base_url=system.url, headers=headers, timeout=20, trust_env=False)


def finished(http: httpx.Client, session: str) -> dict[str, object]:
    end = time.monotonic() + 30
    while time.monotonic() < end:
        progress = http.get(f"/v1/sessions/{session}").json()
        if progress["state"] in ("SUCCESS", "FAILURE"):
            return dict(progress)
        time.sleep(0.05)
    raise AssertionError("it did not end")


def test_a_key_opens_what_is_its_own_and_nothing_else(locked: Running) -> None:
    (_, hers), (_, his) = made(locked), made(locked)
    with client(locked) as nobody, client(locked, hers) as her, client(locked, his) as him:
        assert nobody.post("/v1/sessions", json={"text": "Hello."}).status_code == 401
        assert nobody.get("/v1/sessions").status_code == 401
        answer = her.post("/v1/sessions", json={"text": "Hello, and good bye."}).json()
        session = answer["session_id"]
        assert finished(her, session)["state"] == "SUCCESS"
        playlist = nobody.get(answer["playlist"])
        assert playlist.status_code == 200
        (first, *_) = [line for line in playlist.text.splitlines() if line.endswith(".m4s")]
        # as a player does: relative to the playlist's address, which is signed
        assert nobody.get(urljoin(answer["playlist"], first)).status_code == 200
        assert nobody.get(f"/media/hls/{session}/{first}").status_code == 404
        assert him.get(f"/v1/sessions/{session}").status_code == 404
        assert him.post("/v1/tokens", json={"session": session}).status_code == 404
        assert him.post(f"/v1/sessions/{session}/cancel").status_code == 404
        assert session in {one["session_id"] for one in her.get("/v1/sessions").json()["sessions"]}
        assert him.get("/v1/sessions").json() == {"sessions": [], "after": None}


def test_a_token_opens_an_event_stream_and_a_socket(locked: Running) -> None:
    _, key = made(locked)
    with client(locked, key) as http, client(locked) as page:
        session = http.post("/v1/sessions", json={"text": "Hello."}).json()["session_id"]
        token = http.post("/v1/tokens", json={"session": session}).json()["token"]
        with page.stream("GET", f"/v1/sessions/{session}/events?token={token}") as events:
            assert events.status_code == 200
            assert session in next(line for line in events.iter_lines() if "data:" in line)
        assert page.get(f"/v1/sessions?token={token}").status_code == 401
        whole = http.post("/v1/tokens", json={}).json()["token"]
        limits = f"/v1/listeners/toy/limits?token={whole}"
        assert page.get(limits).status_code == 200
        refused = page.put(limits, json={})
        assert (refused.status_code, "the API key" in refused.json()["error"]) == (403, True)
        renewed = page.post(f"/v1/tokens?token={whole}", json={})
        assert renewed.status_code == 403  # else it would live for ever
    address = locked.url.replace("http", "ws") + "/v1/stream"
    with pytest.raises(InvalidStatus):
        connect(address, proxy=None)
    with connect(f"{address}?token={whole}", proxy=None) as socket:
        socket.send(json.dumps({"type": "open", "session_id": session}))
        assert "was not accepted open" in json.loads(socket.recv(10))["error"]
        socket.send(json.dumps({"type": "open"}))
        assert json.loads(socket.recv(10))["type"] == "session"


def test_a_quota_is_told_with_status_429(locked: Running) -> None:
    _, key = made(locked, "--chars-a-day", "20")
    with client(locked, key) as http:
        assert http.post("/v1/sessions", json={"text": "x" * 20}).status_code == 201
        refused = http.post("/v1/sessions", json={"text": "more"})
    assert refused.status_code == 429
    assert "of this key's 20 a day" in refused.json()["error"]


def test_a_revoked_key_is_refused_soon(locked: Running) -> None:
    key_id, key = made(locked)
    with client(locked, key) as http:
        assert http.get("/v1/sessions").status_code == 200
        listed = rhapsode("keys", "ls", "--json", state=str(locked.state))
        assert key_id in {one["id"] for one in json.loads(listed.stdout)}
        assert key not in listed.stdout
        assert rhapsode("keys", "revoke", key_id, state=str(locked.state)).returncode == 0
        end = time.monotonic() + 15
        while http.get("/v1/sessions").status_code != 401:
            assert time.monotonic() < end
            time.sleep(0.1)
    again = rhapsode("keys", "revoke", key_id, state=str(locked.state))
    assert again.returncode == 1
    assert "there is no key" in again.stderr


def test_no_key_is_in_a_log(locked: Running) -> None:
    _, key = made(locked)
    with client(locked, key) as http:
        assert http.get("/v1/sessions").status_code == 200
        assert http.get(f"/v1/sessions?token={key}").status_code == 200
    assert key not in locked.logs()
