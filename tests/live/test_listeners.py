"""Requests in words at a running system: the right song sounds, and nothing else does."""

import json
import time
from collections.abc import Iterator

import httpx
import pytest
import redis
from sample_audio import sample_file
from system import Running, running

SONGS = {"Baa Baa Black Sheep": "sheep.mp3", "Twinkle Twinkle Little Star": "star.mp3"}


@pytest.fixture(scope="module")
def singing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Give a system whose catalogue has two songs of tones."""
    state = tmp_path_factory.mktemp("singing") / "state"
    folder = state / "objects" / "music" / "English"
    folder.mkdir(parents=True)
    metadata = {title: {"filename": name} for title, name in SONGS.items()}
    (folder / "metadata.json").write_text(json.dumps(metadata))
    for number, name in enumerate(SONGS.values()):
        (folder / name).write_bytes(sample_file("mp3", seconds=2.0 + number))
    with running(state) as system:
        yield system


@pytest.fixture
def client(singing: Running) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=singing.url, timeout=30, trust_env=False) as client:
        yield client


def ask(
    client: httpx.Client, text: str, listener: str = "child", **fields: object
) -> httpx.Response:
    body = {"text": text, "wait_s": 20} | fields
    return client.post(f"/v1/listeners/{listener}/requests", json=body)


def test_the_song_that_was_asked_for_is_heard_and_the_log_tells_why(
    client: httpx.Client, singing: Running
) -> None:
    answer = ask(client, "Play Baa Baa Black Sheep")
    assert answer.status_code == 201
    told = answer.json()
    assert told["outcome"] == "play"
    assert told["reason"]
    assert told["slots"]["title"]
    (track,) = told["tracks"]
    assert track["object"] == "music/English/sheep.mp3"
    progress = singing.wait_finished(track["session_id"], 60.0)
    assert progress["state"] == "SUCCESS"
    assert progress["audio_s"] == pytest.approx(2.0, abs=1.0)
    assert "#EXTM3U" in client.get(track["playlist"]).text
    again = client.get(f"/v1/listeners/child/requests/{told['seq']}").json()
    assert again == told


def test_a_playlist_is_heard_by_http_and_by_the_ingress_key(
    client: httpx.Client, singing: Running
) -> None:
    objects = [f"music/English/{name}" for name in reversed(SONGS.values())]
    told = client.post(
        "/v1/listeners/lists/requests", json={"objects": objects, "wait_s": 20}
    ).json()
    assert told["outcome"] == "play"
    assert [track["object"] for track in told["tracks"]] == objects
    for track in told["tracks"]:
        assert singing.wait_finished(track["session_id"], 60.0)["state"] == "SUCCESS"
    socket = singing.state / "valkey" / "valkey.sock"
    with redis.Redis(unix_socket_path=str(socket)) as valkey:
        for wanted in ({"text": "Play Baa Baa Black Sheep"}, {"objects": "\n".join(objects)}):
            valkey.xadd("rhapsode:in:request", {"listener": "lists", **wanted})
    for seq, expected in ((1, objects[1:]), (2, objects)):
        end_s = time.monotonic() + 30
        while (answer := client.get(f"/v1/listeners/lists/requests/{seq}")).status_code == 404:
            assert time.monotonic() < end_s, singing.logs()
            time.sleep(0.05)
        told = client.get(f"/v1/listeners/lists/requests/{seq}?wait_s=20").json()
        assert [track["object"] for track in told["tracks"]] == expected, answer.text


def test_a_song_that_is_not_there_is_answered_in_words_that_sound(
    client: httpx.Client, singing: Running
) -> None:
    told = ask(client, "Play Humpty Dumpty").json()
    assert told["outcome"] == "not-found"
    assert "did not find" in told["said"]
    (track,) = told["tracks"]
    assert track["object"] == ""
    assert singing.wait_finished(track["session_id"], 60.0)["state"] == "SUCCESS"


def test_listeners_have_histories_of_their_own(client: httpx.Client) -> None:
    assert ask(client, "next", listener="ann").json()["seq"] == 0
    assert ask(client, "next", listener="bob").json()["seq"] == 0
    assert ask(client, "stop", listener="ann").json()["seq"] == 1


@pytest.mark.parametrize(
    ("listener", "body", "said"),
    [
        ("child", {"text": " "}, "at least one word"),
        ("child", {"text": "x" * 2_001}, "2000"),
        ("child", {"text": "play", "lang": "no language"}, "language"),
        ("-child", {"text": "play"}, "no listener's name"),
        ("child", {"text": "play", "wait_s": 1e9}, "wait_s"),
        ("child", {}, "at least one word"),
        ("child", {"text": "play", "objects": ["a.mp3"]}, "two requests"),
        ("child", {"objects": ["../../etc/passwd"]}, "no file name"),
        ("child", {"objects": ["a.mp3"] * 101}, "objects"),
    ],
)
def test_what_is_no_request_is_refused_in_one_sentence(
    client: httpx.Client, listener: str, body: dict[str, object], said: str
) -> None:
    answer = client.post(f"/v1/listeners/{listener}/requests", json=body)
    assert answer.status_code == 400
    assert said in answer.json()["error"]


def test_a_number_that_was_never_given_is_no_request(client: httpx.Client) -> None:
    ask(client, "next", listener="quiet")
    answer = client.get("/v1/listeners/quiet/requests/7")
    assert (answer.status_code, "error" in answer.json()) == (404, True)


def test_listeners_are_no_sessions_to_be_listed(client: httpx.Client) -> None:
    heard = {track["session_id"] for track in ask(client, "Play Twinkle Star").json()["tracks"]}
    end_s = time.monotonic() + 30
    listed: list[dict[str, object]] = []
    while not heard <= {one["session_id"] for one in listed}:
        assert time.monotonic() < end_s
        listed = client.get("/v1/sessions?limit=200").json()["sessions"]
    assert not [one for one in listed if one["open"]]


def test_parents_decide_what_is_heard(client: httpx.Client) -> None:
    address = "/v1/listeners/limited/limits"
    assert client.get(address).json()["never"] == []
    assert client.put(address, json={"never": ["music"]}).status_code == 200
    assert client.get(address).json()["never"] == ["music"]
    assert ask(client, "Play Baa Baa Black Sheep", "limited").json()["outcome"] == "not-found"
    assert ask(client, "Play Baa Baa Black Sheep", "other").json()["outcome"] == "play"
    for wrong in ({"begins": "25:00", "ends": "20:00"}, {"time_zone": "Mars"}, {"never": [""]}):
        refused = client.put(address, json=wrong)
        assert refused.status_code in (400, 422)
        assert refused.json()["error"]
    assert client.put(address, json={}).json()["never"] == []
    assert ask(client, "Play Baa Baa Black Sheep", "limited").json()["outcome"] == "play"
