"""HTTP to hosts that somebody named: their URLs checked, redirects followed, errors told apart."""

from collections.abc import AsyncGenerator, Iterable, Mapping
from contextlib import asynccontextmanager
from urllib.parse import urljoin, urlsplit

import httpcore

from .store import ObjectsRefusedError, ObjectsUnreachableError
from .web_network import PrivateAddressError, WebNetwork

MOST_URL_CHARS = 2_048
"""Presigned ones have several hundred."""
MOST_REDIRECTS = 5
MOST_CONNECTIONS, KEPT_CONNECTIONS, KEPT_S = 64, 16, 30.0
_BROKEN = (httpcore.NetworkError, httpcore.TimeoutException, httpcore.RemoteProtocolError)
_REDIRECTS = {301, 302, 303, 307, 308}


class WebClient:
    """Asks for what URLs name (RFC 9110), with GET alone.

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

    @asynccontextmanager
    async def asked(
        self, url: str, headers: Mapping[str, str], times_out_s: Mapping[str, float]
    ) -> AsyncGenerator[tuple[str, httpcore.Response]]:
        """Ask, following redirects; yield the URL that answered at last, and its answer.

        Raises:
            ValueError: the URL is none.
            ObjectsRefusedError: the host is not allowed, or no good.
            ObjectsUnreachableError: it does not answer, or broke off while its answer was read.
        """
        for _ in range(MOST_REDIRECTS + 1):
            self._check_host(url)
            async with (
                told_apart(url),
                self._pool.stream(
                    "GET",
                    url,
                    headers=[
                        *headers.items(),
                        # what is encoded on the way has other ranges than the file
                        ("Accept-Encoding", "identity"),
                        ("User-Agent", "rhapsode"),
                    ],
                    extensions={"timeout": dict(times_out_s)},
                ) as response,
            ):
                if response.status not in _REDIRECTS:
                    yield url, response
                    return
                url = _redirected(url, response)
        raise ObjectsRefusedError(f"{host_of(url)} redirects more than {MOST_REDIRECTS} times")

    async def close(self) -> None:
        """Close every connection."""
        await self._pool.aclose()

    def _check_host(self, url: str) -> None:
        check_url(url)
        parts = urlsplit(url)
        port = parts.port or (443 if parts.scheme == "https" else 80)
        if not self._network.allows(parts.hostname or "", port):
            raise ObjectsRefusedError(
                f"files of {host_of(url)} are not played here: RHAPSODE_OBJECT_HOSTS does not "
                "name it"
            )


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
async def told_apart(url: str) -> AsyncGenerator[None]:
    """Turn what the connection raises into what a source does."""
    try:
        yield
    except PrivateAddressError as error:
        raise ObjectsRefusedError(
            f"{error}: RHAPSODE_OBJECT_HOSTS may name hosts whose address is private"
        ) from None
    except _BROKEN as error:
        why = str(error) or type(error).__name__
        raise ObjectsUnreachableError(f"{host_of(url)} cannot be read: {why}") from None
    except (httpcore.UnsupportedProtocol, httpcore.LocalProtocolError) as error:
        raise ObjectsRefusedError(f"{host_of(url)} cannot be asked: {error}") from None


def headers_of(response: httpcore.Response) -> dict[str, str]:
    """Return an answer's headers, their names in small letters."""
    return {
        name.decode("latin-1").lower(): value.decode("latin-1") for name, value in response.headers
    }


def _redirected(url: str, response: httpcore.Response) -> str:
    to = headers_of(response).get("location", "")
    if not to:
        raise ObjectsRefusedError(f"{host_of(url)} redirects to nowhere")
    joined = urljoin(url, to)
    if urlsplit(url).scheme == "https" and urlsplit(joined).scheme != "https":
        raise ObjectsRefusedError(f"{host_of(url)} redirects from https:// to http://")
    return joined


def host_of(url: str) -> str:
    """Return what of a URL may be told: the rest may be signed."""
    return (urlsplit(url).hostname or "?")[:100]
