"""How much one caller may ask for, and how long a request may take to arrive."""

import asyncio
from collections import OrderedDict
from dataclasses import dataclass
from math import ceil
from time import monotonic

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .answers import refused
from .authentication import CALLER

BODY_S = 30.0
"""For the whole body of a request, however slowly it comes."""
BURST_S = 2.0
"""A caller that was silent may ask for so many seconds' worth at once."""
MOST_CALLERS = 10_000
TRY_AGAIN_LATER = 1013
"""Registered by IANA for RFC 6455, section 7.4.2."""


@dataclass(slots=True)
class _Bucket:
    """A token bucket: requests that a caller may make now."""

    requests: float
    at_s: float


class Limits:
    """ASGI middleware: 429 for callers that ask too often, 408 for bodies that do not arrive.

    Whoever needs no key, on this machine, is not counted; nor are media, which caches and players
    fetch for many.

    Args:
        app: The gateway, behind authentication.
        a_second: Requests and sockets of one key in a second, in the long run.
        most_body_bytes: What a request may say that its body has. One that says nothing is counted
            as it comes, by whoever reads it.
    """

    def __init__(self, app: ASGIApp, *, a_second: float, most_body_bytes: int) -> None:
        self._app = app
        self._most_body_bytes = most_body_bytes
        self._a_second = a_second
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        caller = scope.get(CALLER)
        wait_s = self._wait_s(caller.owner) if caller is not None and caller.owner else 0.0
        if not wait_s and _declared_bytes(scope) > self._most_body_bytes:
            message = f"a body may have {self._most_body_bytes} bytes: send less"
            await refused(413, message)(scope, receive, send)
        elif not wait_s:
            timely = _Timely(receive) if scope["type"] == "http" else receive
            await self._app(scope, timely, send)
        elif scope["type"] == "http":
            response = refused(
                429, f"this key may ask {self._a_second:g} times a second: slow down"
            )
            response.headers["Retry-After"] = str(ceil(wait_s))
            await response(scope, receive, send)
        else:
            reason = "this key asks too often: slow down"
            await send({"type": "websocket.close", "code": TRY_AGAIN_LATER, "reason": reason})

    def _wait_s(self, owner: str) -> float:
        """Take a request from the caller's bucket; return how long until there is one."""
        now_s, most = monotonic(), max(1.0, self._a_second * BURST_S)
        bucket = self._buckets.setdefault(owner, _Bucket(most, now_s))
        self._buckets.move_to_end(owner)
        if len(self._buckets) > MOST_CALLERS:
            self._buckets.popitem(last=False)
        bucket.requests = min(most, bucket.requests + (now_s - bucket.at_s) * self._a_second)
        bucket.at_s = now_s
        if bucket.requests < 1.0:
            return (1.0 - bucket.requests) / self._a_second
        bucket.requests -= 1.0
        return 0.0


def _declared_bytes(scope: Scope) -> int:
    length = Headers(scope=scope).get("content-length", "")
    # 20 digits are too many bytes already, whatever follows
    return int(length[:20]) if length.isascii() and length.isdecimal() else 0


class _Timely:
    """Receives a request's body, which must be complete in time."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._until_s = monotonic() + BODY_S
        self._complete = False

    async def __call__(self) -> Message:
        if self._complete:
            return await self._receive()  # waits until the client goes
        try:
            async with asyncio.timeout(self._until_s - monotonic()):
                message = await self._receive()
        except TimeoutError:
            raise HTTPException(408, f"the body did not arrive within {BODY_S:.0f} s") from None
        self._complete = not message.get("more_body", False)
        return message
