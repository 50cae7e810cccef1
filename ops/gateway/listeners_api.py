"""Requests in words over HTTP: what a listener asks, and what is played for it."""

from dataclasses import dataclass
from typing import Annotated

import msgspec
from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from pydantic import Field

from ...codecs.catalogue.limits import MAX_NAME_CHARS, MOST_NAMES, Limits
from ...codecs.encoding import MalformedError
from ...codecs.hls.names import MEDIA_NAME
from ...codecs.records import Answered
from ...codecs.records import Request as Asking
from ...codecs.records.requests import MAX_REQUEST_CHARS, MOST_OBJECTS
from ...storage.objects.names import MOST_SOURCE_NAME_BYTES
from ..listeners import Listeners
from .answers import api_router, refused
from .api import refusal
from .authentication import caller_of
from .follower import Follower
from .media_addresses import MediaAddresses
from .requests import Body

MOST_WAIT_S = 20.0
Names = Annotated[
    list[Annotated[str, Field(min_length=1, max_length=MAX_NAME_CHARS)]],
    Field(max_length=MOST_NAMES, default_factory=list),
]


class Asked(Body):
    """A request in words, or for titles by their files."""

    text: Annotated[str, Field(max_length=MAX_REQUEST_CHARS)] = ""
    objects: Annotated[
        list[Annotated[str, Field(min_length=1, max_length=MOST_SOURCE_NAME_BYTES)]],
        Field(max_length=MOST_OBJECTS, default_factory=list),
    ]
    """Titles of the catalogue, such as ``music/English/song.mp3``, to be played in this order; then
    without a text."""
    lang: Annotated[str, Field(max_length=40)] = ""
    """BCP 47; empty for the listener's own."""
    wait_s: Annotated[float, Field(ge=0.0, le=MOST_WAIT_S)] = 5.0
    """So long the answer is waited for."""


class Limited(Body):
    """What a listener may hear, and when; what is left out has no bound."""

    begins: Annotated[str, Field(max_length=5)] = ""
    """Local time from which something may be heard, such as 07:00."""
    ends: Annotated[str, Field(max_length=5)] = ""
    """Local time from which nothing may."""
    time_zone: Annotated[str, Field(max_length=100)] = "UTC"
    """As the IANA names it, such as Asia/Kolkata."""
    only: Names
    """Titles of these alone: categories, languages, or music or story."""
    never: Names
    """No titles of these."""

    @classmethod
    def of(cls, limits: Limits) -> "Limited":
        """Return limits as they are told."""
        return cls(
            begins=limits.begins,
            ends=limits.ends,
            time_zone=limits.time_zone,
            only=list(limits.only),
            never=list(limits.never),
        )

    def limits(self) -> Limits:
        """Return them as they are stored.

        Raises:
            ValueError: they are none.
        """
        return Limits(self.begins, self.ends, self.time_zone, tuple(self.only), tuple(self.never))


@dataclass(frozen=True, slots=True)
class ListenersApi:
    """The JSON endpoints below ``/v1/listeners``."""

    listeners: Listeners
    follower: Follower
    addresses: MediaAddresses

    def router(self) -> APIRouter:
        """Return the routes."""
        router = api_router()
        requests = "/v1/listeners/{name}/requests"
        router.add_api_route(requests, self.ask, methods=["POST"], status_code=201)
        router.add_api_route(f"{requests}/{{seq}}", self.answer, methods=["GET"])
        limits = "/v1/listeners/{name}/limits"
        router.add_api_route(limits, self.limits, methods=["GET"])
        router.add_api_route(limits, self.limit, methods=["PUT"])
        return router

    async def limits(self, name: str, request: Request) -> Response:
        """Tell what a listener may hear, and when."""
        try:
            limits = await self.listeners.limits(name, caller_of(request).owner)
        except MalformedError as error:
            return refused(400, str(error))
        return JSONResponse(Limited.of(limits).model_dump())

    async def limit(self, name: str, body: Limited, request: Request) -> Response:
        """Decide what a listener may hear from now on, and when; with a key, not a page's token."""
        if caller_of(request).by_token:
            return refused(403, "a token sets no limits: send the API key it was made from")
        try:
            limits = body.limits()
        except ValueError as error:
            return refused(400, str(error))
        try:
            await self.listeners.limit(name, limits, caller_of(request).owner)
        except ValueError as error:
            return refusal(error)
        return JSONResponse(Limited.of(limits).model_dump())

    async def ask(self, name: str, body: Asked, request: Request) -> Response:
        """Take a request of a listener; it is durable before the answer."""
        owner = caller_of(request).owner
        if body.objects and body.text:
            return refused(400, "send a text or objects: both together are two requests")
        try:
            asked = await self.listeners.ask(
                name, body.text, objects=body.objects, language=body.lang, owner=owner
            )
        except ValueError as error:
            return refusal(error)
        answered = await self.listeners.answer(
            asked.session, asked.seq, self.follower.follow, body.wait_s
        )
        return JSONResponse(self._told(asked.seq, answered), status_code=201)

    async def answer(
        self,
        name: str,
        seq: Annotated[int, Field(ge=0, lt=2**53)],
        request: Request,
        wait_s: Annotated[float, Field(ge=0.0, le=MOST_WAIT_S)] = 0.0,
    ) -> Response:
        """Tell how a request was understood, and what is played for it."""
        try:
            listener = await self.listeners.listener(name, caller_of(request).owner)
        except MalformedError as error:
            return refused(400, str(error))
        asked = await self.listeners.sessions.journal.of(Asking).state(listener)
        if seq >= asked.next:
            return refused(404, f"listener {name} has asked nothing with the number {seq}")
        answered = await self.listeners.answer(listener, seq, self.follower.follow, wait_s)
        return JSONResponse(self._told(seq, answered))

    def _told(self, seq: int, answered: Answered | None) -> dict[str, object]:
        if answered is None:
            return {"seq": seq, "outcome": "pending"}
        told: dict[str, object] = msgspec.to_builtins(answered.answer)
        outcome = told.pop("type")
        tracks = [
            {
                "session_id": track.session,
                "title": track.title,
                "object": track.object,
                "playlist": self.addresses.of(track.session, MEDIA_NAME),
            }
            for track in answered.tracks
        ]
        return {"seq": seq, "outcome": outcome, "said": answered.said, "tracks": tracks} | told
