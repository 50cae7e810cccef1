"""A radio station and a microphone in a session, on real processes: heard as it comes, verified."""

import asyncio
import json
import threading
from collections.abc import AsyncGenerator, Generator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import httpx
import numpy as np
import pytest
import websockets
from open_session import TONE_HZ, add, opened, sound, tone_seconds, verify
from sample_audio import encoded, encoded_as
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


MICROPHONE_S = 4.0


@asynccontextmanager
async def stream(system: Running) -> AsyncGenerator[websockets.ClientConnection]:
    url = system.url.replace("http", "ws", 1) + "/v1/stream"
    async with websockets.connect(url, proxy=None, open_timeout=20) as connection:
        yield connection


async def told(connection: websockets.ClientConnection, kind: str) -> dict[str, Any]:
    """Return the next message of a type."""
    async with asyncio.timeout(60):
        while True:
            message: dict[str, Any] = json.loads(await connection.recv())
            if message["type"] == kind:
                return message


def recording() -> list[bytes]:
    """Return a recording as a browser's recorder gives it: WebM, in pieces."""
    times_s = np.arange(round(MICROPHONE_S * 48_000)) / 48_000
    tone = (9_000 * np.sin(2 * np.pi * TONE_HZ * times_s)).astype(np.int16)
    data = encoded_as("webm", "libopus", 48_000, tone)
    return [data[start : start + 2_000] for start in range(0, len(data), 2_000)]


async def test_a_microphone_is_heard_between_words(system: Running) -> None:
    async with stream(system) as connection:
        await connection.send(json.dumps({"type": "open"}))
        session = (await told(connection, "session"))["session_id"]
        await connection.send(json.dumps({"type": "text", "text": "Now my voice.", "end": True}))
        await connection.send(json.dumps({"type": "sound"}))
        assert (await told(connection, "sound"))["seq"] == 1
        for piece in recording():
            await connection.send(piece)
        await connection.send(json.dumps({"type": "sound_end"}))
        await connection.send(json.dumps({"type": "text", "text": "That was it.", "last": True}))
        await told(connection, "done")
    progress = await asyncio.to_thread(system.wait_finished, session)
    assert (progress["state"], progress["error"]) == ("SUCCESS", "")
    seconds = await asyncio.to_thread(lambda: tone_seconds(sound(system, session), 48_000))
    assert abs(seconds - MICROPHONE_S) < 0.3
    await asyncio.to_thread(verify, system, session)


async def test_a_microphone_that_is_cut_off_ends_where_it_was(system: Running) -> None:
    async with stream(system) as connection:
        await connection.send(json.dumps({"type": "open"}))
        session = (await told(connection, "session"))["session_id"]
        await connection.send(json.dumps({"type": "sound", "last": True}))
        await told(connection, "sound")
        for piece in recording():
            await connection.send(piece)
        await connection.send(json.dumps({"type": "nothing"}))  # its answer comes behind them
        await told(connection, "error")
    progress = await asyncio.to_thread(system.wait_finished, session)
    assert (progress["state"], progress["error"]) == ("SUCCESS", "")
    seconds = await asyncio.to_thread(lambda: tone_seconds(sound(system, session), 48_000))
    assert abs(seconds - MICROPHONE_S) < 0.3


async def test_sound_that_nobody_announced_or_that_is_none_is_refused_in_one_sentence(
    system: Running,
) -> None:
    async with stream(system) as connection:
        await connection.send(json.dumps({"type": "open"}))
        await told(connection, "session")
        await connection.send(b"sound")
        assert "send one of the type 'sound' first" in (await told(connection, "error"))["error"]
        await connection.send(json.dumps({"type": "sound"}))
        await told(connection, "sound")
        await connection.send(json.dumps({"type": "sound"}))
        assert "end the sound" in (await told(connection, "error"))["error"]
        await connection.send(b"no sound at all " * 1_000)
        await connection.send(json.dumps({"type": "sound_end"}))
        assert "audio file" in (await told(connection, "item_failed"))["error"]
        await connection.send(json.dumps({"type": "cancel"}))
        await told(connection, "failed")
