"""The two endpoints of the system this one grew from, as its clients know them."""

from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from ...codecs.encoding import MalformedError
from ...codecs.session import Mode
from ..beginning import begin
from ..metrics import STARTED
from ..progress import Progress
from .answers import api_router, refused
from .api import Api
from .authentication import caller_of
from .requests import Prompt, SessionRequest


@dataclass(frozen=True, slots=True)
class SeedApi:
    """``/audiostream/…``: start a prompt, ask how far it is."""

    api: Api
    default_mode: Mode
    """What a client's prompt means where it does not say."""

    def router(self) -> APIRouter:
        """Return the routes."""
        router = api_router()
        router.add_api_route("/audiostream/start/", self.start, methods=["POST"])
        router.add_api_route("/audiostream/task-status/{task_id}/", self.status, methods=["GET"])
        return router

    async def start(self, prompt: Prompt, request: Request) -> Response:
        """Accept a prompt as the seed's page sends it; it is durable before the answer."""
        asked = SessionRequest(
            mode=prompt.mode or self.default_mode, lang=prompt.lang, voice=prompt.voice
        )
        try:
            described = self.api.describe(asked, open_=False, owner=caller_of(request).owner)
            session = (await begin(self.api.sessions, described, prompt.prompt)).session
        except MalformedError as error:
            return refused(400, str(error))
        STARTED.inc()
        return JSONResponse(
            {"session_id": session, "playlist": self.api.playlist(session), "task_id": session}
        )

    async def status(self, task_id: str) -> Response:
        """Tell how far a prompt is, in the seed's words."""
        progress = await self.api.known(task_id)
        if isinstance(progress, Response):
            return progress
        return JSONResponse(self._status(progress))

    def _status(self, progress: Progress) -> dict[str, Any]:
        playlist = self.api.playlist(progress.session)
        if progress.state == "FAILURE":
            return {"state": "FAILURE", "status": "Task failed", "error": progress.error}
        if progress.state == "SUCCESS":
            return {
                "state": "SUCCESS",
                "status": "Task completed successfully",
                "result": {"playlist": playlist},
                "playlist": playlist,
            }
        if progress.state == "PENDING":
            return {"state": "PENDING", "status": "Task is pending"}
        return {
            "state": "PROGRESS",
            "status": "Task is in progress",
            "event": "chunk",
            "chunk_count": progress.chunks,
        }
