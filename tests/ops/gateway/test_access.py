"""Foreign hosts and pages of foreign origins get nothing but media."""

from collections.abc import AsyncIterator

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute
from starlette.types import Message, Scope
from starlette.websockets import WebSocket

from rhapsode.ops.gateway.access import Access

OWN = "127.0.0.1:8080"


async def _text(_: Request) -> PlainTextResponse:
    return PlainTextResponse("here")


async def _socket(socket: WebSocket) -> None:
    await socket.accept()
    await socket.send_text("here")
    await socket.close()


def guarded() -> Access:
    app = Starlette(
        routes=[
            Route("/v1/sessions", _text, methods=["GET", "POST"]),
            Route("/media/hls/{name:path}", _text, methods=["GET"]),
            WebSocketRoute("/v1/stream", _socket),
        ]
    )
    return Access(
        app,
        media_prefix="/media/hls",
        hosts=["audio.example"],
        origins=["https://app.example"],
    )


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(guarded())
    async with httpx.AsyncClient(transport=transport, base_url=f"http://{OWN}") as client:
        yield client


@pytest.mark.parametrize(
    "host", [OWN, "localhost:8080", "LOCALHOST", "[::1]:8080", "192.168.1.7", "Audio.Example:80"]
)
@pytest.mark.parametrize("path", ["/v1/sessions", "/media/hls/s/audio.m3u8"])
async def test_addresses_localhost_and_listed_names_are_served(
    client: httpx.AsyncClient, host: str, path: str
) -> None:
    assert (await client.get(path, headers={"Host": host})).status_code == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8080", "localhost.evil.example", "127.0.0.1.evil", ""]
)
@pytest.mark.parametrize("path", ["/v1/sessions", "/media/hls/s/audio.m3u8"])
async def test_a_name_that_was_rebound_gets_nothing(
    client: httpx.AsyncClient, host: str, path: str
) -> None:
    answer = await client.get(path, headers={"Host": host})
    assert answer.status_code == 403
    assert "RHAPSODE_ALLOWED_HOSTS" in answer.json()["error"]


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://127.0.0.1:9999"])
async def test_a_page_of_another_origin_may_not_post(
    client: httpx.AsyncClient, origin: str
) -> None:
    answer = await client.post("/v1/sessions", headers={"Origin": origin})
    assert answer.status_code == 403
    assert "RHAPSODE_ALLOWED_ORIGINS" in answer.json()["error"]


@pytest.mark.parametrize("origin", [f"http://{OWN}", "https://app.example", "https://APP.example"])
async def test_own_and_listed_pages_may_post_and_so_may_programs(
    client: httpx.AsyncClient, origin: str
) -> None:
    answer = await client.post("/v1/sessions", headers={"Origin": origin})
    assert answer.status_code == 200
    assert (await client.post("/v1/sessions")).status_code == 200


async def test_other_pages_may_play_media_and_read_nothing_else(client: httpx.AsyncClient) -> None:
    evil = {"Origin": "http://evil.example"}
    media = await client.get("/media/hls/s/audio.m3u8", headers=evil)
    assert media.headers["access-control-allow-origin"] == "*"
    listed = await client.get("/v1/sessions", headers=evil)
    assert "access-control-allow-origin" not in listed.headers
    asked = evil | {"Access-Control-Request-Method": "POST"}
    preflight = await client.options("/v1/sessions", headers=asked)
    assert "access-control-allow-origin" not in preflight.headers
    app = {"Origin": "https://app.example"}
    answer = await client.get("/v1/sessions", headers=app)
    assert answer.headers["access-control-allow-origin"] == "https://app.example"


async def connected(**headers: str) -> list[Message]:
    """Return what the application sends to somebody who opens a socket."""
    fields = {"host": OWN} | headers
    scope: Scope = {
        "type": "websocket",
        "path": "/v1/stream",
        "raw_path": b"/v1/stream",
        "query_string": b"",
        "root_path": "",
        "scheme": "ws",
        "subprotocols": [],
        "headers": [(name.encode(), value.encode()) for name, value in fields.items()],
    }
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "websocket.connect"}

    async def send(message: Message) -> None:
        sent.append(message)

    await guarded()(scope, receive, send)
    return sent


@pytest.mark.parametrize(
    "headers", [{}, {"origin": f"http://{OWN}"}, {"origin": "https://app.example"}]
)
async def test_own_pages_and_programs_get_a_socket(headers: dict[str, str]) -> None:
    sent = await connected(**headers)
    assert [message["type"] for message in sent][:2] == ["websocket.accept", "websocket.send"]


@pytest.mark.parametrize(
    "headers", [{"origin": "http://evil.example"}, {"origin": "null"}, {"host": "evil.example"}]
)
async def test_other_pages_and_rebound_names_get_no_socket(headers: dict[str, str]) -> None:
    (closed,) = await connected(**headers)
    assert (closed["type"], closed["code"]) == ("websocket.close", 1008)
