"""Device tokens at the door: exchanged for what every other caller shows."""

import time
from urllib.parse import parse_qs

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Receive, Scope, Send

from ...codecs.device.tokens import TokenError, looks_like_token, owner_of_token
from ...storage.access_keys import AccessKeys
from ...storage.log import UnreachableError
from ..callers import Caller, Callers
from ..gateway.answers import refused

SOCKETS = "/xiaozhi/v1"
EXCHANGED_S = 60.0
MOST_QUERY_FIELDS = 100


class DeviceTokens:
    """ASGI middleware, before authentication, for the WebSockets of devices.

    A valid device token is exchanged for a short-lived one of its owner's key, so a key that was
    revoked takes its devices with it. A token that no key stands behind says nothing: who needs
    one must have been given one of a key. Browsers give no headers: theirs are in the query
    (``authorization``, ``device-id``, ``client-id``).
    """

    def __init__(self, app: ASGIApp, *, keys: AccessKeys, callers: Callers) -> None:
        self._app = app
        self._keys = keys
        self._callers = callers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "websocket" or not scope["path"].startswith(SOCKETS):
            await self._app(scope, receive, send)
            return
        headers, query = Headers(scope=scope), _query(scope)

        def told(name: str) -> str:
            return headers.get(name) or query.get(name, "")

        kind, _, credential = told("authorization").partition(" ")
        try:
            if kind.lower() == "bearer" and looks_like_token(credential.strip()):
                ids = told("device-id"), told("client-id")
                authorization = await self._exchanged(credential.strip(), *ids)
            else:
                authorization = told("authorization")
        except TokenError as error:
            await refused(401, str(error))(scope, receive, send)
            return
        except UnreachableError as error:
            await refused(503, f"try again in a moment: {error}")(scope, receive, send)
            return
        scope = {**scope, "headers": list(scope["headers"])}
        changed = MutableHeaders(scope=scope)
        del changed["authorization"]
        if authorization:
            changed["authorization"] = authorization
        await self._app(scope, receive, send)

    async def _exchanged(self, token: str, device: str, client: str) -> str:
        """Return the header to authenticate by, empty where the token is nobody's."""
        owner = owner_of_token(await self._keys.secret(), token, device, client, time.time())
        if not owner:
            return ""
        return f"Bearer {await self._callers.token(Caller(owner), EXCHANGED_S)}"


def _query(scope: Scope) -> dict[str, str]:
    query = scope.get("query_string", b"").decode("ascii", "replace")
    try:
        fields = parse_qs(query, max_num_fields=MOST_QUERY_FIELDS)
    except ValueError:
        return {}  # more fields than anybody means
    return {name: values[0] for name, values in fields.items()}
