"""What all HTTP services share: which answers are worth another try, and how long to wait."""

import asyncio
import random
from collections.abc import AsyncIterator

import httpx

MOST_WAIT_S = 5.0
"""A server that wants to be left alone for longer is out of reach for now."""
SAID_CHARS = 200


class TooMuchError(Exception):
    """The answer is longer than anything that could be right."""


def worth_another_try(status: int) -> bool:
    """Say whether a status speaks of the moment, not of the request (RFC 9110, 15.5-15.6)."""
    return status in (408, 409, 425, 429) or status >= 500


def wait_s(response: httpx.Response | None, attempt: int, first_s: float) -> float:
    """Return how long to wait before the next try, counted from 0.

    What ``Retry-After`` says in seconds (RFC 9110, 10.2.3), or twice as long each time, with
    jitter so that several workers do not come back together.
    """
    asked = "" if response is None else response.headers.get("retry-after", "")
    if asked.isascii() and asked.isdigit():
        return float(asked)
    return first_s * 2**attempt * random.uniform(0.5, 1.0)  # noqa: S311 - nothing secret


async def rest(seconds: float) -> bool:
    """Wait, unless it is too long to be worth it; say whether to try again."""
    if seconds > MOST_WAIT_S:
        return False
    await asyncio.sleep(seconds)
    return True


async def bounded_body(chunks: AsyncIterator[bytes], most_bytes: int) -> bytes:
    """Read an answer to its end.

    Raises:
        TooMuchError: it has more than ``most_bytes``.
    """
    body = bytearray()
    async for chunk in chunks:
        body += chunk
        if len(body) > most_bytes:
            raise TooMuchError(f"more than {most_bytes} bytes")
    return bytes(body)


async def said(response: httpx.Response, secret: str = "") -> str:
    """Return the beginning of what a server says about an error, for a person to read.

    Servers have been seen to repeat the key they refuse, so it is left out.
    """
    try:
        body = await bounded_body(response.aiter_bytes(), 64 * 1024)
    except (TooMuchError, httpx.TransportError):
        body = b""
    text = " ".join(body.decode(errors="replace").split())
    return (text.replace(secret, "***") if secret else text)[:SAID_CHARS]


def shown(url: str) -> str:
    """Return a URL without user name, password and query."""
    parts = httpx.URL(url)
    return str(parts.copy_with(username=None, password=None, query=None))
