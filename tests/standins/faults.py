"""Faults of a stand-in service: one for each request, in order."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Literal

from aiohttp import web

Fault = Literal[
    "", "400", "401", "429", "500", "503", "slow", "empty", "broken", "truncated", "reset"
]


class Faults:
    """The faults of coming requests; setting ``release`` ends slow answers."""

    def __init__(self) -> None:
        self.coming: deque[Fault] = deque()
        self.release = asyncio.Event()
        self.retry_after_s = 0

    def next(self) -> Fault:
        """Return the fault of the next request; empty for none."""
        return self.coming.popleft() if self.coming else ""

    async def before(self, fault: Fault, request: web.Request) -> web.Response | None:
        """Return the answer of a fault that replaces the whole answer; else None."""
        if fault.isdigit():
            headers = {"Retry-After": str(self.retry_after_s)} if fault == "429" else {}
            return web.Response(
                status=int(fault), text=f"the stand-in answers {fault}", headers=headers
            )
        if fault == "slow":
            await self.release.wait()
        if fault == "reset":
            assert request.transport is not None
            request.transport.abort()
            return web.Response()
        return None


async def cut_short(request: web.Request, body: bytes, content_type: str) -> web.StreamResponse:
    """Announce the length of a body, send half of it and close the connection."""
    response = web.StreamResponse(headers={"Content-Type": content_type})
    response.content_length = len(body)
    await response.prepare(request)
    await response.write(body[: len(body) // 2])
    assert request.transport is not None
    request.transport.close()
    return response


@asynccontextmanager
async def serving(app: web.Application) -> AsyncGenerator[str, None]:
    """Serve on a free port of the loopback interface; yield the URL."""
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        await runner.cleanup()
