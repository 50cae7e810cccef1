"""Voice devices over WebSocket: the xiaozhi protocol, version 1, paced from the log.

The socket's process reads the session's ``device`` sequence itself, without a group, with a cursor
for each listener. Killing it loses a connection and nothing else.
"""

import asyncio
import json
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, cast

import structlog
from fastapi import APIRouter, WebSocket, WebSocketDisconnect

from ...agents.journal import UnknownSessionError
from ...codecs.device.opus import DEVICE_FRAME_MS, DEVICE_RATE_HZ
from ...codecs.device.pacing import Pacer
from ...codecs.encoding import MalformedError
from ...codecs.records import DeviceFrames, check_session
from ..gateway.follower import Follower
from ..metrics import DEVICE_FRAMES, DEVICES
from ..sessions import Sessions

HELLO_TIMEOUT_S = 10.0
START_DELAY_S = 0.15
"""Firmware drops what comes right behind ``tts start``: it only schedules the speaking state."""
DRAIN_S = 0.42
"""``tts stop`` cuts what the device still holds: five frames of lead and two in play-out."""
LATE_S = 0.020
MAX_MESSAGE_CHARS = 16_000
PATIENCE_S = 3.0
STALLED_S = 30.0
"""A session that gives a listener nothing for so long has failed."""
AUDIO_PARAMS = {
    "format": "opus",
    "sample_rate": DEVICE_RATE_HZ,
    "channels": 1,
    "frame_duration": DEVICE_FRAME_MS,
}
log = structlog.get_logger()


@dataclass(slots=True)
class _Device:
    """One connection."""

    socket: WebSocket
    connection: str
    playing: asyncio.Task[None] | None = None
    generation: int = 0
    """Counts what was begun; frames of an older generation are never sent."""
    sending: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def say(self, kind: str, **values: object) -> None:
        message = {"session_id": self.connection, "type": kind, **values}
        async with self.sending:
            await self.socket.send_text(json.dumps(message, ensure_ascii=False))


class DeviceServer:
    """Accepts devices and plays sessions to them."""

    def __init__(
        self,
        sessions: Sessions,
        follower: Follower,
        heard: Callable[[str], Awaitable[None]],
    ) -> None:
        self._sessions = sessions
        self._follower = follower
        self._heard = heard

    def router(self) -> APIRouter:
        """Return the WebSocket route, with and without a closing slash."""
        router = APIRouter()
        for path in ("/xiaozhi/v1/", "/xiaozhi/v1"):
            router.add_api_websocket_route(path, self.connect)
        return router

    async def connect(self, socket: WebSocket) -> None:
        """Serve one device; ``?session=ID`` plays that session at once."""
        wanted = socket.query_params.get("session")
        await socket.accept()
        device = _Device(socket, secrets.token_hex(8))
        DEVICES.inc()
        try:
            if not await self._shake_hands(device):
                return
            if wanted is not None:
                await self._play(device, wanted)
            while True:
                await self._heed(device, await socket.receive())
        except WebSocketDisconnect:
            pass  # a device goes as it pleases
        finally:
            DEVICES.dec()
            await self._stop(device)

    async def _shake_hands(self, device: _Device) -> bool:
        try:
            message = await asyncio.wait_for(device.socket.receive(), HELLO_TIMEOUT_S)
        except TimeoutError:
            await device.socket.close(1002, "no hello within 10 s")
            return False
        hello = _parsed(message)
        if hello.get("type") != "hello":
            await device.socket.close(1002, "the first message must be a hello")
            return False
        await device.say("hello", version=1, transport="websocket", audio_params=AUDIO_PARAMS)
        return True

    async def _heed(self, device: _Device, message: Any) -> None:
        if message["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(message.get("code", 1000))
        said = _parsed(message)
        if said.get("type") == "abort":
            if await self._stop(device):
                await device.say("tts", state="stop")
        elif said.get("type") == "listen" and said.get("state") == "detect":
            text = str(said.get("text", ""))
            await device.say("stt", text=text)
            try:
                record = await self._sessions.start(text)
            except MalformedError as error:
                await device.say("alert", status="error", message=str(error), emotion="sad")
                return
            await self._play(device, record.session)

    async def _play(self, device: _Device, session: str) -> None:
        try:
            check_session(session)
            known = True
            await self._sessions.journal.describe(session)
        except (UnknownSessionError, ValueError):
            known = False
        if not known:
            await device.say(
                "alert", status="error", message=f"no session {session[:64]}", emotion="sad"
            )
            return
        await self._stop(device)
        device.generation += 1
        device.playing = asyncio.create_task(self._stream(device, session))

    async def _stop(self, device: _Device) -> bool:
        """Stop what plays; return whether something did."""
        task, device.playing = device.playing, None
        device.generation += 1
        if task is None or task.done():
            return False
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return True

    async def _stream(self, device: _Device, session: str) -> None:
        generation = device.generation
        try:
            await device.say("tts", state="start")
            await asyncio.sleep(START_DELAY_S)
            await self._send_frames(device, session)
            await asyncio.sleep(DRAIN_S)
            if generation == device.generation:
                await device.say("tts", state="stop")
        except (WebSocketDisconnect, RuntimeError, OSError) as error:
            # starlette raises RuntimeError for a send on a socket that is closing
            log.info("device gone", session=session, error=str(error))

    async def _send_frames(self, device: _Device, session: str) -> None:
        pacer = Pacer()
        cursor = 0
        following = self._follower.follow(DeviceFrames, session, patience_s=PATIENCE_S)
        description = await self._sessions.journal.describe(session)
        stalled_s = 0.0
        async for run in following:
            if description.record.open:
                await self._heard(session)
            if run is None:
                stalled_s += PATIENCE_S
                if not description.record.open and stalled_s >= STALLED_S:
                    return
                continue
            stalled_s = 0.0
            cursor = await self._send_run(device, run, cursor, pacer)

    async def _send_run(self, device: _Device, run: DeviceFrames, cursor: int, pacer: Pacer) -> int:
        clock = asyncio.get_running_loop().time
        sentences = dict(run.sentences)
        for number, packet in enumerate(run.packets, start=run.first_frame):
            if number < cursor:
                continue
            await asyncio.sleep(pacer.due(number, clock()) - clock())
            if number in sentences:
                await device.say("tts", state="sentence_start", text=sentences[number])
            async with device.sending:
                await device.socket.send_bytes(packet)
            now = clock()
            late = now - pacer.deadline(number) > LATE_S
            DEVICE_FRAMES.labels("late" if late else "on time").inc()
            pacer.sent(now)
            cursor = number + 1
        return cursor


def _parsed(message: Any) -> dict[str, Any]:
    if message["type"] == "websocket.disconnect":
        raise WebSocketDisconnect(message.get("code", 1000))
    text = message.get("text")
    if not isinstance(text, str) or len(text) > MAX_MESSAGE_CHARS:
        return {}  # uplink audio, or more than any message of the protocol
    try:
        said = json.loads(text)
    except ValueError:
        return {}
    return cast("dict[str, Any]", said) if isinstance(said, dict) else {}
