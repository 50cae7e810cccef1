"""The HTTP API: sessions, their items and their progress."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated

import msgspec
from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from fastapi.sse import KEEPALIVE_COMMENT, EventSourceResponse, format_sse_event
from pydantic import Field

from ...agents.journal import UnknownSessionError
from ...codecs.encoding import MalformedError
from ...codecs.hls.names import MASTER_NAME, MEDIA_NAME
from ...codecs.records import Session, check_session
from ...storage.admissions import Admissions
from ...storage.session_index import Position
from ..beginning import begin
from ..devices.packets import request_packets
from ..metrics import STARTED
from ..progress import Progress, load_listed
from ..refusals import ConflictError, SessionClosedError
from ..session_objects import stream_at
from ..sessions import Sessions
from ..waiting import in_line
from .answers import api_router, refused
from .authentication import caller_of
from .follower import Follower
from .media_addresses import MediaAddresses
from .requests import Listening, NewItem, NewSession, NewText, SessionRequest

KEEP_ALIVE_S = 15.0
PAGE_PATTERN = r"^([0-9]{1,15}-[A-Za-z0-9][A-Za-z0-9_-]{0,63})?$"
"""A position in the list of sessions, as ``after`` tells it."""
LOOK_AGAIN_S = 1.0
"""How often a session in line is told its position."""
NOT_YET = {
    "upload": "uploads cannot be taken yet: put the file into the object source and name it",
}


@dataclass(frozen=True, slots=True)
class Api:
    """The JSON endpoints below ``/v1``."""

    sessions: Sessions
    follower: Follower
    admissions: Admissions
    addresses: MediaAddresses
    heard: Callable[[str, float], Awaitable[None]]
    """Called with a session and the second that a player is at."""

    def router(self) -> APIRouter:
        """Return the routes."""
        router = api_router()
        session = "/v1/sessions/{session}"
        router.add_api_route("/v1/sessions", self.create, methods=["POST"], status_code=201)
        router.add_api_route("/v1/sessions", self.recent, methods=["GET"])
        router.add_api_route(session, self.show, methods=["GET"])
        router.add_api_route(session, self.remove, methods=["DELETE"], status_code=202)
        router.add_api_route(f"{session}/items", self.add_item, methods=["POST"])
        router.add_api_route(f"{session}/text", self.add_text, methods=["POST"])
        router.add_api_route(f"{session}/finish", self.finish, methods=["POST"])
        router.add_api_route(f"{session}/cancel", self.cancel, methods=["POST"])
        router.add_api_route(f"{session}/listening", self.listening, methods=["POST"])
        # not with EventSourceResponse, which is for functions that yield: this one may refuse
        router.add_api_route(
            f"{session}/events", self.events, methods=["GET"], response_class=Response
        )
        return router

    def playlist(self, session: str, name: str = MEDIA_NAME) -> str:
        """Return the URL path of a session's playlist."""
        return self.addresses.of(session, name)

    def describe(self, request: SessionRequest, *, open_: bool, owner: str) -> Session:
        """Return the record of the session that a request asks for.

        Raises:
            MalformedError: it asks for what is out of bounds or cannot be made yet.
        """
        try:
            described = self.sessions.described(
                mode=request.mode,
                voice=request.voice_settings(),
                form=request.form.applied_to(self.sessions.form),
                open_=open_,
                idle_close_s=request.idle_close_s,
                ahead_s=request.ahead_s,
                owner=owner,
            )
            return msgspec.structs.replace(described, mastering=request.mastering.mastering())
        except ValueError as error:
            raise MalformedError(str(error)) from None

    async def accept(self, request: SessionRequest, text: str | None, *, owner: str) -> Session:
        """Accept a session of one text, or open one where there is none; return its record.

        Raises:
            MalformedError, ConflictError, QuotaError: as `Sessions.start` and `Sessions.open`.
        """
        described = self.describe(request, open_=text is None, owner=owner)
        described = await begin(self.sessions, described, text)
        if request.form.device:
            await request_packets(self.sessions.journal, described.session)
        STARTED.inc()
        return described

    async def create(self, body: NewSession, request: Request) -> Response:
        """Accept a session of one text, or open one; it is durable before the answer."""
        if body.open == (body.text is not None):
            return refused(400, "give either a text, or open: true and add items later")
        try:
            described = await self.accept(body, body.text, owner=caller_of(request).owner)
        except MalformedError as error:
            return refused(400, str(error))
        progress = Progress(described.session, open=described.open)
        return JSONResponse(self.summary(progress), status_code=201)

    async def add_item(self, session: str, body: NewItem) -> Response:
        """Add a text, a silence, an audio object or a stream to an open session."""
        given = body.model_dump(
            exclude_none=True, include={"text", "silence_s", "object", "upload", "live"}
        )
        if len(given) != 1:
            return refused(400, "give exactly one of text, silence_s, object and live")
        (kind,) = given
        if kind in NOT_YET:
            return refused(400, NOT_YET[kind])
        try:
            if body.text is not None:
                at = await self.sessions.add_text(
                    session, body.text, item_end=body.end, last=body.last, seq=body.seq
                )
            elif body.silence_s is not None:
                at = await self.sessions.add_silence(
                    session, body.silence_s, last=body.last, seq=body.seq
                )
            else:
                name = body.object or stream_at(body.live or "")
                at = await self.sessions.add_object(session, name, last=body.last, seq=body.seq)
        except (MalformedError, UnknownSessionError, SessionClosedError, ConflictError) as error:
            return refusal(error)
        return JSONResponse({"session_id": session, "seq": at})

    async def add_text(self, session: str, body: NewText) -> Response:
        """Add text to an open session, joined to the text before it."""
        return await self.add_item(session, NewItem(**body.model_dump()))

    async def finish(self, session: str) -> Response:
        """Close an open session: what it has is heard to its end."""
        try:
            await self.sessions.finish(session)
        except (UnknownSessionError, ConflictError, ValueError) as error:
            return refusal(error)
        return JSONResponse({"session_id": session})

    async def cancel(self, session: str) -> Response:
        """End a session where its audio is."""
        try:
            await self.sessions.cancel(session)
        except (UnknownSessionError, ValueError) as error:
            return refusal(error)
        return JSONResponse({"session_id": session})

    async def listening(self, session: str, body: Listening) -> Response:
        """Take a player's report of where it is: production of a paced session goes on from it."""
        progress = await self.known(session)
        if isinstance(progress, Response):
            return progress
        if not progress.done:
            await self.heard(session, min(body.position_s, progress.audio_s))
        return JSONResponse({"session_id": session})

    async def remove(self, session: str) -> Response:
        """Remove a session and all that is kept of it, within seconds of its end."""
        try:
            await self.sessions.remove(session)
        except (UnknownSessionError, ValueError) as error:
            return refusal(error)
        return JSONResponse({"session_id": session}, status_code=202)

    async def recent(
        self,
        request: Request,
        limit: Annotated[int, Field(ge=1, le=200)] = 50,
        after: Annotated[str, Field(pattern=PAGE_PATTERN)] = "",
    ) -> Response:
        """List sessions, newest first; who has a key, those of that key.

        ``after`` in the answer, if there is more, asks for the next page.
        """
        owner = caller_of(request).owner or None
        journal, index = self.sessions.journal, self.sessions.index
        created_ms, _, session = after.partition("-")
        position = Position(int(created_ms), session) if after else None
        known = await index.newest(limit, after=position, owner=owner)
        listed = [self.summary(progress) for progress in await load_listed(journal, known)]
        last = known[-1].position if len(known) == limit else None
        following = f"{last.created_ms}-{last.session}" if last else None
        return JSONResponse({"sessions": listed, "after": following})

    async def show(self, session: str) -> Response:
        """Describe one session."""
        progress = await self.known(session)
        if isinstance(progress, Response):
            return progress
        return JSONResponse(await self.standing(progress))

    def summary(self, progress: Progress) -> dict[str, object]:
        """Return a session's progress with its addresses."""
        return progress.as_json() | {
            "playlist": self.playlist(progress.session),
            "master": self.playlist(progress.session, MASTER_NAME),
            "events": f"/v1/sessions/{progress.session}/events",
        }

    async def standing(self, progress: Progress) -> dict[str, object]:
        """Return a session's summary; of one that waits for its place, with ``in_line``."""
        place = await in_line(self.admissions, progress)
        return self.summary(progress) | ({"in_line": place.as_json()} if place else {})

    async def events(self, session: str) -> Response:
        """Stream the session's progress as server-sent events until it ends."""
        progress = await self.known(session)
        if isinstance(progress, Response):
            return progress
        headers = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
        return EventSourceResponse(self._stream(progress), headers=headers)

    async def _stream(self, progress: Progress) -> AsyncIterator[bytes]:
        sent = ""
        while True:  # a client that goes away cancels this
            change = self.follower.next_change(progress.session)
            standing = await self.standing(progress)
            now = msgspec.json.encode(standing).decode()
            if now != sent:
                sent = now
                yield format_sse_event(data_str=now, event="progress")
            if progress.done:
                return
            patience_s = LOOK_AGAIN_S if "in_line" in standing else KEEP_ALIVE_S
            if not await self.follower.wait(change, patience_s):
                yield KEEPALIVE_COMMENT

    async def known(self, session: str) -> Progress | Response:
        """Return a session's progress, or the answer that there is none."""
        try:
            check_session(session)
        except ValueError as error:
            return refused(400, str(error))
        progress = await self.follower.progress(session)
        return progress or refused(404, f"there is no session {session}")


def refusal(error: Exception) -> Response:
    """Return the answer to what a session does not take."""
    if isinstance(error, UnknownSessionError):
        return refused(404, str(error))
    if isinstance(error, SessionClosedError | ConflictError):
        return refused(409, str(error))
    return refused(400, str(error))
