"""The HLS origin: playlists and segments from the store, with blocking reload."""

import asyncio
import gzip
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from fastapi import APIRouter, Request, Response

from ...agents.pack import grid_of
from ...codecs.hls.names import MASTER_NAME, MEDIA_NAME, segment_number
from ...codecs.records import check_session
from ...storage.objects.names import cache_control_of, check_name
from ...storage.objects.store import Objects, StoredObject
from .answers import DOCUMENTED, refused
from .follower import Follower
from .media_addresses import MediaAddresses

UNKNOWN_S = -1.0
MEDIA_REFUSALS: tuple[int | str, ...] = (400, 403, 404, 503)
FAR_SEGMENTS = 2
"""A request further ahead than this is refused at once (rfc8216bis 6.2.5.2)."""
HELD_TARGET_DURATIONS = 3
"""A request is held for so many target durations at most (rfc8216bis 6.2.5.2)."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Serves what the store holds; a playlist request may wait for a segment to come."""

    store: Objects
    follower: Follower
    addresses: MediaAddresses
    heard: Callable[[str, float], Awaitable[None]]
    """Called with a session that is listened to, and the second it is listened to at; -1 where only
    its playlist was asked for."""

    def router(self) -> APIRouter:
        """Return the routes below the prefix of media."""
        router = APIRouter()
        path = f"{self.addresses.prefix}/{{session}}/{{name}}"
        serve: Callable[..., Awaitable[Response]] = self.serve
        if self.addresses.signed:
            path = f"{self.addresses.prefix}/{{signature}}/{{session}}/{{name}}"
            serve = self.serve_signed
        refusals = {status: DOCUMENTED[status] for status in MEDIA_REFUSALS}
        router.add_api_route(
            path, serve, methods=["GET"], response_class=Response, responses=refusals
        )
        # not in one route with GET: an operation of OpenAPI has one method
        router.add_api_route(path, serve, methods=["HEAD"], include_in_schema=False)
        return router

    async def serve_signed(
        self, signature: str, session: str, name: str, request: Request
    ) -> Response:
        """Answer a request for one object of a session, if its address is good."""
        if not self.addresses.admits(session, signature):
            return refused(403, "this address is not good, or not any more: ask the API for it")
        return await self.serve(session, name, request)

    async def serve(self, session: str, name: str, request: Request) -> Response:
        """Answer a request for one object of a session."""
        try:
            check_session(session)
            check_name(name)
        except ValueError as error:
            return refused(404, str(error))
        if name in (MEDIA_NAME, MASTER_NAME):
            trouble = await self._wait_for_playlist(session, name, request)
            if trouble is not None:
                return trouble
        stored = await self.store.get(f"{session}/{name}")
        if stored is None:
            return refused(404, f"there is no {name} in session {session}")
        await self._note_position(session, name)
        return _answer(stored, name, request)

    async def _note_position(self, session: str, name: str) -> None:
        """Report where a listener of a paced session is, by the segment that was asked for."""
        number = segment_number(name)
        progress = None if number is None else await self.follower.progress(session)
        if number is None or progress is None or progress.done or not progress.paced:
            return
        description = await self.follower.journal.describe(session)
        grid = grid_of(description.form)
        await self.heard(session, grid.duration_s(grid.start(number)))

    async def _wait_for_playlist(
        self, session: str, name: str, request: Request
    ) -> Response | None:
        progress = await self.follower.progress(session)
        if progress is None:
            return refused(404, f"there is no session {session}")
        wanted = 0
        if name == MEDIA_NAME:
            if not progress.done:  # after ENDLIST delivery directives are ignored
                asked = await self._asked_segment(request, session, progress.segments)
                if isinstance(asked, Response):
                    return asked
                wanted = asked
            if progress.open and not progress.done:
                await self.heard(session, UNKNOWN_S)
        clock = asyncio.get_running_loop().time
        deadline = clock() + HELD_TARGET_DURATIONS * progress.target_duration_s
        while not progress.done and progress.segments <= wanted:
            change = self.follower.next_change(session)
            if progress.done or progress.segments > wanted:
                break
            left = deadline - clock()
            if left <= 0 or not await self.follower.wait(change, left):
                return Response(
                    status_code=503,
                    headers={"Retry-After": "1", "Access-Control-Allow-Origin": "*"},
                )
        if not progress.segments and progress.error:
            return refused(404, f"session {session} failed: {progress.error}")
        return None

    async def _asked_segment(self, request: Request, session: str, known: int) -> int | Response:
        """Return the segment number the answer has to hold; 0 where nothing was asked for."""
        number = request.query_params.get("_HLS_msn")
        if number is None:
            part = request.query_params.get("_HLS_part")
            return refused(400, "_HLS_part needs _HLS_msn") if part is not None else 0
        if not (number.isascii() and number.isdecimal()) or len(number) > 9:
            return refused(400, "_HLS_msn is a segment number")
        listed = known
        if int(number) > listed - 1 + FAR_SEGMENTS:
            # players have the playlist as it is stored, which is before its segments are known here
            stored = await self.store.get(f"{session}/{MEDIA_NAME}")
            listed = stored.data.count(b"\n#EXTINF:") if stored is not None else 0
        if listed and int(number) > listed - 1 + FAR_SEGMENTS:
            return refused(400, f"_HLS_msn={number} is too far: {listed} segments are listed")
        return int(number)


def _answer(stored: StoredObject, name: str, request: Request) -> Response:
    headers = {
        "Cache-Control": cache_control_of(name),
        "ETag": stored.etag,
        "Access-Control-Allow-Origin": "*",
    }
    if request.headers.get("if-none-match") == stored.etag:
        return Response(status_code=304, headers=headers)
    data = stored.data
    if name.endswith(".m3u8"):
        headers["Vary"] = "Accept-Encoding"
        if "gzip" in request.headers.get("accept-encoding", ""):
            data = gzip.compress(data, 5)
            headers["Content-Encoding"] = "gzip"
    return Response(data, media_type=stored.content_type, headers=headers)
