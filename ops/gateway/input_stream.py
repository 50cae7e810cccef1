"""Input streaming: a WebSocket that takes a model's tokens and gives progress and word times.

Client messages are JSON objects with a ``type``: ``open`` (first; the fields of
``POST /v1/sessions``, or ``session_id`` to go on with an open session), ``text`` (``text``,
``end``), ``silence`` (``seconds``), ``object`` (``object``), ``finish`` and ``cancel``. The server
answers ``session``, then ``chunk`` for each chunk whose audio is made, with its words and when
they sound, ``item_failed`` for an object that could not be read to its end, and ``done`` or
``failed``; what it does not take is an ``error``, and the session goes
on. Closing the socket leaves the session open.
"""

import asyncio
import contextlib
import json
from dataclasses import dataclass
from typing import Any, cast

from fastapi import APIRouter, WebSocket, WebSocketDisconnect
from pydantic import ValidationError

from ...agents.journal import UnknownSessionError
from ...codecs.encoding import MalformedError
from ...codecs.records import Event, check_session
from ..metrics import STARTED
from ..progress import Progress
from ..refusals import ConflictError, SessionClosedError
from .api import Api
from .requests import NewItem, SessionRequest

MAX_MESSAGE_CHARS = 600_000
QUIET_S = 30.0
REFUSALS = (MalformedError, UnknownSessionError, SessionClosedError, ConflictError)


class _RefusedMessageError(ValueError):
    """A message that is not taken; the text tells the client why."""


@dataclass(frozen=True, slots=True)
class InputStream:
    """``WS /v1/stream``."""

    api: Api

    def router(self) -> APIRouter:
        """Return the WebSocket route."""
        router = APIRouter()
        router.add_api_websocket_route("/v1/stream", self.connect)
        return router

    async def connect(self, socket: WebSocket) -> None:
        """Serve one client."""
        await socket.accept()
        reporting: asyncio.Task[None] | None = None
        try:
            session = await self._open(socket)
            reporting = asyncio.create_task(self._report(socket, session))
            while True:
                message = await _received(socket)
                try:
                    await self._take(session, message)
                except (*REFUSALS, _RefusedMessageError) as error:
                    await socket.send_json({"type": "error", "error": str(error)})
        except (WebSocketDisconnect, RuntimeError):
            pass  # starlette raises RuntimeError for a send on a socket that is closing
        finally:
            if reporting is not None:
                reporting.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await asyncio.wait([reporting])

    async def _open(self, socket: WebSocket) -> str:
        while True:
            message = await _received(socket)
            try:
                session = await self._opened(message)
            except (*REFUSALS, _RefusedMessageError) as error:
                await socket.send_json({"type": "error", "error": str(error)})
                continue
            summary = self.api.summary(Progress(session))
            addresses = {name: summary[name] for name in ("playlist", "master", "events")}
            await socket.send_json({"type": "session", "session_id": session, **addresses})
            return session

    async def _opened(self, message: dict[str, Any]) -> str:
        if message.pop("type", None) != "open":
            raise _RefusedMessageError("the first message has the type 'open'")
        existing = message.pop("session_id", None)
        if existing is not None:
            try:
                session = check_session(str(existing))
            except ValueError as error:
                raise _RefusedMessageError(str(error)) from None
            description = await self.api.sessions.journal.describe(session)
            if not description.record.open:
                raise _RefusedMessageError(f"session {session} was not accepted open")
            return session
        try:
            request = SessionRequest(**message)
        except (ValidationError, TypeError) as error:
            raise _RefusedMessageError(_first_fault(error)) from None
        described = self.api.describe(request, open_=True)
        STARTED.inc()
        return (await self.api.sessions.open(described)).session

    async def _take(self, session: str, message: dict[str, Any]) -> None:
        sessions = self.api.sessions
        kind = message.pop("type", None)
        if kind == "finish":
            await sessions.finish(session)
        elif kind == "cancel":
            await sessions.cancel(session)
        elif kind in ("text", "silence", "object"):
            if kind == "silence":
                message["silence_s"] = message.pop("seconds", None)
            try:
                item = NewItem(**message)
            except (ValidationError, TypeError) as error:
                raise _RefusedMessageError(_first_fault(error)) from None
            if item.text is not None:
                await sessions.add_text(session, item.text, item_end=item.end, last=item.last)
            elif item.silence_s is not None:
                await sessions.add_silence(session, item.silence_s, last=item.last)
            elif item.object is not None:
                await sessions.add_object(session, item.object, last=item.last)
            else:
                raise _RefusedMessageError(f"a message of type {kind!r} names its {kind}")
        else:
            raise _RefusedMessageError(
                "the types are open, text, silence, object, finish and cancel"
            )

    async def _report(self, socket: WebSocket, session: str) -> None:
        follower = self.api.follower
        sequence = f"{session}/master"
        async for event in follower.follow(Event, sequence, patience_s=QUIET_S):
            if event is None:
                continue
            if event.last:
                ended = (
                    {"type": "failed", "error": event.error} if event.error else {"type": "done"}
                )
                await socket.send_json(ended | {"audio_s": round(event.audio_s, 3)})
                return
            if event.error:
                message = {"type": "item_failed", "item": event.item, "error": event.error}
                await socket.send_json(message)
            elif event.text:
                await socket.send_json(_chunk_message(event))


def _chunk_message(event: Event) -> dict[str, object]:
    words = [[word.text, round(word.start_s, 3), round(word.end_s, 3)] for word in event.words]
    return {
        "type": "chunk",
        "seq": event.seq,
        "item": event.item,
        "text": event.text,
        "start_char": event.start_char,
        "end_char": event.end_char,
        "start_s": round(event.start_s, 3),
        "end_s": round(event.audio_s, 3),
        "words": words,
    }


async def _received(socket: WebSocket) -> dict[str, Any]:
    """Return the next message; what is none is an empty one.

    Raises:
        WebSocketDisconnect: the client has gone.
    """
    received = await socket.receive()
    if received["type"] == "websocket.disconnect":
        raise WebSocketDisconnect(received.get("code", 1000))
    text = received.get("text")
    if not isinstance(text, str) or len(text) > MAX_MESSAGE_CHARS:
        return {}
    try:
        message = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return cast("dict[str, Any]", message) if isinstance(message, dict) else {}


def _first_fault(error: Exception) -> str:
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        return f"{where or 'message'}: {first['msg']}"
    return str(error)
