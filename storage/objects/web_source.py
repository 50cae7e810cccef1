"""People's files on the web: named by their URLs, read by ranges, from public hosts."""

import asyncio
from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from urllib.parse import urljoin, urlsplit

import httpcore

from .source import ObjectInfo, changed, check_range
from .store import ObjectsRefusedError, ObjectsUnreachableError
from .web_network import PrivateAddressError, WebNetwork

MOST_URL_CHARS = 2_048
"""Presigned ones have several hundred."""
MOST_REDIRECTS = 5
TRIES = 3
"""Of one read; each goes on where the one before it broke off."""
FIRST_PAUSE_S = 0.2
STAT_S, READ_S = 6.0, 20.0
"""All tries together: a server that drips is not waited for without end."""
TIMES_OUT_S = {"connect": 3.0, "read": 5.0, "write": 3.0, "pool": 10.0}
MOST_PASSED_OVER_BYTES = 32 << 20
"""Of a server without ranges, the whole beginning of a file is read again for each piece."""
MOST_CONNECTIONS, KEPT_CONNECTIONS, KEPT_S = 64, 16, 30.0
_BROKEN = (httpcore.NetworkError, httpcore.TimeoutException, httpcore.RemoteProtocolError)
MOST_BYTES = 1 << 40
_MISSING = {404, 410}
_BUSY = {408, 425, 429, 500, 502, 503, 504}
_REDIRECTS = {301, 302, 303, 307, 308}


class WebSource:
    """`storage.objects.source.ObjectSource` over HTTP (RFC 9110); a name is an absolute URL.

    Public and presigned URLs of buckets and CDNs are the same to it: nothing but GET is asked,
    which is all that a presigned URL is signed for. The ETag is the server's, or made of its
    Last-Modified and the file's size. A connection that breaks in the middle is made again and
    goes on where it was; a host that stays away, or is slow, is refused as one that is no good.

    Args:
        hosts: As `WebNetwork` takes them.
    """

    def __init__(self, hosts: Iterable[str]) -> None:
        self._network = WebNetwork(hosts)
        self._pool = httpcore.AsyncConnectionPool(
            max_connections=MOST_CONNECTIONS,
            max_keepalive_connections=KEPT_CONNECTIONS,
            keepalive_expiry=KEPT_S,
            network_backend=self._network,
        )

    async def stat(self, name: str) -> ObjectInfo | None:
        check_url(name)
        async with _in_time(name, STAT_S), self._answered(name, 0, 1) as answer:
            return None if answer is None else answer.info

    async def folders(self, name: str, most: int) -> list[str]:
        return []  # the web has none that could be listed

    async def read(self, name: str, start: int, end: int, *, etag: str) -> bytes:
        check_url(name)
        check_range(start, end)
        data = bytearray()
        async with _in_time(name, READ_S):
            for number in range(TRIES):
                try:
                    await self._read(name, start, end, etag, data)
                    break
                except ObjectsUnreachableError:
                    if number == TRIES - 1:
                        raise
                await asyncio.sleep(FIRST_PAUSE_S * 2**number)
        return bytes(data)

    async def close(self) -> None:
        await self._pool.aclose()

    async def _read(self, name: str, start: int, end: int, etag: str, data: bytearray) -> None:
        """Append what is missing of a range to the data that is there of it."""
        first = start + len(data)
        async with self._answered(name, first, max(end, first + 1)) as answer:
            if answer is None or answer.info.etag != etag:
                raise changed(name)
            missing = min(end, answer.info.size_bytes) - first
            passed = first - answer.first
            if passed > MOST_PASSED_OVER_BYTES:
                raise ObjectsRefusedError(
                    f"{_host(name)} does not read ranges (RFC 9110, 14.2), which large files need"
                )
            async for some in answer.response.aiter_stream():
                if missing <= 0:
                    return
                piece = some[passed : passed + missing]
                passed = max(0, passed - len(some))
                data += piece
                missing -= len(piece)
            if missing > 0:
                raise ObjectsUnreachableError(f"{_host(name)} closed the connection too early")

    @asynccontextmanager
    async def _answered(self, url: str, start: int, end: int) -> AsyncGenerator["_Answer | None"]:
        """Ask for a range, following redirects; None where there is no such object."""
        for _ in range(MOST_REDIRECTS + 1):
            self._check_host(url)
            async with (
                _told_apart(url),
                self._pool.stream(
                    "GET",
                    url,
                    headers=[
                        ("Range", f"bytes={start}-{end - 1}"),
                        # what is encoded on the way has other ranges than the file
                        ("Accept-Encoding", "identity"),
                        ("User-Agent", "rhapsode"),
                    ],
                    extensions={"timeout": TIMES_OUT_S},
                ) as response,
            ):
                if response.status not in _REDIRECTS:
                    yield _answer(url, response, start)
                    return
                url = _redirected(url, response)
        raise ObjectsRefusedError(f"{_host(url)} redirects more than {MOST_REDIRECTS} times")

    def _check_host(self, url: str) -> None:
        check_url(url)
        parts = urlsplit(url)
        port = parts.port or (443 if parts.scheme == "https" else 80)
        if not self._network.allows(parts.hostname or "", port):
            raise ObjectsRefusedError(
                f"files of {_host(url)} are not played here: RHAPSODE_OBJECT_HOSTS does not name it"
            )


@dataclass(frozen=True, slots=True)
class _Answer:
    """A file's size and version, and bytes of it from some position on."""

    info: ObjectInfo
    first: int
    response: httpcore.Response


def check_url(url: str) -> str:
    """Return a URL that a file may be fetched from.

    Raises:
        ValueError: it is none.
    """
    shown = url[:80].partition("?")[0]
    if len(url) > MOST_URL_CHARS:
        raise ValueError(f"{shown!r} … has more than {MOST_URL_CHARS} characters")
    if not url.isascii() or not url.isprintable() or " " in url:
        raise ValueError(f"{shown!r} is no URL: escape what is not ASCII (RFC 3986, 2.1)")
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise ValueError(f"{shown!r} is no URL: {error}") from None
    if parts.scheme not in ("http", "https") or not host:
        raise ValueError(f"{shown!r} is no URL of http:// or https:// with a host")
    if "@" in parts.netloc:
        raise ValueError("a URL with a user or password is not taken: use a presigned one")
    return url


@asynccontextmanager
async def _in_time(url: str, seconds: float) -> AsyncGenerator[None]:
    """Bound all tries together; who is too slow or away then has had its chance.

    A listener waits behind it, and a host of somebody's choice may be away for good.
    """
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError:
        raise ObjectsRefusedError(f"{_host(url)} took longer than {seconds:.0f} s") from None
    except ObjectsUnreachableError as error:
        raise ObjectsRefusedError(str(error)) from None


@asynccontextmanager
async def _told_apart(url: str) -> AsyncGenerator[None]:
    """Turn what the connection raises into what a source does."""
    try:
        yield
    except PrivateAddressError as error:
        raise ObjectsRefusedError(
            f"{error}: RHAPSODE_OBJECT_HOSTS may name hosts whose address is private"
        ) from None
    except _BROKEN as error:
        why = str(error) or type(error).__name__
        raise ObjectsUnreachableError(f"{_host(url)} cannot be read: {why}") from None
    except (httpcore.UnsupportedProtocol, httpcore.LocalProtocolError) as error:
        raise ObjectsRefusedError(f"{_host(url)} cannot be asked: {error}") from None


def _answer(url: str, response: httpcore.Response, start: int) -> _Answer | None:
    headers = _headers(response)
    if response.status in _MISSING:
        return None
    if response.status in _BUSY:
        raise ObjectsUnreachableError(f"{_host(url)} answers {response.status} for now")
    if response.status == 416:  # the range begins behind the end (RFC 9110, 15.5.17)
        size = headers.get("content-range", "").rpartition("/")[2]
        if size.isdecimal() and len(size) <= 15:
            return _Answer(_info(headers, int(size)), start, response)
    if response.status not in (200, 206):
        raise ObjectsRefusedError(
            f"{_host(url)} answers {response.status}; a presigned URL may have expired"
        )
    if headers.get("content-encoding", "identity") != "identity":
        raise ObjectsRefusedError(f"{_host(url)} sends encoded what was asked for as it is")
    if response.status == 200:
        size, first = headers.get("content-length", ""), 0
    else:
        span, _, size = headers.get("content-range", "").removeprefix("bytes ").partition("/")
        first = int(span.partition("-")[0]) if span.partition("-")[0].isdecimal() else -1
        if first > start or first < 0:
            raise ObjectsRefusedError(f"{_host(url)} sends another range than was asked for")
    if not size.isdecimal() or len(size) > 15 or int(size) > MOST_BYTES:
        raise ObjectsRefusedError(f"{_host(url)} does not tell how large the file is")
    return _Answer(_info(headers, int(size)), first, response)


def _info(headers: dict[str, str], size_bytes: int) -> ObjectInfo:
    etag = headers.get("etag", "") or f'"{headers.get("last-modified", "")} {size_bytes}"'
    return ObjectInfo(size_bytes, etag[:300])


def _headers(response: httpcore.Response) -> dict[str, str]:
    return {
        name.decode("latin-1").lower(): value.decode("latin-1") for name, value in response.headers
    }


def _redirected(url: str, response: httpcore.Response) -> str:
    to = _headers(response).get("location", "")
    if not to:
        raise ObjectsRefusedError(f"{_host(url)} redirects to nowhere")
    joined = urljoin(url, to)
    if urlsplit(url).scheme == "https" and urlsplit(joined).scheme != "https":
        raise ObjectsRefusedError(f"{_host(url)} redirects from https:// to http://")
    return joined


def _host(url: str) -> str:
    """Return what of a URL may be told: the rest may be signed."""
    return (urlsplit(url).hostname or "?")[:100]
