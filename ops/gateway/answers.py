"""Answers that several parts of the gateway give, and how the OpenAPI document tells of them."""

from typing import Any

from fastapi import APIRouter, Security
from fastapi.responses import JSONResponse
from fastapi.security import HTTPBearer
from pydantic import BaseModel


class Refusal(BaseModel):
    """What is said wherever a request is not answered as it was meant."""

    error: str
    """One sentence: what is wrong, and what to do."""


_REFUSALS = {
    400: "Something in the request is not as it has to be",
    401: "A valid API key is needed",
    403: "This host, or pages of this origin, may not do it",
    404: "There is no such session, or none of this key's",
    408: "The body did not arrive in time",
    409: "The session does not take it any more, or has something else there",
    413: "The body is too large",
    429: "This key asks too often, or has used up what it may use",
    503: "The log or the store is out of reach: try again",
}
DOCUMENTED: dict[int | str, dict[str, Any]] = {
    **{status: {"model": Refusal, "description": text} for status, text in _REFUSALS.items()},
    "default": {"model": Refusal, "description": "Any other refusal"},
}
_bearer = HTTPBearer(auto_error=False, description="An API key, or a token made from one")


def api_router() -> APIRouter:
    """Return a router whose routes tell in the OpenAPI document how they refuse."""
    # `Authentication` looks for the key, before any route: this only documents it
    return APIRouter(responses=DOCUMENTED, dependencies=[Security(_bearer)])


def refused(status: int, message: str) -> JSONResponse:
    """Return an error of one sentence."""
    return JSONResponse({"error": message}, status_code=status)
