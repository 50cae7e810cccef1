"""Connections that do not say what they want are closed; those that do are served."""

import asyncio
import socket
from collections.abc import AsyncIterator

import pytest
import uvicorn
from fastapi import FastAPI, WebSocket
from websockets.asyncio.client import connect

from rhapsode.ops.gateway import connections
from rhapsode.ops.gateway.connections import HttpProtocol, WebSocketProtocol

WAIT_S = 20.0
UPGRADE = (
    b"Host: here\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
)


@pytest.fixture
async def port() -> AsyncIterator[int]:
    """Give the port of an application behind the gateway's protocols."""
    app = FastAPI()

    async def words() -> str:
        return "words"

    async def echo(peer: WebSocket) -> None:
        await peer.accept()
        await peer.send_text(await peer.receive_text())

    app.add_api_route("/", words, methods=["GET", "POST"])
    app.add_api_websocket_route("/echo", echo)
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(app, http=HttpProtocol, ws=WebSocketProtocol, log_level="warning")
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve([listener]))
    yield listener.getsockname()[1]
    server.should_exit = True
    await serving


async def told(port: int, *sent: bytes) -> bytes:
    """Send pieces, each after something was answered to the one before; return all answers."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    answers = b""
    async with asyncio.timeout(WAIT_S):
        for piece in sent[:-1]:
            writer.write(piece)
            answers += await reader.readuntil(b'"words"')
        writer.write(sent[-1])
        answers += await reader.read()
    writer.close()
    return answers


async def test_a_head_that_does_not_come_to_its_end_is_waited_for_only_so_long(
    port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "HEADERS_S", 0.2)
    assert await told(port, b"") == b""
    assert await told(port, b"GET / HTTP/1.1\r\nHost: he") == b""


async def test_nor_is_one_of_a_later_request(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "HEADERS_S", 0.2)
    whole = b"GET / HTTP/1.1\r\nHost: here\r\n\r\n"
    answers = await told(port, whole, whole, b"GET / HT")
    assert answers.count(b"200 OK") == 2


@pytest.mark.parametrize("method", [b"GET", b"POST"])
@pytest.mark.parametrize(
    "odd",
    [
        b"Content-Length: 4\r\n\r\nbody",
        b"Transfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n",
        b"".join(b"X-%d: y\r\n" % number for number in range(200)) + b"\r\n",
    ],
    ids=["body", "chunks", "headers"],
)
async def test_a_handshake_that_is_none_is_answered_and_closed(
    port: int, method: bytes, odd: bytes
) -> None:
    answer = await told(port, method + b" /echo HTTP/1.1\r\n" + UPGRADE + odd)
    assert answer.startswith((b"HTTP/1.1 400 ", b"HTTP/1.1 431 "))


async def test_a_socket_outlives_the_time_for_a_head(
    port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "HEADERS_S", 0.2)
    async with connect(f"ws://127.0.0.1:{port}/echo", proxy=None) as peer:
        # another connection, begun later, is given up: so the time is over for this one, too
        assert await told(port, b"") == b""
        await peer.send("still here")
        assert await peer.recv() == "still here"
