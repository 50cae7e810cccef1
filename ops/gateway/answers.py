"""Answers that several parts of the gateway give."""

from fastapi.responses import JSONResponse


def refused(status: int, message: str) -> JSONResponse:
    """Return an error of one sentence."""
    return JSONResponse({"error": message}, status_code=status)
