"""Short-lived tokens, for pages: an event stream and a WebSocket take no header from them."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from pydantic import Field

from ...agents.journal import Journal, UnknownSessionError
from ..callers import TOKEN_S, Caller, Callers
from .answers import api_router, refused
from .authentication import caller_of
from .requests import Body


class NewToken(Body):
    """What ``POST /v1/tokens`` takes."""

    session: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$")] | None = None
    """The only session it is good for; without it, all of the caller's."""
    seconds: Annotated[float, Field(gt=0.0, le=TOKEN_S)] = 600.0


@dataclass(frozen=True, slots=True)
class Tokens:
    """``POST /v1/tokens``."""

    callers: Callers
    journal: Journal

    def router(self) -> APIRouter:
        """Return the route."""
        router = api_router()
        router.add_api_route("/v1/tokens", self.create, methods=["POST"], status_code=201)
        return router

    async def create(self, body: NewToken, request: Request) -> Response:
        """Make a token of the caller's key, to be sent as ``Bearer`` or as ``?token=``."""
        caller = caller_of(request)
        if caller.by_token:
            return refused(403, "a token makes no tokens: send the API key it was made from")
        if body.session and not await self._owns(caller, body.session):
            return refused(404, f"there is no session {body.session}")
        token = await self.callers.token(caller, body.seconds, body.session or "")
        return JSONResponse({"token": token, "seconds": body.seconds}, status_code=201)

    async def _owns(self, caller: Caller, session: str) -> bool:
        try:
            return caller.owns((await self.journal.describe(session)).record.owner)
        except UnknownSessionError:
            return False
