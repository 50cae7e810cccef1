"""Sound that goes on as long as its server likes, such as a radio station's."""

import asyncio
from collections.abc import AsyncGenerator, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Protocol

import httpcore

from .names import live_url
from .source import ObjectInfo
from .store import ObjectsRefusedError, ObjectsUnreachableError
from .web_client import WebClient, headers_of, host_of, told_apart

LIVE = "live"
"""Stands for the ETag of what has no versions; real ones have quotes (RFC 9110, 8.8.3)."""
TIMES_OUT_S = {"connect": 3.0, "read": 10.0, "write": 3.0, "pool": 3.0}
STAT_S = 6.0
_BUSY = {408, 425, 429, 500, 502, 503, 504}
_PLAYLISTS = ("mpegurl", "scpls", "xspf")


class LiveStream(Protocol):
    """One connection to a stream."""

    is_station: bool
    """True where it is to be connected again when it ends; else its end is the end."""

    async def read(self) -> bytes:
        """Return what comes next; nothing at the end.

        Raises:
            ObjectsUnreachableError: it broke off, or nothing came for too long.
        """
        ...


class LiveSource(Protocol):
    """Streams by their names, ``live+`` and a URL."""

    def listen(self, name: str) -> AbstractAsyncContextManager[LiveStream]:
        """Connect.

        Raises:
            ValueError: the name is none.
            ObjectsRefusedError: the host is not allowed, or has no such stream.
            ObjectsUnreachableError: it does not answer; try again.
        """
        ...

    async def close(self) -> None:
        """Close every connection."""
        ...


class WebLiveStream:
    """`LiveStream` over HTTP."""

    def __init__(self, url: str, response: httpcore.Response) -> None:
        self._url = url
        self._stream = aiter(response.aiter_stream())
        self.is_station = any(name.startswith(("icy-", "ice-")) for name in headers_of(response))

    async def read(self) -> bytes:
        async with told_apart(self._url):
            while True:
                try:
                    data = await anext(self._stream)
                except StopAsyncIteration:
                    return b""
                if data:
                    return data


class WebLiveSource:
    """`LiveSource` over HTTP, with the hosts and bounds of `WebSource`.

    Also `storage.objects.source.ObjectSource`, as far as names of streams can be looked up. Servers
    that answer as Icecast does, with ``icy-`` headers, are stations, which do not end.

    Args:
        hosts: As `WebNetwork` takes them.
    """

    def __init__(self, hosts: Iterable[str]) -> None:
        self._client = WebClient(hosts)

    @asynccontextmanager
    async def listen(self, name: str) -> AsyncGenerator[LiveStream]:
        url = live_url(name)
        async with self._client.asked(url, {}, TIMES_OUT_S) as (told_by, response):
            _check(told_by, response)
            yield WebLiveStream(told_by, response)

    async def stat(self, name: str) -> ObjectInfo | None:
        """See that there is such a stream, by connecting to it."""
        try:
            async with asyncio.timeout(STAT_S), self.listen(name):
                return ObjectInfo(0, LIVE)
        except (TimeoutError, ObjectsUnreachableError) as error:
            # a host that is away is no reason for others to wait
            host = host_of(live_url(name))
            why = str(error) or f"{host} took longer than {STAT_S:.0f} s"
            raise ObjectsRefusedError(why) from None

    async def folders(self, name: str, most: int) -> list[str]:
        return []

    async def read(self, name: str, start: int, end: int, *, etag: str) -> bytes:
        """Refuse: a stream has no ranges."""
        raise ValueError("a stream has no ranges of bytes: it can be listened to")

    async def close(self) -> None:
        await self._client.close()


def _check(url: str, response: httpcore.Response) -> None:
    headers = headers_of(response)
    if response.status in _BUSY:
        raise ObjectsUnreachableError(f"{host_of(url)} answers {response.status} for now")
    if response.status != 200:
        raise ObjectsRefusedError(f"{host_of(url)} answers {response.status}: check the URL")
    kind = headers.get("content-type", "").lower()
    if any(word in kind for word in _PLAYLISTS):
        raise ObjectsRefusedError(
            f"{host_of(url)} sends a playlist: give the URL of a stream that it names"
        )
    if headers.get("content-encoding", "identity") != "identity":
        raise ObjectsRefusedError(f"{host_of(url)} sends encoded what was asked for as it is")
