"""The HTTP surface: the seed's shapes, blocking reload, and errors that say what to do."""

import itertools
import json
import re
import threading
import time
from collections.abc import Iterator

import httpx
import pytest
from system import Running
from websockets import Origin
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from rhapsode.codecs.audio.files import decode
from rhapsode.codecs.audio.pcm import loudness_lufs


@pytest.fixture
def client(live: Running) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=live.url, timeout=20, trust_env=False) as client:
        yield client


def test_start_answers_in_the_shape_of_the_seed(client: httpx.Client) -> None:
    answer = client.post("/audiostream/start/", json={"prompt": "Hello!", "lang": "en"})
    assert answer.status_code == 200
    body = answer.json()
    assert set(body) == {"session_id", "playlist", "task_id"}
    assert body["playlist"] == f"/media/hls/{body['session_id']}/audio.m3u8"
    assert body["task_id"] == body["session_id"]


def test_task_status_goes_to_success_in_the_shape_of_the_seed(
    client: httpx.Client, live: Running
) -> None:
    body = client.post("/audiostream/start/", json={"prompt": "Hello, and goodbye."}).json()
    seen: list[dict[str, object]] = []
    end = time.monotonic() + 30
    while time.monotonic() < end:
        status = client.get(f"/audiostream/task-status/{body['task_id']}/").json()
        if status not in seen:
            seen.append(status)
        if status["state"] == "SUCCESS":
            break
        time.sleep(0.005)
    assert seen[-1] == {
        "state": "SUCCESS",
        "status": "Task completed successfully",
        "result": {"playlist": body["playlist"]},
        "playlist": body["playlist"],
    }
    for status in seen[:-1]:
        if status["state"] == "PENDING":
            assert status == {"state": "PENDING", "status": "Task is pending"}
        else:
            assert set(status) == {"state", "status", "event", "chunk_count"}
            assert (status["state"], status["event"]) == ("PROGRESS", "chunk")


def test_a_session_that_fails_tells_why_in_the_shape_of_the_seed(
    client: httpx.Client, live: Running
) -> None:
    session = str(client.post("/v1/sessions", json={"open": True}).json()["session_id"])
    assert client.post(f"/v1/sessions/{session}/cancel").status_code == 200
    live.wait_finished(session)
    status = client.get(f"/audiostream/task-status/{session}/").json()
    assert status == {"state": "FAILURE", "status": "Task failed", "error": "cancelled"}
    assert client.get(f"/v1/sessions/{session}").json()["open"] is False


def test_how_loud_a_session_is_can_be_chosen(client: httpx.Client, live: Running) -> None:
    lufs: list[float] = []
    for wanted in (-16.0, -26.0):
        asked = {"text": "It is said quietly, or not.", "mastering": {"target_lufs": wanted}}
        session = str(client.post("/v1/sessions", json=asked).json()["session_id"])
        live.wait_finished(session)
        listing = client.get(f"/media/hls/{session}/audio.m3u8").text
        names = re.findall(r'URI="(init[^"]*)"', listing) + [
            line for line in listing.splitlines() if line and not line.startswith("#")
        ]
        folder = f"/media/hls/{session}/"
        audio = b"".join(client.get(folder + name).content for name in names)
        lufs.append(loudness_lufs(*decode(audio)))
    assert lufs[0] - lufs[1] == pytest.approx(10.0, abs=1.5)
    refused = client.post("/v1/sessions", json={"text": "Hm.", "mastering": {"target_lufs": 3.0}})
    assert refused.status_code == 400


@pytest.mark.parametrize(
    ("body", "word"),
    [
        (b"{", "JSON"),
        (b'{"prompt": "   "}', "empty"),
        (b"{}", "prompt"),
        (b'{"prompt": "x", "lang": "../etc"}', "language"),
        (b'{"prompt": "x", "lang": "xx"}', "'xx'"),
        (b'{"prompt": "x", "voice": "a b"}', "voice"),
        (b'{"prompt": "x", "voice": "nobody:at-all"}', "nobody"),
        (b'{"prompt": "half \\ud83e of a pair"}', "surrogate"),
        (b'{"prompt": "x", "mode": "sing"}', "mode"),
        (json.dumps({"prompt": "x" * 100_001}).encode(), "100000"),
    ],
)
def test_what_cannot_be_accepted_is_refused_in_one_sentence(
    client: httpx.Client, body: bytes, word: str
) -> None:
    answer = client.post(
        "/audiostream/start/", content=body, headers={"Content-Type": "application/json"}
    )
    assert answer.status_code == 400
    assert word in answer.json()["error"]


def test_what_the_framework_refuses_has_the_same_shape(client: httpx.Client) -> None:
    answer = client.get("/v1/nowhere")
    assert (answer.status_code, answer.json()) == (404, {"error": "Not Found"})
    answer = client.post("/healthz")
    assert (answer.status_code, answer.json()) == (405, {"error": "Method Not Allowed"})
    assert answer.headers["allow"] == "GET"
    # each method of a path has a route of its own
    assert client.put("/v1/sessions").headers["allow"] == "GET, POST"
    assert client.post("/media/hls/x/audio.m3u8").headers["allow"] == "GET, HEAD"


def test_the_description_of_the_api_is_whole(client: httpx.Client, live: Running) -> None:
    paths = client.get("/openapi.json").json()["paths"]
    assert {"/v1/sessions", "/media/hls/{session}/{name}", "/audiostream/start/"} <= paths.keys()
    assert "Duplicate Operation ID" not in live.logs()


def test_a_body_larger_than_any_text_is_refused(client: httpx.Client) -> None:
    answer = client.post("/v1/sessions", content=b"x" * 1_000_001)
    assert answer.status_code == 413
    assert "send less" in answer.json()["error"]


@pytest.mark.parametrize("session", ["..", "%2e%2e", "a%2fb", "a" * 65, "nobody", "-x"])
def test_a_session_that_is_none_is_not_found_whatever_its_id(
    client: httpx.Client, session: str
) -> None:
    for path in (f"/media/hls/{session}/audio.m3u8", f"/v1/sessions/{session}"):
        assert client.get(path).status_code in (400, 404)


@pytest.mark.parametrize("name", ["..%2f..%2fetc%2fpasswd", ".hidden", "%2e%2e", "a%00b"])
def test_no_name_leads_out_of_a_session(client: httpx.Client, live: Running, name: str) -> None:
    session = live.start("A name is a name.")
    live.wait_finished(session)
    assert client.get(f"/media/hls/{session}/{name}").status_code == 404


def test_a_playlist_is_there_before_its_first_segment_and_waits_for_it(
    client: httpx.Client, live: Running
) -> None:
    session = live.start("The playlist may be asked for at once.")
    answer = client.get(f"/media/hls/{session}/audio.m3u8")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/vnd.apple.mpegurl"
    assert answer.headers["cache-control"] == "no-cache"
    assert "audio_000.m4s" in answer.text


def test_every_segment_can_be_fetched_the_moment_it_is_listed(
    client: httpx.Client, live: Running
) -> None:
    session = live.start("One sentence. " * 12)
    number = 0
    while True:
        answer = client.get(f"/media/hls/{session}/audio.m3u8", params={"_HLS_msn": number})
        assert answer.status_code == 200
        assert f"audio_{number:03d}.m4s" in answer.text or "ENDLIST" in answer.text
        if "ENDLIST" in answer.text:
            break
        segment = client.get(f"/media/hls/{session}/audio_{number:03d}.m4s")
        assert segment.status_code == 200
        assert segment.headers["content-type"] == "audio/mp4"
        assert "immutable" in segment.headers["cache-control"]
        number += 1
    assert number > 3


def test_the_playlist_only_ever_grows(client: httpx.Client, live: Running) -> None:
    session = live.start("It grows and grows, and nothing in it changes. " * 6)
    texts: list[str] = []
    while not texts or "ENDLIST" not in texts[-1]:
        texts.append(client.get(f"/media/hls/{session}/audio.m3u8").text)
    for earlier, later in itertools.pairwise(texts):
        assert later.startswith(earlier)


def test_delivery_directives_are_judged_as_the_draft_says(
    client: httpx.Client, live: Running
) -> None:
    session = live.start("Directives are judged. " * 4)
    path = f"/media/hls/{session}/audio.m3u8"
    client.get(path)
    assert client.get(path, params={"_HLS_part": 1}).status_code in (200, 400)
    live.wait_finished(session)
    for query in ({"_HLS_msn": 9999}, {"_HLS_part": 1}, {"_HLS_msn": "x"}):
        answer = client.get(path, params=query)
        assert answer.status_code == 200  # after ENDLIST they are ignored
        assert "ENDLIST" in answer.text


def test_a_playlist_comes_compressed_where_the_client_can(
    client: httpx.Client, live: Running
) -> None:
    session = live.start("Compressed.")
    live.wait_finished(session)
    answer = client.get(f"/media/hls/{session}/audio.m3u8", headers={"Accept-Encoding": "gzip"})
    assert answer.headers["content-encoding"] == "gzip"
    again = client.get(
        f"/media/hls/{session}/audio.m3u8", headers={"If-None-Match": answer.headers["etag"]}
    )
    assert again.status_code == 304


def test_progress_comes_as_events_until_the_end(client: httpx.Client, live: Running) -> None:
    session = live.start("Progress is told as it is made. " * 4)
    seen: list[dict[str, object]] = []
    with client.stream("GET", f"/v1/sessions/{session}/events") as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        seen += [
            json.loads(line.removeprefix("data: "))
            for line in answer.iter_lines()
            if line.startswith("data: ")
        ]
    assert seen[-1]["state"] == "SUCCESS"
    assert seen[-1]["percent"] == 100
    assert len(seen) > 2
    assert {entry["open"] for entry in seen} == {False}
    percents = [int(str(entry["percent"])) for entry in seen if entry["percent"] is not None]
    assert percents == sorted(percents)


def test_health_names_no_stage_that_waits(client: httpx.Client) -> None:
    body = client.get("/healthz").json()
    assert (body["status"], body["waiting"]) == ("ok", [])


def test_a_hundred_texts_at_once_are_all_accepted(client: httpx.Client, live: Running) -> None:
    answers: list[int] = []

    def post() -> None:
        for _ in range(10):
            answer = client.post("/v1/sessions", json={"text": "Hi."})
            answers.append(answer.status_code)

    threads = [threading.Thread(target=post) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [201] * 100
    listed = client.get("/v1/sessions", params={"limit": 100}).json()["sessions"]
    for entry in listed:
        assert live.wait_finished(str(entry["session_id"]))["state"] in ("SUCCESS", "FAILURE")


@pytest.mark.parametrize("header", [{"Host": "evil.example"}, {"Origin": "http://evil.example"}])
def test_a_foreign_page_starts_nothing(client: httpx.Client, header: dict[str, str]) -> None:
    before = client.get("/v1/sessions").json()
    answer = client.post("/v1/sessions", json={"text": "Hi."}, headers=header)
    assert answer.status_code == 403
    assert "RHAPSODE_ALLOWED_" in answer.json()["error"]
    assert client.get("/v1/sessions").json() == before


def test_a_foreign_page_gets_no_socket(live: Running) -> None:
    url = live.url.replace("http", "ws")
    for path in ("/v1/stream", "/xiaozhi/v1/"):
        with pytest.raises(InvalidStatus) as refused:
            connect(url + path, origin=Origin("http://evil.example"), proxy=None)
        assert refused.value.response.status_code == 403
