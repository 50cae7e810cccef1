"""Devices at a running gateway: versions, tokens, resuming, sharing, and peers that mean harm."""

import asyncio
import json
import os
import signal
import threading
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
import websockets
from standins.device_emulator import Emulator
from system import Running, running

from rhapsode.codecs.audio.pcm import to_bytes
from rhapsode.codecs.device.opus import Decoder
from rhapsode.ops.devices.client import listen
from rhapsode.topologies.registry import STAGE_NAMES

pytestmark = pytest.mark.timeout(240)
TEXT = (
    "The keeper lit the lamp, and the light went out over the water. It turned slowly, like "
    "somebody thinking. Every ship that saw it knew where the land was."
)


def at(live: Running, query: str = "") -> str:
    return f"ws://127.0.0.1:{live.port}/xiaozhi/v1/{query}"


@asynccontextmanager
async def device(
    live: Running,
    query: str = "",
    *,
    version: int = 1,
    headers: dict[str, str] | None = None,
    encoding: str = "opus",
) -> AsyncGenerator[websockets.ClientConnection]:
    """Connect and say hello."""
    sent = {"Protocol-Version": str(version)} | (headers or {})
    said = {"type": "hello", "version": version, "audio_params": {"format": encoding}}
    async with websockets.connect(
        at(live, query), additional_headers=sent, compression=None, proxy=None
    ) as connection:
        await connection.send(json.dumps(said))
        hello = json.loads(await asyncio.wait_for(connection.recv(), 10))
        assert (hello["type"], hello["transport"]) == ("hello", "websocket")
        assert hello["audio_params"]["format"] == encoding
        yield connection


async def plays(
    connection: websockets.ClientConnection, emulator: Emulator, *, frames: int | None = None
) -> Emulator:
    """Be a device until `tts stop`, or for so many frames."""
    clock = asyncio.get_running_loop().time
    received = 0
    while not emulator.stops:
        message = await asyncio.wait_for(connection.recv(), 30)
        emulator.receive(message, clock())
        received += isinstance(message, bytes)
        if frames is not None and received >= frames:
            break
    return emulator


async def told(connection: websockets.ClientConnection, kind: str) -> dict[str, Any]:
    """Return the next message of a kind."""
    while True:
        message = await asyncio.wait_for(connection.recv(), 20)
        if isinstance(message, str) and json.loads(message)["type"] == kind:
            return dict(json.loads(message))


def bootstrapped(live: Running, body: str | bytes = "{}") -> httpx.Response:
    known = {"Device-Id": "02:00:00:00:00:10", "Client-Id": "a-client"}
    url = f"{live.url}/xiaozhi/ota/"
    return httpx.post(url, content=body, headers=known, timeout=10, trust_env=False)


@pytest.fixture(scope="module")
def story(live: Running) -> str:
    session = live.start(TEXT)
    live.wait_finished(session)
    return session


async def test_strict_devices_of_every_version_hear_the_same_frames(
    live: Running, story: str
) -> None:
    async def one(version: int, queue: int) -> Emulator:
        async with device(live, f"?session={story}", version=version) as connection:
            return await plays(connection, Emulator(queue, version))

    kinds = [(version, queue) for version in (1, 2, 3) for queue in (5, 10, 40)]
    heard = await asyncio.gather(*(one(*kind) for kind in kinds))
    assert len({tuple(emulator.heard) for emulator in heard}) == 1
    for emulator in heard:
        assert len(emulator.heard) > 50
        assert (emulator.unexpected, emulator.overflown, emulator.cleared) == ([], [], [])
        assert " ".join(text for _, text in emulator.sentences) == TEXT


async def test_a_device_without_a_decoder_hears_the_samples_of_the_same_frames(
    live: Running, story: str
) -> None:
    async def one(encoding: str, version: int) -> Emulator:
        async with device(
            live, f"?session={story}", version=version, encoding=encoding
        ) as connection:
            return await plays(connection, Emulator(version=version))

    opus, *raw = await asyncio.gather(one("opus", 1), one("pcm", 1), one("pcm", 2), one("pcm", 3))
    decoder = Decoder()
    expected = [to_bytes(decoder.decode(packet)) for packet in opus.heard]
    for emulator in raw:
        assert emulator.heard == expected
        assert (emulator.unexpected, emulator.overflown, emulator.cleared) == ([], [], [])


async def test_a_device_that_comes_back_goes_on_where_it_was(live: Running, story: str) -> None:
    name = {"Device-Id": "02:00:00:00:00:20"}
    whole, first, second = Emulator(), Emulator(), Emulator()
    async with device(
        live, f"?session={story}", headers={"Device-Id": "02:00:00:00:00:21"}
    ) as connection:
        await plays(connection, whole)
    async with device(live, f"?session={story}", headers=name) as connection:
        await plays(connection, first, frames=40)
    async with device(live, headers=name) as connection:  # without naming the session
        await plays(connection, second)
    missing = len(whole.heard) - len(second.heard)
    assert second.heard == whole.heard[missing:]
    # it lost what it had not played yet, and hears that again
    assert 25 <= missing <= 40
    async with device(live, headers=name) as connection:  # it has heard it to the end
        await connection.send('{"type":"ping"}')
        assert json.loads(await asyncio.wait_for(connection.recv(), 10))["type"] == "pong"


async def test_a_second_connection_of_a_device_takes_over(live: Running, story: str) -> None:
    name = {"Device-Id": "02:00:00:00:00:22"}
    async with device(live, f"?session={story}", headers=name) as old:
        await plays(old, Emulator(), frames=20)
        async with device(live, headers=name) as new:
            emulator = await plays(new, Emulator())
            assert len(emulator.heard) > 30
        with pytest.raises(websockets.ConnectionClosed):
            await plays(old, Emulator())


async def test_a_request_while_another_sounds_replaces_it_without_a_stop(live: Running) -> None:
    emulator = Emulator()
    async with device(live) as connection:
        await connection.send(json.dumps({"type": "listen", "state": "detect", "text": TEXT}))
        await plays(connection, emulator, frames=20)
        other = "Something else altogether."
        await connection.send(json.dumps({"type": "listen", "state": "detect", "text": other}))
        await plays(connection, emulator)
    assert (emulator.starts, emulator.stops) == (1, 1)
    assert emulator.sentences[-1][1] == other
    assert (emulator.unexpected, emulator.overflown, emulator.cleared) == ([], [], [])


async def test_it_finds_the_tools_of_a_device_page_by_page(live: Running) -> None:
    async with websockets.connect(at(live), compression=None, proxy=None) as connection:
        await connection.send('{"type":"hello","features":{"mcp":true}}')
        first = (await told(connection, "mcp"))["payload"]
        assert first["method"] == "initialize"
        await answer(connection, first, {"protocolVersion": "2024-11-05"})
        cursors: list[str] = []
        for cursor in ("more", ""):
            asked = (await told(connection, "mcp"))["payload"]
            assert asked["method"] == "tools/list"
            cursors.append(asked["params"]["cursor"])
            await answer(connection, asked, {"tools": [{"name": "t"}], "nextCursor": cursor})
    assert cursors == ["", "more"]


async def answer(
    connection: websockets.ClientConnection, asked: dict[str, Any], result: dict[str, Any]
) -> None:
    payload = {"jsonrpc": "2.0", "id": asked["id"], "result": result}
    await connection.send(json.dumps({"type": "mcp", "payload": payload}))


HOSTILE = [
    '{"type":"listen","state":"detect","text":"\\ud800"}',
    '{"type":"listen","state":"detect","text":{"a":1}}',
    "[" * 5_000,
    '{"type":"hello"',
    "\x00\x01",
    '{"type":"mcp","payload":' + '{"a":' * 100 + "1" + "}" * 101,
    json.dumps({"type": "listen", "state": "detect", "text": "x" * 16_001}),
]


@pytest.mark.parametrize("message", HOSTILE)
async def test_what_is_not_understood_is_told_and_the_device_stays(
    live: Running, message: str
) -> None:
    async with device(live) as connection:
        await connection.send(message)
        assert "not understood" in (await told(connection, "alert"))["message"]
        await connection.send('{"type":"ping"}')
        assert (await told(connection, "pong"))["type"] == "pong"


async def test_too_many_requests_start_few_sessions_and_end_the_connection(live: Running) -> None:
    before = listed(live)
    said = {"type": "listen", "state": "detect"}
    requests = [json.dumps(said | {"text": f"Request {number}."}) for number in range(1_000)]
    async with device(live) as connection:
        with pytest.raises(websockets.ConnectionClosed) as closed:
            await sends(connection, *requests)
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1008
    assert listed(live) - before <= 10


def listed(live: Running) -> int:
    answer = httpx.get(f"{live.url}/v1/sessions?limit=100", timeout=10, trust_env=False)
    return len(answer.json()["sessions"])


async def sends(connection: websockets.ClientConnection, *messages: str | bytes) -> None:
    """Send all of them, and wait for an answer that never comes."""
    for message in messages:
        await connection.send(message)
    await told(connection, "nothing")


@pytest.mark.parametrize("flood", [b"\x00" * 200, b"\xff" * 60_000])
async def test_a_flood_ends_its_own_connection_and_disturbs_nobody(
    live: Running, story: str, flood: bytes
) -> None:
    speaking = threading.Event()

    async def listener() -> Emulator:
        async with device(live, f"?session={story}") as connection:
            emulator = await plays(connection, Emulator(), frames=20)
            speaking.set()
            return await plays(connection, emulator)

    # in a thread of its own, or the flood's own event loop would be what is late
    listening = asyncio.create_task(asyncio.to_thread(asyncio.run, listener()))
    await asyncio.to_thread(speaking.wait, 30)
    async with device(live) as bad:
        with pytest.raises(websockets.ConnectionClosed):
            await sends(bad, *[flood] * 5_000)
    emulator = await listening
    assert (emulator.unexpected, emulator.overflown, emulator.cleared) == ([], [], [])
    assert len(emulator.heard) > 50


async def test_a_megabyte_is_more_than_a_device_may_send(live: Running) -> None:
    async with device(live) as connection:
        with pytest.raises(websockets.ConnectionClosed) as closed:
            await sends(connection, "x" * 1_000_000)
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1009


async def test_whoever_says_no_hello_or_speaks_another_version_is_sent_away(live: Running) -> None:
    for first, version, reason in (
        ('{"type":"ping"}', "1", "hello"),
        (b"\x00", "1", "hello"),
        ('{"type":"hello","version":7}', "1", "between 1 and 3"),
        ('{"type":"hello"}', "9", "send 1, 2 or 3"),
    ):
        headers = {"Protocol-Version": version}
        async with websockets.connect(
            at(live), additional_headers=headers, proxy=None
        ) as connection:
            with pytest.raises(websockets.ConnectionClosed) as closed:
                await sends(connection, first)
        assert closed.value.rcvd is not None
        assert reason in closed.value.rcvd.reason


def test_ota_tells_a_device_where_to_connect(live: Running) -> None:
    body = json.dumps({"application": {"version": "1.9.3"}, "chip_model_name": "esp32s3"})
    answered = bootstrapped(live, body)
    reply = answered.json()
    assert answered.status_code == 200
    assert reply["firmware"] == {"version": "1.9.3", "url": ""}
    assert set(reply) == {"server_time", "firmware", "websocket"}
    assert (reply["websocket"]["url"], reply["websocket"]["version"]) == (at(live), 1)
    small = bootstrapped(live, '{"chip_model_name":"esp32c3"}').json()
    assert small["websocket"]["url"] == at(live, "?lead=2")
    for path in ("/xiaozhi/ota", "/xiaozhi/ota/"):
        with httpx.Client(base_url=live.url, trust_env=False, timeout=10) as client:
            assert at(live) in client.get(path).text
            assert client.options(path).status_code == 204


@pytest.mark.parametrize(
    "body", ["[]", "{", "[" * 9_000, '{"board":7}', '"x"', b"\xff", "x" * 200_000]
)
def test_a_report_that_is_none_is_refused_in_a_sentence(live: Running, body: str | bytes) -> None:
    answered = bootstrapped(live, body)
    assert answered.status_code == 400
    assert len(answered.json()["error"]) > 10


async def test_a_token_is_good_for_its_device_alone(live: Running) -> None:
    token = bootstrapped(live).json()["websocket"]["token"]
    mine = {"Device-Id": "02:00:00:00:00:10", "Client-Id": "a-client"}
    async with device(live, headers={"Authorization": f"Bearer {token}"} | mine):
        pass
    query = f"?authorization=Bearer+{token}&device-id=02:00:00:00:00:10&client-id=a-client"
    async with device(live, query):
        pass
    others = mine | {"Device-Id": "02:00:00:00:00:11"}
    changed = ("B" if token[0] == "A" else "A") + token[1:]
    for wrong, ids in ((token, others), (changed, mine), ("nonsense", mine)):
        with pytest.raises(websockets.InvalidStatus) as refused:
            async with device(live, headers={"Authorization": f"Bearer {wrong}"} | ids):
                pass
        assert refused.value.response.status_code in (401, 403)


async def test_a_killed_gateway_is_replaced_and_its_devices_go_on(tmp_path: Any) -> None:
    with running(tmp_path / "state", separate=True) as system:
        gateway = system.spawn("gateway", "gateway")
        system.spawn("worker", "worker", *STAGE_NAMES)
        system.wait_ready()
        session = system.start(TEXT)
        name = {"Device-Id": "02:00:00:00:00:30"}
        async with device(system, f"?session={session}", headers=name) as connection:
            await plays(connection, Emulator(), frames=30)
            os.kill(gateway.pid, signal.SIGKILL)
            with pytest.raises(websockets.ConnectionClosed):
                await plays(connection, Emulator())
        gateway.wait()
        system.spawn("again", "gateway")
        system.wait_ready()
        heard = await listen(at(system), session=session)
        assert heard.complete
        assert " ".join(heard.sentences) == TEXT
