"""Who asks too often, or sends too slowly, is told so."""

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from rhapsode.ops.callers import Caller
from rhapsode.ops.gateway import limits
from rhapsode.ops.gateway.authentication import CALLER
from rhapsode.ops.gateway.limits import Limits


async def _length(request: Request) -> PlainTextResponse:
    return PlainTextResponse(str(len(await request.body())))


def limited(owner: str, a_second: float = 5.0) -> ASGIApp:
    """Return an application behind limits, whose caller is known."""
    routes = Starlette(routes=[Route("/", _length, methods=["POST"])])
    inner = Limits(routes, a_second=a_second, most_body_bytes=1_000)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        scope[CALLER] = Caller(owner)
        await inner(scope, receive, send)

    return app


async def statuses(app: ASGIApp, count: int) -> list[int]:
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://here") as client:
        return [(await client.post("/", content=b"x")).status_code for _ in range(count)]


async def test_a_key_that_asks_too_often_is_told_to_slow_down(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now_s = 100.0
    monkeypatch.setattr(limits, "monotonic", lambda: now_s)
    app = limited("k")
    assert await statuses(app, 12) == [200] * 10 + [429] * 2
    now_s += 1.0
    assert await statuses(app, 6) == [200] * 5 + [429]
    now_s += 1_000.0
    assert await statuses(app, 11) == [200] * 10 + [429]


async def test_it_is_told_when_to_come_back() -> None:
    transport = httpx.ASGITransport(limited("k", a_second=0.1))
    async with httpx.AsyncClient(transport=transport, base_url="http://here") as client:
        await client.post("/")
        answer = await client.post("/")
    assert answer.status_code == 429
    assert 1 <= int(answer.headers["retry-after"]) <= 10
    assert "0.1 times a second" in answer.json()["error"]


@pytest.mark.parametrize("length", ["1001", "99999999999999"])
async def test_a_body_that_is_said_to_be_too_large_is_not_read(length: str) -> None:
    transport = httpx.ASGITransport(limited("k"))
    async with httpx.AsyncClient(transport=transport, base_url="http://here") as client:
        answer = await client.post("/", content=b"x", headers={"Content-Length": length})
    assert answer.status_code == 413
    assert answer.json() == {"error": "a body may have 1000 bytes: send less"}


async def test_who_needs_no_key_is_not_counted() -> None:
    assert set(await statuses(limited(""), 100)) == {200}


async def test_a_body_that_does_not_arrive_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "BODY_S", 0.1)
    sent: list[Message] = []
    pieces = 0

    async def receive() -> Message:
        nonlocal pieces
        pieces += 1
        await asyncio.sleep(0.02)
        return {"type": "http.request", "body": b"x", "more_body": True}

    async def send(message: Message) -> None:
        sent.append(message)

    scope: Scope = {
        "type": "http",
        "method": "POST",
        "path": "/",
        "raw_path": b"/",
        "query_string": b"",
        "root_path": "",
        "scheme": "http",
        "http_version": "1.1",
        "headers": [(b"host", b"here")],
    }
    await limited("")(scope, receive, send)
    assert sent[0]["status"] == 408
    assert 1 < pieces < 50


async def test_a_body_in_time_is_whole() -> None:
    async def slowly() -> AsyncIterator[bytes]:
        for _ in range(5):
            await asyncio.sleep(0.01)
            yield b"12345"

    transport = httpx.ASGITransport(limited("k"))
    async with httpx.AsyncClient(transport=transport, base_url="http://here") as client:
        assert (await client.post("/", content=slowly())).text == "25"
