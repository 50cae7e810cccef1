"""Which hosts a gateway answers for, and which web pages may use it.

A page that a user has open must not reach a gateway on that user's machine, be it by a request
across origins or by a name that was rebound to a loopback address. Players on other pages may
fetch media all the same: whoever knows a playlist's address may play it.
"""

from collections.abc import Iterable
from ipaddress import ip_address
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from .answers import refused

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
"""RFC 9110, section 9.2.1: they change nothing."""
POLICY_VIOLATION = 1008
"""RFC 6455, section 7.4.1."""


class Access:
    """ASGI middleware: refuses foreign hosts and origins with status 403, before anything is read.

    Args:
        app: The gateway.
        media_prefix: Path below which every origin may read.
        hosts: Names that the gateway answers for, apart from IP addresses and ``localhost``.
        origins: Origins, such as ``https://app.example``, whose pages may use the API.
    """

    def __init__(
        self, app: ASGIApp, *, media_prefix: str, hosts: Iterable[str], origins: Iterable[str]
    ) -> None:
        self._hosts = frozenset(host.lower() for host in hosts)
        self._origins = frozenset(origin.lower() for origin in origins)
        self._media_prefix = media_prefix + "/"
        self._media = CORSMiddleware(app, allow_origins=["*"], allow_methods=["GET", "HEAD"])
        self._api = CORSMiddleware(
            app,
            allow_origins=sorted(self._origins),
            allow_methods=["GET", "POST", "DELETE"],
            allow_headers=["*"],
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._api(scope, receive, send)
            return
        headers = Headers(scope=scope)
        refusal = self._refusal(scope, headers.get("host", ""), headers.get("origin", ""))
        if not refusal:
            media = scope["path"].startswith(self._media_prefix)
            await (self._media if media else self._api)(scope, receive, send)
        elif scope["type"] == "http":
            await refused(403, refusal)(scope, receive, send)
        else:
            await send({"type": "websocket.close", "code": POLICY_VIOLATION, "reason": refusal})

    def _refusal(self, scope: Scope, host: str, origin: str) -> str:
        """Return why the request is refused, empty where it is not."""
        if not self._answers_for(_name_of(host)):
            return f"host {host[:80]!r} is not served here: add its name to RHAPSODE_ALLOWED_HOSTS"
        if scope["type"] == "http" and scope["method"] in SAFE_METHODS:
            return ""  # what another origin's page may read of it is up to CORS
        if not origin or self._is_own(origin, host) or origin.lower() in self._origins:
            return ""  # without an origin it is no page, and there are no cookies to abuse
        return f"pages of {origin[:80]!r} may not do this: add it to RHAPSODE_ALLOWED_ORIGINS"

    def _answers_for(self, name: str) -> bool:
        if name in self._hosts or name == "localhost" or name.endswith(".localhost"):
            return True
        try:
            ip_address(name)
        except ValueError:
            return False
        return True  # an address cannot be rebound

    @staticmethod
    def _is_own(origin: str, host: str) -> bool:
        return urlsplit(origin).netloc.lower() == host.lower()


def _name_of(host: str) -> str:
    """Return a Host header without its port, lower-case; an IPv6 address without brackets."""
    if host.startswith("["):
        return host[1:].partition("]")[0].lower()
    return host.partition(":")[0].lower()
