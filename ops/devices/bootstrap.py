"""OTA bootstrap: a device asks where to connect, and gets its token with the answer."""

import time
from dataclasses import dataclass
from urllib.parse import urlencode

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse, PlainTextResponse

from ...codecs.device.bounded_json import JsonError
from ...codecs.device.ota import DEFAULT_LEAD, DeviceReport, ota_answer, parse_report
from ...codecs.device.tokens import TokenError, make_token
from ...storage.access_keys import AccessKeys
from ..gateway.answers import api_router, refused
from ..gateway.authentication import FORWARDING, caller_of

PATHS = ("/xiaozhi/ota/", "/xiaozhi/ota")
SOCKET_PATH = "/xiaozhi/v1/"
_USUAL_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Bootstrap:
    """``/xiaozhi/ota/``.

    Where an API key is needed, the device's OTA address holds it (``?token=KEY``): the token that
    the device gets is good for that key's sessions, as long as the key is.
    """

    keys: AccessKeys
    """Has the secret that tokens are signed with."""
    url: str = ""
    """Of the WebSocket; empty for the host that the device has asked at."""
    version: int = 1
    """Of the binary protocol that devices are told to use."""
    lead: int = DEFAULT_LEAD

    def router(self) -> APIRouter:
        """Return the routes, with and without a closing slash."""
        router = api_router()
        for path in PATHS:
            router.add_api_route(path, self.tell, methods=["POST"], include_in_schema=False)
            router.add_api_route(path, self.check, methods=["GET"], include_in_schema=False)
            router.add_api_route(path, self.options, methods=["OPTIONS"], include_in_schema=False)
        return router

    async def tell(self, request: Request) -> Response:
        """Tell a device where to connect."""
        device = request.headers.get("device-id", "")
        client = request.headers.get("client-id", "")
        now_s = time.time()
        try:
            report = parse_report(await request.body(), request.headers.get("user-agent", ""))
            secret, owner = await self.keys.secret(), caller_of(request).owner
            token = make_token(secret, device, client, int(now_s), owner)
        except (JsonError, TokenError) as error:
            return refused(400, str(error))
        answer = ota_answer(
            report,
            url=self._url(request, report),
            token=token,
            version=self.version,
            now_ms=int(now_s * 1000),
            timezone_offset_min=time.localtime(now_s).tm_gmtoff // 60,
        )
        return JSONResponse(answer, headers={"Cache-Control": "no-store"})

    async def check(self, request: Request) -> Response:
        """Tell a person that this is the place; old firmware, which asks by GET, what it needs."""
        if "device-id" in request.headers:
            return await self.tell(request)
        return PlainTextResponse(
            "Voice devices ask here where to connect. They are told "
            f"{self._url(request, DeviceReport())}\n"
        )

    async def options(self) -> Response:
        """Answer who asks what may be asked; pages of other origins are answered before."""
        return Response(status_code=204, headers={"Allow": "GET, POST, OPTIONS"})

    def _url(self, request: Request, report: DeviceReport) -> str:
        url = self.url or f"{self._origin(request)}{SOCKET_PATH}"
        lead = report.lead(self.lead)
        if lead == self.lead:
            return url
        return f"{url}{'&' if '?' in url else '?'}{urlencode({'lead': lead})}"

    @staticmethod
    def _origin(request: Request) -> str:
        scheme, host = request.url.scheme, request.headers.get("host", "")
        port = (request.scope.get("server") or ("", None))[1]
        has_port = ":" in host.rpartition("]")[2]
        proxied = any(name in request.headers for name in FORWARDING)
        if port and not has_port and not proxied and port != _USUAL_PORTS.get(scheme):
            host = f"{host}:{port}"  # firmware leaves the port out
        return f"{'wss' if scheme == 'https' else 'ws'}://{host}"
