"""People's files on the web: named by their URLs, read by ranges, from public hosts."""

import asyncio
from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpcore

from .source import ObjectInfo, changed, check_range
from .store import ObjectsRefusedError, ObjectsUnreachableError
from .web_client import WebClient, check_url, headers_of, host_of

TRIES = 3
"""Of one read; each goes on where the one before it broke off."""
FIRST_PAUSE_S = 0.2
STAT_S, READ_S = 6.0, 20.0
"""All tries together: a server that drips is not waited for without end."""
TIMES_OUT_S = {"connect": 3.0, "read": 5.0, "write": 3.0, "pool": 10.0}
MOST_PASSED_OVER_BYTES = 32 << 20
"""Of a server without ranges, the whole beginning of a file is read again for each piece."""
MOST_BYTES = 1 << 40
_MISSING = {404, 410}
_BUSY = {408, 425, 429, 500, 502, 503, 504}


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
        self._client = WebClient(hosts)

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
        await self._client.close()

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
                    f"{host_of(name)} does not read ranges (RFC 9110, 14.2), which large files need"
                )
            async for some in answer.response.aiter_stream():
                if missing <= 0:
                    return
                piece = some[passed : passed + missing]
                passed = max(0, passed - len(some))
                data += piece
                missing -= len(piece)
            if missing > 0:
                raise ObjectsUnreachableError(f"{host_of(name)} closed the connection too early")

    @asynccontextmanager
    async def _answered(self, url: str, start: int, end: int) -> AsyncGenerator["_Answer | None"]:
        """Ask for a range, following redirects; None where there is no such object."""
        span = {"Range": f"bytes={start}-{end - 1}"}
        async with self._client.asked(url, span, TIMES_OUT_S) as (told_by, response):
            yield _answer(told_by, response, start)


@dataclass(frozen=True, slots=True)
class _Answer:
    """A file's size and version, and bytes of it from some position on."""

    info: ObjectInfo
    first: int
    response: httpcore.Response


@asynccontextmanager
async def _in_time(url: str, seconds: float) -> AsyncGenerator[None]:
    """Bound all tries together; who is too slow or away then has had its chance.

    A listener waits behind it, and a host of somebody's choice may be away for good.
    """
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError:
        raise ObjectsRefusedError(f"{host_of(url)} took longer than {seconds:.0f} s") from None
    except ObjectsUnreachableError as error:
        raise ObjectsRefusedError(str(error)) from None


def _answer(url: str, response: httpcore.Response, start: int) -> _Answer | None:
    headers = headers_of(response)
    if response.status in _MISSING:
        return None
    if response.status in _BUSY:
        raise ObjectsUnreachableError(f"{host_of(url)} answers {response.status} for now")
    if response.status == 416:  # the range begins behind the end (RFC 9110, 15.5.17)
        size = headers.get("content-range", "").rpartition("/")[2]
        if size.isdecimal() and len(size) <= 15:
            return _Answer(_info(headers, int(size)), start, response)
    if response.status not in (200, 206):
        raise ObjectsRefusedError(
            f"{host_of(url)} answers {response.status}; a presigned URL may have expired"
        )
    if headers.get("content-encoding", "identity") != "identity":
        raise ObjectsRefusedError(f"{host_of(url)} sends encoded what was asked for as it is")
    if response.status == 200:
        size, first = headers.get("content-length", ""), 0
    else:
        span, _, size = headers.get("content-range", "").removeprefix("bytes ").partition("/")
        first = int(span.partition("-")[0]) if span.partition("-")[0].isdecimal() else -1
        if first > start or first < 0:
            raise ObjectsRefusedError(f"{host_of(url)} sends another range than was asked for")
    if not size.isdecimal() or len(size) > 15 or int(size) > MOST_BYTES:
        raise ObjectsRefusedError(f"{host_of(url)} does not tell how large the file is")
    return _Answer(_info(headers, int(size)), first, response)


def _info(headers: dict[str, str], size_bytes: int) -> ObjectInfo:
    etag = headers.get("etag", "") or f'"{headers.get("last-modified", "")} {size_bytes}"'
    return ObjectInfo(size_bytes, etag[:300])
