"""A file server on a loopback port, with the ways of those on the web: also the bad ones."""

import asyncio
import re
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field


@dataclass(slots=True)
class WebServer:
    """Serves ``files``; what it does otherwise is chosen by the first part of the path."""

    port: int = 0
    files: dict[str, bytes] = field(default_factory=dict[str, bytes])
    version: str = '"one"'
    asked: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    """Path and range of each request."""
    breaks_after: list[int] = field(default_factory=list[int])
    """Bytes after which an answer below ``/breaks/`` breaks off, one by one; then none does."""

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}/{path}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                if not await self._answer(head.decode("latin-1"), writer):
                    break
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def _answer(self, head: str, writer: asyncio.StreamWriter) -> bool:
        path = head.split(" ")[1].lstrip("/").partition("?")[0]
        found = re.search(r"\r\n[Rr]ange: bytes=(\d+)-(\d+)\r\n", head)
        assert found, "a source asks for ranges"
        self.asked.append((path, f"{found[1]}-{found[2]}"))
        way, _, name = path.partition("/")
        if way == "redirects":
            writer.write(_head(302, {"Location": f"/{name}"}))
        elif way == "around":
            writer.write(_head(302, {"Location": f"/{path}"}))
        elif way == "away":
            writer.write(_head(302, {"Location": "http://10.0.0.1/secret"}))
        elif way.isdecimal():
            writer.write(_head(int(way), {}))
        elif way == "silent":
            await asyncio.Event().wait()
        elif name not in self.files:
            writer.write(_head(404, {}))
        else:
            return self._serve_file(way, self.files[name], int(found[1]), int(found[2]), writer)
        return True

    def _serve_file(
        self, way: str, data: bytes, start: int, end: int, writer: asyncio.StreamWriter
    ) -> bool:
        headers = {"ETag": self.version}
        if way == "dated":
            headers = {"Last-Modified": "Mon, 01 Jan 2024 00:00:00 GMT"}
        if way == "encoded":
            headers["Content-Encoding"] = "gzip"
        if way == "plain":
            writer.write(_head(200, headers, len(data)) + data)
            return True
        if start >= len(data):
            writer.write(_head(416, {"Content-Range": f"bytes */{len(data)}"} | headers))
            return True
        piece = data[start : end + 1]
        size = {"sizeless": "*", "vast": "9" * 5_000}.get(way, len(data))
        headers["Content-Range"] = f"bytes {start}-{start + len(piece) - 1}/{size}"
        sent = _head(206, headers, len(piece)) + piece
        breaks = way == "breaks" and self.breaks_after
        if breaks:
            sent = sent[: len(sent) - len(piece) + self.breaks_after.pop(0)]
        writer.write(sent)
        return not breaks


def _head(status: int, headers: dict[str, str], length: int = 0) -> bytes:
    lines = [f"HTTP/1.1 {status} x", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join([*lines, f"Content-Length: {length}", "", ""]).encode("latin-1")


@asynccontextmanager
async def web_server(**files: bytes) -> AsyncGenerator[WebServer]:
    """Serve files for as long as a test takes."""
    served = WebServer(files=files)
    server = await asyncio.start_server(served.serve, "127.0.0.1", 0)
    served.port = server.sockets[0].getsockname()[1]
    try:
        yield served
    finally:
        server.close()
