"""A radio station in a session, on real processes: heard as it comes, left, verified."""

import asyncio
import threading
from collections.abc import Generator, Iterator
from contextlib import contextmanager

import httpx
import numpy as np
import pytest
from open_session import TONE_HZ, add, opened, sound, tone_seconds, verify
from sample_audio import encoded
from standins.station import STEP_BYTES, Station, station
from system import Running, running

pytestmark = pytest.mark.timeout(180)
RATE_HZ = 44_100
SECONDS = 10.0
HEARD_S = 6.0


@contextmanager
def on_air(sound_: bytes, seconds: float) -> Generator[Station]:
    """Be on the air from a thread, at the speed of the sound."""
    stations: list[Station] = []
    ready, over = threading.Event(), threading.Event()

    async def serve() -> None:
        async with station(sound_) as found:
            found.pause_s = seconds * STEP_BYTES / len(sound_)
            stations.append(found)
            ready.set()
            await asyncio.to_thread(over.wait)

    thread = threading.Thread(target=lambda: asyncio.run(serve()), name="station")
    thread.start()
    assert ready.wait(10)
    try:
        yield stations[0]
    finally:
        over.set()
        thread.join(10)


@pytest.fixture(scope="module")
def radio() -> Iterator[Station]:
    times_s = np.arange(round(SECONDS * RATE_HZ)) / RATE_HZ
    tone = (9_000 * np.sin(2 * np.pi * TONE_HZ * times_s)).astype(np.int16)
    with on_air(encoded("mp3", tone), SECONDS) as found:
        yield found


@pytest.fixture(scope="module")
def system(radio: Station, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    state = tmp_path_factory.mktemp("live") / "state"
    with running(state, object_hosts=f"127.0.0.1:{radio.port}") as system:
        yield system


def test_a_station_is_heard_between_words_until_its_session_is_cancelled(
    system: Running, radio: Station
) -> None:
    with httpx.Client(base_url=system.url, timeout=20, trust_env=False) as client:
        session = opened(client)
        add(client, session, text="Now some radio.")
        add(client, session, live=radio.name("radio").removeprefix("live+"))
        published = client.get(f"/media/hls/{session}/audio.m3u8")
        assert published.status_code == 200
        system.wait_until(lambda: float(str(system.progress(session)["published_s"])) > HEARD_S)
        assert system.progress(session)["state"] == "PROGRESS"
        client.post(f"/v1/sessions/{session}/cancel")
        assert system.wait_finished(session)["error"] == "cancelled"
        system.wait_until(lambda: radio.listeners == 0)
    assert tone_seconds(sound(system, session), 48_000) > HEARD_S - 3.0
    verify(system, session)


def test_a_station_that_is_away_is_refused_before_the_session_takes_it(
    system: Running, radio: Station
) -> None:
    with httpx.Client(base_url=system.url, timeout=20, trust_env=False) as client:
        session = opened(client)
        for path, why in (("404", "answers 404"), ("playlist", "sends a playlist")):
            url = radio.name(path).removeprefix("live+")
            answer = client.post(f"/v1/sessions/{session}/items", json={"live": url})
            assert answer.status_code == 400
            assert why in answer.json()["error"]
        client.post(f"/v1/sessions/{session}/cancel")
