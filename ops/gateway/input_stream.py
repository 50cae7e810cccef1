"""Input streaming: a WebSocket that takes a model's tokens and gives progress and word times.

Client messages are JSON objects with a ``type``: ``open`` (first; the fields of
``POST /v1/sessions``, or ``session_id`` to go on with an open session), ``text`` (``text``,
``end``), ``silence`` (``seconds``), ``object`` (``object``), ``live`` (``live``, a stream's URL),
``sound``, ``finish`` and ``cancel``. An item may have ``seq``, its number in the session, so that
sending it again after a lost connection is harmless. Behind ``sound`` come binary messages, a file
or a recording as it is made (WebM, Ogg, MP3, AAC or WAV), up to ``sound_end`` or the socket's end.

The server answers ``session``, whose ``seq`` is the number of the next item; then ``chunk`` for
each chunk whose audio is made, with its words and when they sound; ``chunk_failed`` for one that is
silent, because no voice could say it; ``item_failed`` for an object that is missing, has changed or
is too damaged to go on (one that was cut short ends where its bytes do); ``sound`` with the ``seq``
of an item whose sound may come; and ``done`` or ``failed``. What it does not take, or cannot now,
is an ``error``, and the session goes on. Closing the socket leaves it open.
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
from ...codecs.records import Event, Item, check_session
from ...storage.errors import OUT_OF_REACH
from ...storage.objects.store import ObjectsUnreachableError
from ..callers import Caller
from ..progress import Progress
from ..refusals import ConflictError, QuotaError, SessionClosedError
from ..session_objects import stream_at
from .api import Api
from .authentication import caller_of
from .requests import NewItem, SessionRequest
from .sound_input import SoundInput

MAX_MESSAGE_CHARS = 600_000
MAX_SOUND_BYTES = 500_000
"""Of one binary message."""
QUIET_S = 30.0
REFUSALS = (MalformedError, UnknownSessionError, SessionClosedError, ConflictError, QuotaError)
OUTAGES = (*OUT_OF_REACH, ObjectsUnreachableError)
TAKEN = {
    "text": frozenset(("text", "end", "last", "seq")),
    "silence": frozenset(("seconds", "last", "seq")),
    "object": frozenset(("object", "last", "seq")),
    "live": frozenset(("live", "last", "seq")),
    "sound": frozenset(("last", "seq")),
    "sound_end": frozenset[str](),
    "finish": frozenset[str](),
    "cancel": frozenset[str](),
}
"""Fields of each type of message after ``open``."""
NAMED = {"text": "text", "silence": "seconds", "object": "object", "live": "live"}
"""The field that each type of item cannot be without."""


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
        sound: SoundInput | None = None
        try:
            session = await self._open(socket)
            reporting = asyncio.create_task(self._report(socket, session))
            sound = SoundInput(self.api.sessions, session)
            while True:
                message = await _received(socket)
                try:
                    await self._take(socket, session, sound, message)
                except (*REFUSALS, *OUTAGES, _RefusedMessageError) as error:
                    await socket.send_json(_error_message(error))
        except (WebSocketDisconnect, RuntimeError):
            pass  # starlette raises RuntimeError for a send on a socket that is closing
        finally:
            if sound is not None:
                with contextlib.suppress(*REFUSALS, *OUTAGES):  # who hears it waits for a while
                    await sound.end()
            if reporting is not None:
                reporting.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await asyncio.wait([reporting])

    async def _open(self, socket: WebSocket) -> str:
        while True:
            message = await _received(socket)
            try:
                session = await self._opened(message, caller_of(socket))
                seq = (await self.api.sessions.journal.of(Item).state(session)).next
            except (*REFUSALS, *OUTAGES, _RefusedMessageError) as error:
                await socket.send_json(_error_message(error))
                continue
            summary = self.api.summary(Progress(session))
            addresses = {name: summary[name] for name in ("playlist", "master", "events")}
            opened = {"type": "session", "session_id": session, "seq": seq, **addresses}
            await socket.send_json(opened)
            return session

    async def _opened(self, message: dict[str, Any] | bytes, caller: Caller) -> str:
        if isinstance(message, bytes) or message.pop("type", None) != "open":
            raise _RefusedMessageError("the first message has the type 'open'")
        existing = message.pop("session_id", None)
        if existing is not None:
            try:
                session = check_session(str(existing))
            except ValueError as error:
                raise _RefusedMessageError(str(error)) from None
            description = await self.api.sessions.journal.describe(session)
            if not caller.owns(description.record.owner):
                raise UnknownSessionError(f"there is no session {session}")
            if not description.record.open:
                raise _RefusedMessageError(f"session {session} was not accepted open")
            return session
        try:
            request = SessionRequest(**message)
        except (ValidationError, TypeError) as error:
            raise _RefusedMessageError(_first_fault(error)) from None
        return (await self.api.accept(request, None, owner=caller.owner)).session

    async def _take(
        self, socket: WebSocket, session: str, sound: SoundInput, message: dict[str, Any] | bytes
    ) -> None:
        if isinstance(message, bytes):
            return await sound.take(message)
        kind = _checked_kind(message)
        if kind == "sound_end":
            if not sound.is_under_way:
                raise _RefusedMessageError("no sound is under way")
            return await sound.end()
        if kind == "sound":
            item = _item(message)
            seq = await sound.begin(last=item.last, seq=item.seq)
            return await socket.send_json({"type": "sound", "seq": seq})
        return await self._add(session, kind, message)

    async def _add(self, session: str, kind: str, message: dict[str, Any]) -> None:
        sessions = self.api.sessions
        if kind == "finish":
            return await sessions.finish(session)
        if kind == "cancel":
            return await sessions.cancel(session)
        if kind == "silence":
            message["silence_s"] = message.pop("seconds")
        item = _item(message)
        if item.text is not None:
            await sessions.add_text(
                session, item.text, item_end=item.end, last=item.last, seq=item.seq
            )
        elif item.silence_s is not None:
            await sessions.add_silence(session, item.silence_s, last=item.last, seq=item.seq)
        else:
            name = item.object or stream_at(item.live or "")
            await sessions.add_object(session, name, last=item.last, seq=item.seq)
        return None

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
                failed = _chunk_message(event) if event.text else {"item": event.item}
                kind = "chunk_failed" if event.text else "item_failed"
                await socket.send_json({**failed, "type": kind, "error": event.error})
            elif event.text:
                await socket.send_json(_chunk_message(event))


def _checked_kind(message: dict[str, Any]) -> str:
    """Take the type out of a message and return it, having seen that the fields are those it has.

    Raises:
        _RefusedMessageError: they are not.
    """
    kind = message.pop("type", None)
    if not isinstance(kind, str) or kind not in TAKEN:
        raise _RefusedMessageError(
            f"a message is a JSON object of up to {MAX_MESSAGE_CHARS} characters whose type is "
            "text, silence, object, live, sound, sound_end, finish or cancel"
        )
    strange = sorted(message.keys() - TAKEN[kind])
    if strange:
        raise _RefusedMessageError(f"a message of type {kind!r} has no field {strange[0][:40]!r}")
    if kind in NAMED and message.get(NAMED[kind]) is None:
        raise _RefusedMessageError(f"a message of type {kind!r} has the field {NAMED[kind]!r}")
    return kind


def _item(message: dict[str, Any]) -> NewItem:
    try:
        return NewItem(**message)
    except (ValidationError, TypeError) as error:
        fault = _first_fault(error).replace("silence_s", "seconds")
        raise _RefusedMessageError(fault) from None


def _error_message(error: Exception) -> dict[str, object]:
    sentence = f"try again in a moment: {error}" if isinstance(error, OUTAGES) else str(error)
    return {"type": "error", "error": sentence}


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


async def _received(socket: WebSocket) -> dict[str, Any] | bytes:
    """Return the next message, or a piece of sound; what is none is an empty one.

    Raises:
        WebSocketDisconnect: the client has gone.
    """
    received = await socket.receive()
    if received["type"] == "websocket.disconnect":
        raise WebSocketDisconnect(received.get("code", 1000))
    data = received.get("bytes")
    if isinstance(data, bytes) and len(data) <= MAX_SOUND_BYTES:
        return data
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
