"""The HTTP API: the seed's two endpoints as they were, and a modern one beside them."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import msgspec
from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse, StreamingResponse
from pydantic import BaseModel, ConfigDict, Field

from ...agents.publish import MASTER_NAME, MEDIA_NAME
from ...codecs.encoding import MalformedError, check_session
from ...codecs.records import MAX_TEXT_CHARS, Mode, VoiceSettings
from ..metrics import STARTED
from ..progress import Progress
from ..sessions import Sessions
from .follower import Tail
from .media import refused

KEEP_ALIVE_S = 15.0


class NewSession(BaseModel):
    """What ``POST /v1/sessions`` takes."""

    model_config = ConfigDict(extra="forbid")

    text: Annotated[str, Field(min_length=1, max_length=MAX_TEXT_CHARS)]
    mode: Literal["narrate", "expand"] = "narrate"
    lang: str = "en"
    voice: str = "auto"
    speed: Annotated[float, Field(ge=0.5, le=2.0)] = 1.0
    accent: str = "com"


class Prompt(BaseModel):
    """What the seed's ``POST /audiostream/start/`` takes; more than it knew is optional."""

    prompt: str
    lang: str = "en"
    mode: Literal["narrate", "expand"] | None = None
    voice: str = "auto"


@dataclass(frozen=True, slots=True)
class Api:
    """The JSON endpoints."""

    sessions: Sessions
    tail: Tail
    media_prefix: str
    default_mode: Mode
    """What a seed client's prompt means where it does not say."""

    def router(self) -> APIRouter:
        """Return the routes."""
        router = APIRouter()
        router.add_api_route("/audiostream/start/", self.start, methods=["POST"])
        router.add_api_route("/audiostream/task-status/{task_id}/", self.status, methods=["GET"])
        router.add_api_route("/v1/sessions", self.create, methods=["POST"], status_code=201)
        router.add_api_route("/v1/sessions", self.recent, methods=["GET"])
        router.add_api_route("/v1/sessions/{session}", self.show, methods=["GET"])
        router.add_api_route(
            "/v1/sessions/{session}/events",
            self.events,
            methods=["GET"],
            response_class=StreamingResponse,
        )
        return router

    def _playlist(self, session: str, name: str = MEDIA_NAME) -> str:
        return f"{self.media_prefix}/{session}/{name}"

    async def start(self, prompt: Prompt) -> Response:
        """Accept a prompt as the seed's page sends it; it is durable before the answer."""
        try:
            record = await self.sessions.start(
                prompt.prompt,
                mode=prompt.mode or self.default_mode,
                settings=VoiceSettings(language=prompt.lang, voice=prompt.voice),
            )
        except MalformedError as error:
            return refused(400, str(error))
        STARTED.inc()
        return JSONResponse(
            {
                "session_id": record.session,
                "playlist": self._playlist(record.session),
                "task_id": record.session,
            }
        )

    async def status(self, task_id: str) -> Response:
        """Say how far a prompt is, in the seed's words."""
        progress = await self._known(task_id)
        if isinstance(progress, Response):
            return progress
        return JSONResponse(self._seed_status(progress))

    def _seed_status(self, progress: Progress) -> dict[str, Any]:
        playlist = self._playlist(progress.session)
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

    async def create(self, body: NewSession) -> Response:
        """Accept a text; it is durable before the answer."""
        settings = VoiceSettings(
            voice=body.voice, language=body.lang, speed=body.speed, accent=body.accent
        )
        try:
            record = await self.sessions.start(body.text, mode=body.mode, settings=settings)
        except MalformedError as error:
            return refused(400, str(error))
        STARTED.inc()
        return JSONResponse(self._described(Progress(record.session)), status_code=201)

    async def recent(self, limit: Annotated[int, Field(ge=1, le=200)] = 50) -> Response:
        """List the newest sessions."""
        found = await self.sessions.recent(limit)
        return JSONResponse({"sessions": [self._described(progress) for progress in found]})

    async def show(self, session: str) -> Response:
        """Describe one session."""
        progress = await self._known(session)
        if isinstance(progress, Response):
            return progress
        return JSONResponse(self._described(progress))

    def _described(self, progress: Progress) -> dict[str, object]:
        return progress.as_json() | {
            "playlist": self._playlist(progress.session),
            "master": self._playlist(progress.session, MASTER_NAME),
            "events": f"/v1/sessions/{progress.session}/events",
        }

    async def events(self, session: str) -> Response:
        """Stream the session's progress as server-sent events until it ends."""
        progress = await self._known(session)
        if isinstance(progress, Response):
            return progress
        return StreamingResponse(
            self._stream(progress),
            media_type="text/event-stream",
            headers={"Cache-Control": "no-cache", "X-Accel-Buffering": "no"},
        )

    async def _stream(self, progress: Progress) -> AsyncIterator[bytes]:
        said = b""
        while True:  # a client that goes away cancels this
            change = self.tail.next_change(progress.session)
            now = msgspec.json.encode(self._described(progress))
            if now != said:
                said = now
                yield b"event: progress\ndata: " + now + b"\n\n"
            if progress.done:
                return
            if not await self.tail.wait(change, KEEP_ALIVE_S):
                yield b": still here\n\n"

    async def _known(self, session: str) -> Progress | Response:
        try:
            check_session(session)
        except MalformedError as error:
            return refused(400, str(error))
        progress = await self.tail.progress(session)
        return progress or refused(404, f"there is no session {session}")
