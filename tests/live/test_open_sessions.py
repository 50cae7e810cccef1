"""Open sessions on real processes: items added while they are heard, objects, cancelling."""

import time
from collections.abc import Iterator
from itertools import pairwise

import httpx
import numpy as np
import pytest
from open_session import TONE_HZ, add, opened, sound, tone_seconds, verify
from sample_audio import encoded, sweep
from system import Running

from rhapsode.ops.devices.client import listen

pytestmark = pytest.mark.timeout(120)


@pytest.fixture
def client(live: Running) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=live.url, timeout=20, trust_env=False) as client:
        yield client


def test_items_are_numbered_and_an_open_session_ends_when_it_is_finished(
    client: httpx.Client, live: Running
) -> None:
    session = opened(client)
    assert client.get(f"/v1/sessions/{session}").json()["open"] is True
    assert add(client, session, text="The first words. ") == 0
    assert add(client, session, silence_s=0.5) == 1
    text = client.post(f"/v1/sessions/{session}/text", json={"text": "The last words."})
    assert text.json() == {"session_id": session, "seq": 2}
    assert client.post(f"/v1/sessions/{session}/finish").status_code == 200
    assert client.post(f"/v1/sessions/{session}/finish").status_code == 200
    progress = live.wait_finished(session)
    assert (progress["state"], progress["error"]) == ("SUCCESS", "")
    late = client.post(f"/v1/sessions/{session}/items", json={"text": "too late"})
    assert late.status_code == 409
    assert "finished" in late.json()["error"]
    verify(live, session)


def test_what_is_there_is_heard_while_the_session_stays_open(
    client: httpx.Client, live: Running
) -> None:
    session = opened(client)
    add(client, session, text="This is heard although nothing follows it yet.")
    media = f"/media/hls/{session}"
    playlist = client.get(f"{media}/audio.m3u8")
    assert playlist.status_code == 200
    assert "ENDLIST" not in playlist.text
    # the last words are let out: the audio goes beyond the speech although nobody finishes
    end = time.monotonic() + 30
    while True:
        progress = live.progress(session)
        if progress["chunk_count"] and float(str(progress["published_s"])) > 2.0:
            break
        assert time.monotonic() < end, progress
        time.sleep(0.05)
    assert progress["state"] == "PROGRESS"
    add(client, session, text=" And this came later.", last=True)
    assert live.wait_finished(session)["state"] == "SUCCESS"
    verify(live, session)


def test_a_numbered_item_can_be_sent_again_and_gaps_and_others_are_conflicts(
    client: httpx.Client, live: Running
) -> None:
    session = opened(client)
    path = f"/v1/sessions/{session}/items"
    for _ in range(2):
        answer = client.post(path, json={"text": "Once only.", "seq": 0})
        assert (answer.status_code, answer.json()["seq"]) == (200, 0)
    for fields in ({"text": "Other.", "seq": 0}, {"text": "Gap.", "seq": 5}):
        assert client.post(path, json=fields).status_code == 409
    client.post(f"/v1/sessions/{session}/finish")
    assert live.wait_finished(session)["chunk_count"] == 1


@pytest.mark.parametrize(
    ("fields", "word"),
    [
        ({}, "exactly one"),
        ({"text": "x", "silence_s": 1.0}, "exactly one"),
        ({"silence_s": 601.0}, "silence_s"),
        ({"object": "nothing/there.mp3"}, "there is no"),  # object, or folder of objects
        ({"object": "../../etc/passwd"}, "'../../etc/passwd'"),
        ({"upload": "x"}, "uploads"),
        ({"live": "x"}, "'x' is no URL"),
        ({"live": "http://127.0.0.1:9/radio"}, "RHAPSODE_OBJECT_HOSTS"),
        ({"text": "x" * 100_001}, "text"),
        ({"text": "x", "colour": "red"}, "colour"),
        ({"text": "x", "seq": -1}, "seq"),
        ({"text": "x", "seq": True}, "seq"),
    ],
)
def test_an_item_that_is_none_is_refused_in_one_sentence(
    client: httpx.Client, fields: dict[str, object], word: str
) -> None:
    session = opened(client)
    answer = client.post(f"/v1/sessions/{session}/items", json=fields)
    assert answer.status_code == 400
    assert word in answer.json()["error"]
    client.post(f"/v1/sessions/{session}/cancel")


@pytest.mark.parametrize(
    ("form", "word"),
    [
        ({"segment_s": 0.2}, "segment_s"),
        ({"sample_rate_hz": 44_100}, "sample_rate_hz"),
        ({"channels": 2}, "channels"),
        ({"container": "ts"}, "container"),
        ({"bit_rate": 1}, "bit_rate"),
        ({"captions": ["vtt"]}, "captions"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_a_form_that_cannot_be_made_is_refused_by_name(
    client: httpx.Client, form: dict[str, object], word: str
) -> None:
    for body in ({"text": "Hello."}, {"open": True}):
        answer = client.post("/v1/sessions", json={**body, "form": form})
        assert answer.status_code == 400
        assert word in answer.json()["error"]


def test_a_session_has_the_form_it_asked_for(client: httpx.Client, live: Running) -> None:
    session = live.start(
        "This one has longer segments, and none for devices. " * 3,
        form={"segment_s": 3.0, "bit_rate": 64_000, "device": False, "ramp": False},
    )
    live.wait_finished(session)
    playlist = client.get(f"/media/hls/{session}/audio.m3u8").text
    assert "#EXT-X-TARGETDURATION:3" in playlist
    durations = [float(line[8:-1]) for line in playlist.splitlines() if line.startswith("#EXTINF")]
    assert all(abs(seconds - 3.0) < 0.1 for seconds in durations[:-1])
    verify(live, session)


def test_cancelling_ends_a_session_where_its_audio_is(client: httpx.Client, live: Running) -> None:
    session = live.start("This goes on for a long time, on and on. " * 200)
    first = client.get(f"/media/hls/{session}/audio.m3u8")
    assert first.status_code == 200
    assert client.post(f"/v1/sessions/{session}/cancel").status_code == 200
    assert client.post(f"/v1/sessions/{session}/cancel").status_code == 200
    progress = live.wait_finished(session)
    assert (progress["state"], progress["error"]) == ("FAILURE", "cancelled")
    assert int(str(progress["chunk_count"])) < 200
    playlist = client.get(f"/media/hls/{session}/audio.m3u8").text
    assert playlist.endswith("#EXT-X-ENDLIST\n")
    assert len(sound(live, session)) > 0
    verify(live, session)


@pytest.mark.parametrize("verb", ["finish", "cancel", "items"])
def test_what_is_asked_of_a_session_that_is_none_is_not_found(
    client: httpx.Client, verb: str
) -> None:
    answer = client.post(f"/v1/sessions/nobody/{verb}", json={"text": "x"})
    assert answer.status_code == 404
    assert "there is no session nobody" in answer.json()["error"]


async def test_an_object_is_heard_between_texts_in_hls_and_on_a_device(
    client: httpx.Client, live: Running
) -> None:
    folder = live.state / "objects" / "songs"
    folder.mkdir(parents=True, exist_ok=True)
    times_s = np.arange(3 * 44_100) / 44_100
    tone = (9_000 * np.sin(2 * np.pi * TONE_HZ * times_s)).astype(np.int16)
    (folder / "tone.mp3").write_bytes(encoded("mp3", tone, title="A tone"))
    session = opened(client)
    add(client, session, text="Before the tone.")
    add(client, session, object="songs/tone.mp3")
    add(client, session, text="After the tone.", last=True)
    device_url = f"{live.url.replace('http', 'ws', 1)}/xiaozhi/v1/"
    heard = await listen(device_url, session=session)
    progress = live.wait_finished(session)
    assert (progress["state"], progress["degraded"]) == ("SUCCESS", False), live.logs()
    assert 2.8 <= tone_seconds(sound(live, session), 48_000) <= 3.2
    assert heard.complete
    assert 2.8 <= tone_seconds(heard.samples(), 16_000) <= 3.2
    assert heard.sentences[0].startswith("Before")
    assert heard.sentences[-1].startswith("After")
    verify(live, session)


def test_an_object_that_is_broken_ends_early_and_the_session_goes_on(
    client: httpx.Client, live: Running
) -> None:
    folder = live.state / "objects"
    folder.mkdir(parents=True, exist_ok=True)
    whole = encoded("mp3", sweep(44_100, 2.0))
    (folder / "broken.mp3").write_bytes(bytes(reversed(whole)))
    session = opened(client)
    add(client, session, text="Before it.")
    add(client, session, object="broken.mp3")
    add(client, session, text="And after it, as if nothing were.", last=True)
    progress = live.wait_finished(session)
    assert (progress["state"], progress["degraded"]) == ("SUCCESS", True)
    verify(live, session)


def test_several_producers_at_once_lose_and_double_nothing(
    client: httpx.Client, live: Running
) -> None:
    from concurrent.futures import ThreadPoolExecutor

    session = opened(client)

    def produce(producer: int) -> list[int]:
        with httpx.Client(base_url=live.url, timeout=20, trust_env=False) as own:
            return [add(own, session, text=f"{producer} {n}. ") for n in range(10)]

    with ThreadPoolExecutor(4) as pool:
        taken = list(pool.map(produce, range(4)))
    assert sorted(at for positions in taken for at in positions) == list(range(40))
    assert all(later > earlier for one in taken for earlier, later in pairwise(one))
    client.post(f"/v1/sessions/{session}/cancel")
