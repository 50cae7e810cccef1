"""The gateway process: API, HLS origin, page, devices, health and metrics on one port."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import uvicorn
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, JSONResponse
from prometheus_client import generate_latest
from starlette.exceptions import HTTPException
from starlette.middleware.body_limit import RequestBodyLimitMiddleware
from starlette.routing import Match, Route

from ... import __version__
from ...codecs.archive import DamagedPieceError
from ...codecs.records import Event
from ...storage.errors import OUT_OF_REACH, UnreachableError
from ...storage.objects.store import ObjectsUnreachableError
from ..callers import Callers
from ..devices.bootstrap import Bootstrap
from ..devices.positions import StoredPositions
from ..devices.raw_socket import DeviceWebSocketProtocol
from ..devices.requests import Answers
from ..devices.server import DeviceServer, DeviceSettings
from ..devices.tokens import DeviceTokens
from ..metrics import (
    FINISHED,
    FIRST_AUDIO,
    REGISTRY,
    SECONDS_AHEAD,
    measure_admission,
    measure_what_is_kept,
)
from ..progress import Progress
from ..refusals import QuotaError
from ..run.collecting import exempt_what_is_loaded
from ..run.emptied import until_emptied
from ..run.readiness import stages_waiting
from ..services import Services
from ..setting_kinds import listed
from .access import Access
from .answers import DOCUMENTED, refused
from .api import Api
from .authentication import Authentication, is_loopback
from .background import Background
from .connections import HttpProtocol
from .doors import ItemDoor, RequestDoor
from .follower import Follower
from .http_server import HttpServer
from .input_stream import InputStream
from .limits import Limits
from .listeners_api import ListenersApi
from .media import Origin
from .media_addresses import MediaAddresses
from .open_sessions import OpenSessions
from .pump import Pump
from .seed_api import SeedApi
from .tokens import Tokens

MAX_BODY_BYTES = 1_000_000
"""More than the largest text in any encoding."""
METHOD_NOT_ALLOWED = 405
HEALTH_PATIENCE_S = 3.0
"""Who asks for health wants to know soon; load balancers wait for some seconds."""
PAGE = Path(__file__).parent / "page"


def gateway(services: Services) -> FastAPI:
    """Return the gateway's application; its lifespan opens and closes what it needs."""
    settings = services.settings
    follower = Follower(services.journal)
    sessions = services.sessions
    follower.on_event.append(_measure)
    open_sessions = OpenSessions(sessions)
    devices = DeviceServer(
        sessions,
        follower,
        open_sessions.heard,
        DeviceSettings(settings.device_lead, settings.most_devices),
        positions=StoredPositions(services.cursors),
        answers=Answers(services.listeners, follower.follow),
        hears=services.recogniser is not None,
    )
    bootstrap = Bootstrap(
        services.access_keys, settings.device_url, settings.device_protocol, settings.device_lead
    )
    pumps = (
        Pump(services.log, ItemDoor(sessions, settings.ingress_owner)),
        Pump(services.log, RequestDoor(services.listeners, settings.ingress_owner)),
    )
    addresses = MediaAddresses(
        settings.media_prefix, settings.media_signed_hours, services.access_keys
    )

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncGenerator[None]:
        await addresses.open()
        async with (
            follower.running(),
            pumps[0].running(),
            pumps[1].running(),
            open_sessions.running(),
            devices.running(),
        ):
            exempt_what_is_loaded()
            yield
        await services.close()

    app = FastAPI(title="Rhapsode", version=__version__, lifespan=lifespan)
    callers = Callers(services.access_keys)
    _guard(app, services, callers)
    _add_refusals(app)
    api = Api(sessions, follower, services.admissions, addresses, open_sessions.heard)
    origin = Origin(services.store, follower, addresses, open_sessions.heard)
    routers = (
        api.router(),
        SeedApi(api, settings.default_mode).router(),
        InputStream(api).router(),
        ListenersApi(services.listeners, follower, addresses).router(),
        Tokens(callers, services.journal).router(),
        origin.router(),
        bootstrap.router(),
        devices.router(),
    )
    for router in routers:
        app.include_router(router)
    app.state.routes = [route for router in routers for route in router.routes]
    _add_page(app)

    beside = (follower, *pumps, open_sessions, devices)
    _add_health(app, services, [one.background for one in beside])
    return app


def _guard(app: FastAPI, services: Services, callers: Callers) -> None:
    """Add what a request goes through before any route; what is added last comes first."""
    settings = services.settings
    app.add_middleware(RequestBodyLimitMiddleware, max_body_size=MAX_BODY_BYTES)
    app.add_middleware(Limits, a_second=settings.requests_a_second, most_body_bytes=MAX_BODY_BYTES)
    app.add_middleware(
        Authentication,
        callers=callers,
        journal=services.journal,
        media_prefix=settings.media_prefix,
        always=settings.require_key == "always" or not is_loopback(settings.host),
    )
    app.add_middleware(DeviceTokens, keys=services.access_keys, callers=callers)
    app.add_middleware(
        Access,
        media_prefix=settings.media_prefix,
        hosts=listed(settings.allowed_hosts),
        origins=listed(settings.allowed_origins),
    )


def _add_refusals(app: FastAPI) -> None:
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _refused)
    for outage in (*OUT_OF_REACH, ObjectsUnreachableError):
        app.add_exception_handler(outage, _unreachable)
    app.add_exception_handler(QuotaError, _over_quota)
    app.add_exception_handler(DamagedPieceError, _damaged)


def _add_health(app: FastAPI, services: Services, beside: Sequence[Background]) -> None:
    async def healthz() -> Response:
        """Say whether log and gateway work, and which stages have no worker yet."""
        try:
            async with asyncio.timeout(HEALTH_PATIENCE_S):
                waiting = await stages_waiting(services.groups, services.settings.namespace)
        except TimeoutError:
            slow = f"it does not answer within {HEALTH_PATIENCE_S:g} s"
            return JSONResponse({"status": "log out of reach", "error": slow}, 503)
        except UnreachableError as error:
            return JSONResponse({"status": "log out of reach", "error": str(error)}, 503)
        if error := "; ".join(filter(None, (one.failure for one in beside))):
            return JSONResponse({"status": "failing", "error": error, "version": __version__}, 503)
        status = "waiting for workers" if waiting else "ok"
        return JSONResponse({"status": status, "waiting": waiting, "version": __version__})

    app.add_api_route("/healthz", healthz, methods=["GET"], responses=DOCUMENTED)

    async def metrics() -> Response:
        """Give every metric of this process in Prometheus' text format."""
        await measure_admission(services.admissions)
        await measure_what_is_kept(services.retainer.trimmer, services.session_index)
        return Response(generate_latest(REGISTRY), media_type="text/plain; version=0.0.4")

    app.add_api_route(
        "/metrics", metrics, methods=["GET"], response_class=Response, responses=DOCUMENTED
    )


def _add_page(app: FastAPI) -> None:
    async def page() -> Response:
        return FileResponse(PAGE / "index.html", headers={"Cache-Control": "no-cache"})

    async def asset(name: str) -> Response:
        names = {path.name: path for path in PAGE.iterdir() if path.is_file()}
        if name not in names:
            return refused(404, f"there is no page asset {name[:80]}")
        return FileResponse(names[name], headers={"Cache-Control": "no-cache"})

    app.add_api_route("/", page, methods=["GET"], include_in_schema=False)
    app.add_api_route("/page/{name}", asset, methods=["GET"], include_in_schema=False)


async def _invalid(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"] if part != "body")
    if first["type"] == "json_invalid":
        return refused(400, "the body is not valid JSON")
    return refused(400, f"{where or 'body'}: {first['msg']}")


async def _refused(request: Request, error: Exception) -> Response:
    """Give what the framework refuses, such as an unknown path, in the shape of our refusals."""
    assert isinstance(error, HTTPException)
    response = refused(error.status_code, str(error.detail))
    response.headers.update(error.headers or {})
    if error.status_code == METHOD_NOT_ALLOWED:
        # the framework names those of one route, and a path has one for each method
        allowed = {
            method
            for route in (*request.app.routes, *request.app.state.routes)
            if isinstance(route, Route) and route.matches(request.scope)[0] is not Match.NONE
            for method in route.methods or ()
        }
        response.headers["Allow"] = ", ".join(sorted(allowed))
    return response


async def _over_quota(_: Request, error: Exception) -> Response:
    return refused(429, str(error))


async def _damaged(_: Request, error: Exception) -> Response:
    return refused(500, f"the archive of this session cannot be read: {error}")


async def _unreachable(_: Request, error: Exception) -> Response:
    response = refused(503, f"try again in a moment: {error}")
    response.headers["Retry-After"] = "1"
    return response


def _measure(progress: Progress, event: Event) -> None:
    if event.stage != "publish":
        return
    if event.seq == 0 and progress.first_audio_s is not None:
        FIRST_AUDIO.observe(progress.first_audio_s)
    if event.last:
        FINISHED.labels("failed" if event.error else "done").inc()
        if event.seq:
            SECONDS_AHEAD.remove(progress.session)
    else:
        SECONDS_AHEAD.labels(progress.session).set(progress.seconds_ahead)


async def serve(services: Services, stopping: asyncio.Event) -> int:
    """Serve until SIGTERM or SIGINT; return the exit status, 1 where the log was emptied.

    ``stopping`` is set by a signal that comes before the server has handlers of its own.

    Raises:
        UnreachableError, ObjectsUnreachableError: the log or the store does not answer.
        LogError, ObjectsRefusedError: it answers, and cannot or will not serve us.
    """
    identity = await services.log.identity()
    await services.prepare()  # before uvicorn, which knows only tracebacks
    config = uvicorn.Config(
        gateway(services),
        host=services.settings.host,
        port=services.settings.port,
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=2,
        http=HttpProtocol,
        ws=DeviceWebSocketProtocol,
        ws_ping_interval=30,
        # voice devices know no extensions
        ws_per_message_deflate=False,
    )
    server = HttpServer(config)
    emptied = asyncio.create_task(until_emptied(services.log, identity))
    emptied.add_done_callback(lambda _: server.stop())
    early = asyncio.create_task(stopping.wait())
    early.add_done_callback(lambda _: server.stop())
    await server.serve()
    begins_anew = emptied.done()
    emptied.cancel()
    early.cancel()
    return int(begins_anew)
