"""The main job with S3 for a store, and what becomes of it while S3 is away."""

import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from command_line import command_line, one_sentence
from ports import free_port
from s3_server import S3Server
from sample_audio import encoded, sweep
from system import Running, rhapsode, running

from rhapsode.codecs.hls.check import check
from rhapsode.codecs.hls.m3u8 import parse
from rhapsode.ops.tools.stories import story
from rhapsode.topologies.registry import STAGE_NAMES

pytestmark = [pytest.mark.s3, pytest.mark.timeout(120)]
BUCKET = "media"
PLAYLIST_TYPE = "application/vnd.apple.mpegurl"
TEXT = "The keeper lit the lamp, and the light went out over the water. It turned slowly."


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    server = S3Server(tmp_path_factory.mktemp("s3"))
    try:
        server.start()
        yield server
    finally:
        server.kill()


@pytest.fixture(scope="module")
def system(server: S3Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    state = tmp_path_factory.mktemp("live") / "state"
    # a bucket on this machine has a private address: it must be named
    hosts = {"object_hosts": server.url.removeprefix("http://")}
    with running(state, separate=True, **server.variables(BUCKET), **hosts) as system:
        system.spawn("gateway", "gateway")
        system.spawn("worker", "worker", *STAGE_NAMES)
        system.wait_ready()
        yield system


@pytest.fixture(scope="module")
def session(system: Running) -> str:
    session = system.start(TEXT)
    progress = system.wait_finished(session)
    assert (progress["state"], progress["error"]) == ("SUCCESS", "")
    return session


def objects_of(server: S3Server, session: str) -> dict[str, dict[str, Any]]:
    """Return, by name, what a plain S3 client gets."""
    client = server.client()
    listed = client.list_objects_v2(Bucket=BUCKET, Prefix=f"hls/{session}/").get("Contents", [])
    found: dict[str, dict[str, Any]] = {}
    for item in listed:
        got = client.get_object(Bucket=BUCKET, Key=item["Key"])
        found[Path(item["Key"]).name] = {**got, "data": got["Body"].read()}
    client.close()
    return found


def check_whole(server: S3Server, system: Running, session: str) -> None:
    assert check({name: got["data"] for name, got in objects_of(server, session).items()}) == []
    verified = rhapsode("replay", session, "--verify", **system.variables)
    assert verified.returncode == 0, verified.stdout + verified.stderr
    assert verified.stdout.startswith("identical")


def test_the_session_lies_in_the_bucket_and_breaks_no_rule(
    server: S3Server, system: Running, session: str
) -> None:
    objects = objects_of(server, session)
    assert {"audio.m3u8", "master.m3u8", "init.mp4", "audio_000.m4s"} <= set(objects)
    assert check({name: got["data"] for name, got in objects.items()}) == []
    assert not (system.state / "media").exists()


def test_objects_in_the_bucket_say_what_they_are_and_how_long_to_keep_them(
    server: S3Server, session: str
) -> None:
    for name, got in objects_of(server, session).items():
        if name.endswith(".m3u8"):
            assert (got["ContentType"], got["CacheControl"]) == (PLAYLIST_TYPE, "no-cache")
        else:
            assert got["ContentType"] == "audio/mp4"
            assert got["CacheControl"] == "public, max-age=31536000, immutable"


def test_the_gateway_plays_it_from_the_bucket(
    server: S3Server, system: Running, session: str
) -> None:
    objects = objects_of(server, session)
    with httpx.Client(base_url=f"{system.url}/media/hls/{session}/", trust_env=False) as client:
        playlist = client.get("audio.m3u8")
        assert playlist.headers["content-type"] == PLAYLIST_TYPE
        assert playlist.content == objects["audio.m3u8"]["data"]
        for name in ("init.mp4", *(uri for uri, _ in parse(playlist.text).segments)):
            got = client.get(name)
            assert got.status_code == 200
            assert got.headers["content-type"] == "audio/mp4"
            assert got.content == objects[name]["data"]
            again = client.get(name, headers={"If-None-Match": got.headers["etag"]})
            assert again.status_code == 304


def test_ffmpeg_plays_it_from_the_bucket(system: Running, session: str) -> None:
    if shutil.which("ffmpeg") is None:
        pytest.skip("no ffmpeg is installed here, and 'make test' may not install one")
    url = f"{system.url}/media/hls/{session}/master.m3u8"
    done = subprocess.run(
        ["ffmpeg", "-v", "warning", "-xerror", "-i", url, "-f", "null", "-"],
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, b"")


def test_replay_finds_the_bucket_identical(server: S3Server, system: Running, session: str) -> None:
    check_whole(server, system, session)


def test_a_presigned_url_is_played_and_another_host_is_not(
    server: S3Server, system: Running
) -> None:
    client = server.client()
    tune = encoded("flac", sweep(44_100, 3.0))
    client.put_object(Bucket=BUCKET, Key="songs/a tune", Body=tune)
    url = client.generate_presigned_url(
        "get_object", Params={"Bucket": BUCKET, "Key": "songs/a tune"}, ExpiresIn=120
    )
    with httpx.Client(base_url=system.url, trust_env=False) as api:
        session = str(api.post("/v1/sessions", json={"open": True}).json()["session_id"])
        items = f"/v1/sessions/{session}/items"
        for wrong, said in (
            ("http://169.254.169.254/latest/meta-data", "does not name it"),
            (url.replace("Signature=", "Signature=0"), "may have expired"),
            ("https://user:secret@cdn.example/song.mp3", "presigned"),
        ):
            refused = api.post(items, json={"object": wrong})
            assert refused.status_code == 400
            assert said in refused.json()["error"]
        assert api.post(items, json={"object": url, "last": True}).is_success
    progress = system.wait_finished(session)
    assert (progress["state"], progress["failed_chunks"]) == ("SUCCESS", 0)
    assert progress["audio_s"] == pytest.approx(3.7, abs=0.3)  # and a pause
    check_whole(server, system, session)
    client.close()


def test_a_session_outlives_a_store_that_goes_away_and_comes_back(
    server: S3Server, system: Running, session: str
) -> None:
    going_on = system.start(story("lighthouse"))
    wait_until(lambda: number(system, going_on, "segments") >= 2)
    server.kill()
    waiting = system.start(TEXT)
    # audio is made as if nothing were; what waits for the store waits for it alone
    wait_until(lambda: number(system, waiting, "percent") == 99)
    assert number(system, waiting, "segments") == 0
    got = httpx.get(f"{system.url}/media/hls/{session}/init.mp4", trust_env=False)
    assert (got.status_code, got.headers["retry-after"]) == (503, "1")
    assert "S3 at http://127.0.0.1" in got.json()["error"]
    server.start()
    for one in (going_on, waiting):
        assert system.wait_finished(one)["state"] == "SUCCESS"
        check_whole(server, system, one)
    assert all(process.poll() is None for process in system.processes.values()), system.logs()


def number(system: Running, session: str, name: str) -> int:
    return int(str(system.progress(session)[name] or 0))


def wait_until(holds: "Any", deadline_s: float = 30.0) -> None:
    end = time.monotonic() + deadline_s
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.01)


@pytest.mark.parametrize("command", [("worker", "pack"), ("gateway",), ("up",)])
def test_a_store_that_refuses_is_said_in_one_sentence_at_the_start(
    server: S3Server, tmp_path: Path, command: tuple[str, ...]
) -> None:
    wrong = server.variables(BUCKET) | {"s3_secret_access_key": "wrong-one-5150"}
    refused_at_start(tmp_path, "refuses to", command, **wrong)


@pytest.mark.parametrize("command", [("worker", "pack"), ("gateway",), ("up",)])
def test_a_store_that_is_not_there_is_said_in_one_sentence_at_the_start(
    server: S3Server, tmp_path: Path, command: tuple[str, ...]
) -> None:
    nowhere = server.variables(BUCKET) | {"s3_endpoint_url": "http://127.0.0.1:1"}
    refused_at_start(tmp_path, "http://127.0.0.1:1", command, **nowhere)


def refused_at_start(state: Path, words: str, command: tuple[str, ...], **variables: str) -> None:
    variables |= {"state": str(state), "port": str(free_port())}
    if command != ("up",):  # which would not start its processes on a log in memory
        variables["redis_url"] = "memory://"
    told = one_sentence(command_line(*command, **variables), words)
    assert variables["s3_secret_access_key"] not in told
