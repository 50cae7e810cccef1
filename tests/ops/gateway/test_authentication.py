"""Beyond this machine a key is needed, and what belongs to another key is not there."""

from dataclasses import dataclass

import httpx
import pytest
from standins.in_memory import System
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute
from starlette.types import Message, Scope
from starlette.websockets import WebSocket

from rhapsode.codecs.records import Session
from rhapsode.ops.callers import Caller, Callers, new_key
from rhapsode.ops.gateway.authentication import Authentication, caller_of, is_loopback
from rhapsode.storage.memory.access_keys import MemoryAccessKeys

FAR, NEAR = "192.0.2.7", "127.0.0.1"
OPEN = ["/", "/healthz", "/page/page.js", "/media/hls/s/audio.m3u8", "/openapi.json"]
CLOSED = ["/v1/sessions", "/v1/sessions/hers", "/metrics", "/audiostream/task-status/hers/"]


async def _text(request: Request) -> PlainTextResponse:
    return PlainTextResponse(caller_of(request).owner)


async def _socket(socket: WebSocket) -> None:
    await socket.accept()
    await socket.send_text(caller_of(socket).owner)
    await socket.close()


@dataclass
class Guarded:
    """A gateway of two keys, of which each has a session."""

    app: Authentication
    callers: Callers
    hers: str
    his: str
    her_id: str

    async def get(
        self, path: str, client: str = FAR, method: str = "GET", **headers: str
    ) -> httpx.Response:
        transport = httpx.ASGITransport(self.app, client=(client, 1234))
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as http:
            fields = {name.replace("_", "-"): value for name, value in headers.items()}
            return await http.request(method, path, headers=fields)


async def guarded_by(*, always: bool = False) -> Guarded:
    system, keys = System(), MemoryAccessKeys()
    await system.declare()
    (her, hers), (him, his) = new_key("her"), new_key("him")
    for key, session in ((her, "hers"), (him, "his")):
        await keys.add(key)
        await system.append([Session(session=session, owner=key.id, last=True)])
    app = Starlette(
        routes=[
            Route("/{name:path}", _text, methods=["GET", "POST"]),
            WebSocketRoute("/v1/stream", _socket),
            WebSocketRoute("/xiaozhi/v1/", _socket),
        ]
    )
    callers = Callers(keys)
    journal = system.journal
    middleware = Authentication(
        app, callers=callers, journal=journal, media_prefix="/media/hls", always=always
    )
    return Guarded(middleware, callers, hers, his, her.id)


@pytest.fixture
async def guarded() -> Guarded:
    return await guarded_by()


@pytest.mark.parametrize("path", CLOSED)
async def test_from_afar_nothing_is_given_without_a_key(guarded: Guarded, path: str) -> None:
    answer = await guarded.get(path)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    assert "rhapsode keys add" in answer.json()["error"]


@pytest.mark.parametrize("path", OPEN)
async def test_media_the_page_and_health_need_no_key(guarded: Guarded, path: str) -> None:
    assert (await guarded.get(path)).status_code == 200


@pytest.mark.parametrize("path", CLOSED)
async def test_on_this_machine_no_key_is_needed(guarded: Guarded, path: str) -> None:
    answer = await guarded.get(path, NEAR)
    assert (answer.status_code, answer.text) == (200, "")


@pytest.mark.parametrize("header", ["X_Forwarded_For", "Forwarded", "X_Real_IP", "Via"])
async def test_behind_a_proxy_on_this_machine_a_key_is_needed(
    guarded: Guarded, header: str
) -> None:
    assert (await guarded.get("/v1/sessions", NEAR, **{header: "1.2.3.4"})).status_code == 401


async def test_where_everybody_needs_a_key_so_does_who_is_on_this_machine() -> None:
    guarded = await guarded_by(always=True)
    assert (await guarded.get("/v1/sessions", NEAR)).status_code == 401
    answer = await guarded.get("/v1/sessions", NEAR, Authorization=f"Bearer {guarded.hers}")
    assert answer.status_code == 200


@pytest.mark.parametrize("client", [NEAR, FAR])
async def test_a_key_tells_who_calls_and_a_wrong_one_is_refused_everywhere(
    guarded: Guarded, client: str
) -> None:
    by_bearer = await guarded.get("/v1/sessions", client, Authorization=f"bearer {guarded.hers}")
    by_header = await guarded.get("/v1/sessions", client, X_API_Key=guarded.hers)
    for answer in (by_bearer, by_header):
        assert (answer.status_code, answer.text) == (200, guarded.her_id)
    in_address = await guarded.get(f"/v1/sessions?token={guarded.hers}", client)
    assert in_address.status_code == 401, "addresses are written into logs"
    of_a_device = await guarded.get(f"/xiaozhi/ota/?token={guarded.hers}", client)
    assert of_a_device.status_code == 200, "it has nothing else to show"
    for wrong in (guarded.hers + "x", "rk_", "rt_x.y", "nonsense"):
        answer = await guarded.get("/v1/sessions", client, Authorization=f"Bearer {wrong}")
        assert answer.status_code == 401


@pytest.mark.parametrize(
    "path",
    [
        "/v1/sessions/{}",
        "/v1/sessions/{}/events",
        "/audiostream/task-status/{}/",
        "/xiaozhi/v1/?session={}",
    ],
)
async def test_what_is_anothers_is_not_there(guarded: Guarded, path: str) -> None:
    his = {"Authorization": f"Bearer {guarded.his}"}
    assert (await guarded.get(path.format("his"), **his)).status_code == 200
    answer = await guarded.get(path.format("hers"), **his)
    assert (answer.status_code, answer.json()["error"]) == (404, "there is no session hers")
    nobodys = await guarded.get(path.format("nobodys"), **his)
    assert nobodys.status_code == 200  # whoever answers says that there is none


async def test_a_token_for_a_session_is_good_for_that_alone(guarded: Guarded) -> None:
    token = await guarded.callers.token(Caller(guarded.her_id), 60, "hers")
    assert (await guarded.get(f"/v1/sessions/hers/events?token={token}")).status_code == 200
    assert (await guarded.get(f"/v1/sessions/his?token={token}")).status_code == 404
    assert (await guarded.get(f"/v1/sessions?token={token}")).status_code == 401
    assert (await guarded.get(f"/v1/tokens?token={token}", method="POST")).status_code == 401
    for path in ("/v1/sessions", "/v1/stream", "/metrics"):
        assert (await guarded.get(f"{path}?session=hers&token={token}")).status_code == 401
    assert (await guarded.get(f"/xiaozhi/v1/?session=hers&token={token}")).status_code == 200


async def connected(guarded: Guarded, query: str = "") -> list[Message]:
    """Return what is sent to somebody far away who opens a socket."""
    scope: Scope = {
        "type": "websocket",
        "path": "/v1/stream",
        "raw_path": b"/v1/stream",
        "query_string": query.encode(),
        "root_path": "",
        "scheme": "ws",
        "subprotocols": [],
        "client": (FAR, 1234),
        "headers": [(b"host", b"127.0.0.1")],
    }
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "websocket.connect"}

    async def send(message: Message) -> None:
        sent.append(message)

    await guarded.app(scope, receive, send)
    return sent


async def test_a_socket_needs_a_key_too(guarded: Guarded) -> None:
    (closed,) = await connected(guarded)
    assert (closed["type"], closed["code"]) == ("websocket.close", 1008)
    token = await guarded.callers.token(Caller(guarded.her_id), 60)
    sent = await connected(guarded, f"token={token}")
    assert [message.get("text") for message in sent][1] == guarded.her_id


async def test_a_query_of_a_million_fields_is_nobodys(guarded: Guarded) -> None:
    answer = await guarded.get("/v1/sessions?" + "&".join(f"a{n}=1" for n in range(2_000)))
    assert answer.status_code == 401


NOT_HERE = ["0.0.0.0", "::", "10.0.0.1", "audio.example"]


def test_loopback_is_told_from_the_rest() -> None:
    for address in ("127.0.0.1", "::1", "127.1.2.3", "localhost", ""):
        assert is_loopback(address)
    assert not any(map(is_loopback, NOT_HERE))
