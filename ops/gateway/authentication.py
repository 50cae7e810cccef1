"""Who may use a gateway: a key or a token is looked for in each request that needs one."""

import re
from collections.abc import Mapping
from ipaddress import ip_address
from urllib.parse import parse_qs

from starlette.datastructures import Headers
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Receive, Scope, Send

from ...agents.journal import Journal, UnknownSessionError
from ...storage.log import UnreachableError
from ..callers import KEY_MARK, Caller, Callers
from .answers import refused

CALLER = "rhapsode.caller"
"""Where the caller is found in an ASGI scope."""
FORWARDING = (
    "forwarded",
    "via",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
    "x-real-ip",
    "cf-connecting-ip",
    "true-client-ip",
)
"""Headers by which a proxy tells that somebody else asks (RFC 7239; RFC 9110, section 7.6.3)."""
OPEN_TO_ALL = frozenset({"/", "/healthz", "/docs", "/openapi.json"})
DEVICES = "/xiaozhi/"
NO_TOKEN = "a key"  # noqa: S105 - nobody's
"""What a key is taken for where only a token may be shown: nobody's."""
POLICY_VIOLATION = 1008
"""RFC 6455, section 7.4.1."""
_session_path = re.compile(r"/(?:v1/sessions|audiostream/task-status)/([^/]+)")


def caller_of(connection: HTTPConnection) -> Caller:
    """Return who calls; somebody who needs no key where nobody has looked."""
    return connection.scope.get(CALLER, Caller())


class Authentication:
    """ASGI middleware: 401 without a valid key where one is needed, 404 for others' sessions.

    Media need no key: their addresses hold 128 random bits, and any player or cache must be able
    to fetch them. So do the page and the health of the gateway.

    Args:
        app: The gateway, behind its checks of host and origin.
        callers: Tells callers by what they show.
        journal: Has the owners of sessions.
        media_prefix: Path below which nobody needs a key.
        always: True where everybody needs one, on this machine too.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        callers: Callers,
        journal: Journal,
        media_prefix: str,
        always: bool,
    ) -> None:
        self._app = app
        self._callers = callers
        self._journal = journal
        self._open_prefixes = (media_prefix + "/", "/page/")
        self._always = always

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket") or self._is_open(scope):
            await self._app(scope, receive, send)
            return
        try:
            caller = await self._caller(scope)
            status, refusal = await self._judged(scope, caller)
        except UnreachableError as error:
            status, refusal, caller = 503, f"try again in a moment: {error}", None
        if not refusal:
            scope[CALLER] = caller
            await self._app(scope, receive, send)
        elif scope["type"] == "http":
            response = refused(status, refusal)
            if status == 401:
                response.headers["WWW-Authenticate"] = "Bearer"
            await response(scope, receive, send)
        else:
            await send({"type": "websocket.close", "code": POLICY_VIOLATION, "reason": refusal})

    def _is_open(self, scope: Scope) -> bool:
        path = scope["path"]
        preflight = scope["type"] == "http" and scope["method"] == "OPTIONS"
        return preflight or path in OPEN_TO_ALL or path.startswith(self._open_prefixes)

    async def _caller(self, scope: Scope) -> Caller | None:
        """Return who calls, None where a key is needed and there is no valid one."""
        headers = Headers(scope=scope)
        shown = credential(headers, scope)
        if shown:
            return await self._callers.identify(shown)
        return None if self._needs_key(scope, headers) else Caller()

    def _needs_key(self, scope: Scope, headers: Headers) -> bool:
        if self._always or any(name in headers for name in FORWARDING):
            return True
        client = scope.get("client")
        return client is not None and not is_loopback(client[0])

    async def _judged(self, scope: Scope, caller: Caller | None) -> tuple[int, str]:
        """Return status and refusal, which is empty where there is none."""
        if caller is None:
            return 401, (
                "an API key is needed here, and none that is valid came with the request: send "
                "'Authorization: Bearer KEY', or make one with 'rhapsode keys add NAME'"
            )
        session = _session_asked_for(scope)
        if not session:
            # a token for one session is good for nothing that names none
            return (401, "this token is for one session") if caller.session else (200, "")
        if caller.session not in ("", session) or not await self._owns(caller, session):
            return 404, f"there is no session {session[:80]}"
        return 200, ""

    async def _owns(self, caller: Caller, session: str) -> bool:
        try:
            return caller.owns((await self._journal.describe(session)).record.owner)
        except (UnknownSessionError, ValueError):
            return True  # whoever answers says what is wrong


def _session_asked_for(scope: Scope) -> str:
    """Return the session that a path, or a device's query, names; empty where there is none."""
    found = _session_path.match(scope["path"])
    if found:
        return found[1]
    # a query elsewhere names nothing: else it would open the rest to a token for one session
    return _query(scope, "session") if scope["path"].startswith(DEVICES) else ""


def _query(scope: Scope, name: str) -> str:
    query = scope.get("query_string", b"").decode("ascii", "replace")
    try:
        return parse_qs(query, max_num_fields=100).get(name, [""])[0]
    except ValueError:
        return ""  # more fields than anybody means


def credential(headers: Mapping[str, str], scope: Scope) -> str:
    """Return the key or token that came with a request, empty where there is none.

    Pages cannot give an event stream or a WebSocket a header: for them there is ``?token=``. A key
    there is none, as addresses are written into logs; but a device has nothing else to show.
    """
    kind, _, value = headers.get("authorization", "").partition(" ")
    if kind.lower() == "bearer" and value.strip():
        return value.strip()
    token = _query(scope, "token")
    if token.startswith(KEY_MARK) and not scope["path"].startswith(DEVICES):
        token = NO_TOKEN
    return headers.get("x-api-key") or token


def is_loopback(address: str) -> bool:
    """Tell whether an address, or the name of a socket, is on this machine."""
    try:
        return ip_address(address).is_loopback
    except ValueError:
        return address in ("", "localhost")
