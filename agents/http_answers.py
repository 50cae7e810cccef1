"""What all HTTP services share: which answers are worth another try, when, and how to read them."""

import random
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import httpx
import stamina

MAX_WAIT_S = 5.0
"""A server that asks to be left alone for longer counts as unreachable."""
MAX_TOTAL_S = 15.0
"""No try is planned later than this after the first one began: a listener is waiting."""
JITTER_S = 0.5
MAX_EXCERPT_CHARS = 200


class TooLongError(Exception):
    """The answer is longer than anything that could be right."""


class RefusedError(Exception):
    """The server refuses this request, however often it is sent; the message has the reason."""


class BusyError(Exception):
    """The server cannot answer now; the message has the status and what the server said of it.

    Args:
        trouble: For a person to read.
        retry_after_s: What the server asked for, in seconds; None if it named no time.
    """

    def __init__(self, trouble: str, retry_after_s: float | None = None) -> None:
        super().__init__(trouble)
        self.retry_after_s = retry_after_s


def tries(attempts: int, first_wait_s: float) -> AsyncIterator[stamina.Attempt]:
    """Return the tries of one request, to be run by ``async for attempt in ...: with attempt:``.

    Inside ``with attempt``, `BusyError` and ``httpx.TransportError`` lead to another try and are
    raised after the last one; everything else is raised at once. Waits double from
    ``first_wait_s``, have jitter so that workers do not come back together, and honour
    ``Retry-After`` up to `MAX_WAIT_S`.

    Args:
        attempts: Most tries, the first one included.
        first_wait_s: Shortest wait before the second try, in seconds; half of it may be added.
    """
    return aiter(
        stamina.retry_context(
            on=backoff,
            attempts=attempts,
            timeout=MAX_TOTAL_S,
            wait_initial=first_wait_s,
            wait_max=MAX_WAIT_S,
            wait_jitter=first_wait_s / 2,
        )
    )


def backoff(error: Exception) -> bool | float:
    """Return whether to try again after an error, or how many seconds to wait before."""
    if isinstance(error, BusyError) and error.retry_after_s is not None:
        if error.retry_after_s > MAX_WAIT_S:
            return False
        return error.retry_after_s + random.uniform(0, JITTER_S)  # noqa: S311 - nothing secret
    return isinstance(error, BusyError | httpx.TransportError)


async def check_status(response: httpx.Response, secret: str = "") -> None:
    """Raise what a status other than success means (RFC 9110, 15.5-15.6).

    Args:
        response: Its body is read, in part, where it is an error.
        secret: Left out of messages: servers have been seen to repeat the key they refuse.

    Raises:
        BusyError: the status is about the moment.
        RefusedError: the status is about the request.
    """
    status = response.status_code
    if 200 <= status < 300:
        return
    trouble = f"status {status} {await _excerpt(response, secret)}".strip()
    if status in (408, 409, 425, 429) or status >= 500:
        raise BusyError(trouble, retry_after_s(response))
    raise RefusedError(trouble)


def retry_after_s(response: httpx.Response) -> float | None:
    """Return the seconds that ``Retry-After`` asks for (RFC 9110, 10.2.3).

    It is a number of seconds or a date; a date counts from the server's own ``Date``, if it sent
    one. None if the header is missing or is neither.
    """
    asked = response.headers.get("retry-after", "").strip()
    if asked.isascii() and asked.isdigit():
        return float(asked)
    until = _date(asked)
    if until is None:
        return None
    now = _date(response.headers.get("date", "")) or datetime.now(UTC)
    return max(0.0, (until - now).total_seconds())


async def bounded_body(chunks: AsyncIterator[bytes], max_bytes: int) -> bytes:
    """Read an answer to its end.

    Raises:
        TooLongError: it has more than ``max_bytes``.
    """
    body = bytearray()
    async for chunk in chunks:
        body += chunk
        if len(body) > max_bytes:
            raise TooLongError(f"more than {max_bytes} bytes")
    return bytes(body)


def described(error: Exception) -> str:
    """Return an error in words: some errors of httpx have only a name."""
    return str(error) or type(error).__name__


def public_url(url: str) -> str:
    """Return a URL without user name, password and query."""
    parts = httpx.URL(url)
    return str(parts.copy_with(username=None, password=None, query=None))


async def _excerpt(response: httpx.Response, secret: str) -> str:
    """Return the beginning of what a server says about an error."""
    try:
        body = await bounded_body(response.aiter_bytes(), 64 * 1024)
    except (TooLongError, httpx.TransportError):
        body = b""  # the status says enough
    text = " ".join(body.decode(errors="replace").split())
    return (text.replace(secret, "***") if secret else text)[:MAX_EXCERPT_CHARS]


def _date(value: str) -> datetime | None:
    try:
        date = parsedate_to_datetime(value)
    except ValueError:
        return None
    return date if date.tzinfo else date.replace(tzinfo=UTC)
