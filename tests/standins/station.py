"""A radio station on a loopback port: a stand-in that answers as Icecast does, and worse."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

STEP_BYTES = 2_000


@dataclass(slots=True)
class Station:
    """Sends ``sound`` to whoever connects; how is chosen by the path."""

    sound: bytes
    port: int = 0
    connections: list[str] = field(default_factory=list[str])
    """Path of each."""
    breaks_after_bytes: int = 0
    """Below ``/breaks``: how much is sent before the connection is cut."""
    gone: bool = False
    """Below ``/breaks``: whether nothing more is answered."""
    listeners: int = 0
    """Connections that are open."""
    pause_s: float = 0.001
    """Between two steps of what goes on for ever."""

    def name(self, path: str = "") -> str:
        return f"live+http://127.0.0.1:{self.port}/{path}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.listeners += 1
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            path = head.split(" ")[1].lstrip("/")
            self.connections.append(path)
            await self._answer(path, reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self.listeners -= 1
            writer.close()

    async def _answer(
        self, path: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        if path.isdecimal():
            writer.write(_head(int(path)))
        elif path == "playlist":
            writer.write(_head(200, "Content-Type: audio/x-mpegurl") + b"#EXTM3U\n")
        elif path == "page":
            writer.write(_head(200, "Content-Type: text/html") + b"<html>" + b"no sound " * 5_000)
        elif path == "dumb":
            writer.write(_head(200, "icy-name: dumb"))
            await writer.drain()
            await reader.read()  # until the listener has gone
        elif path == "broadcast":
            writer.write(_head(200) + self.sound)
        elif path == "breaks" and self.gone:
            return
        elif path == "breaks":
            writer.write(_head(200, "icy-name: breaks") + self.sound[: self.breaks_after_bytes])
        else:
            writer.write(_head(200, "icy-name: for ever"))
            await self._for_ever(writer)
        await writer.drain()

    async def _for_ever(self, writer: asyncio.StreamWriter) -> None:
        while True:
            for start in range(0, len(self.sound), STEP_BYTES):
                writer.write(self.sound[start : start + STEP_BYTES])
                await writer.drain()
                await asyncio.sleep(self.pause_s)


def _head(status: int, *headers: str) -> bytes:
    lines = [f"HTTP/1.0 {status} x", "Content-Type: audio/mpeg", *headers, "", ""]
    return "\r\n".join(lines).encode("latin-1")


@asynccontextmanager
async def station(sound: bytes) -> AsyncGenerator[Station]:
    """Be on the air for as long as a test takes."""
    found = Station(sound)
    server = await asyncio.start_server(found.serve, "127.0.0.1", 0)
    found.port = server.sockets[0].getsockname()[1]
    try:
        yield found
    finally:
        server.close()
