"""Voice devices over WebSocket: a thin shell around the xiaozhi protocol, paced from the log.

The socket's process reads the session's ``device`` sequence itself, without a group, with a cursor
for each listener. Killing it loses a connection and nothing else.
"""

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import structlog
from fastapi import APIRouter, WebSocket, WebSocketDisconnect

from ...agents.journal import UnknownSessionError
from ...codecs.device.framing import Frame, FramingError, agreed_version, encode_frame
from ...codecs.device.opus import DEVICE
from ...codecs.device.pacing import Pacer
from ...codecs.device.xiaozhi import (
    Abort,
    Goodbye,
    Hello,
    ListenDetect,
    Message,
    MessageError,
    Ping,
    ServerMessages,
    Unknown,
    parse_message,
)
from ...codecs.encoding import MalformedError
from ...codecs.records import Admission, DeviceFrames, check_session
from ...storage.log import UnreachableError
from ..gateway.authentication import caller_of
from ..gateway.follower import Follower
from ..metrics import DEVICE_FRAMES, DEVICES
from ..refusals import QuotaError
from ..sessions import Sessions
from .packets import request_packets

HELLO_TIMEOUT_S = 10.0
START_DELAY_S = 0.15
"""Firmware drops what comes right behind ``tts start``: it only schedules the speaking state."""
DRAIN_S = 0.42
"""``tts stop`` cuts what the device still holds: five frames of lead and two in play-out."""
LATE_S = 0.020
PATIENCE_S = 3.0
STALLED_S = 30.0
"""A session that gives a listener nothing for so long has failed."""
log = structlog.get_logger()


@dataclass(slots=True)
class _Device:
    """One connection."""

    socket: WebSocket
    messages: ServerMessages
    framing: int
    """Version of the binary protocol, 1 to 3."""
    playing: asyncio.Task[None] | None = None
    generation: int = 0
    """Counts what was begun; frames of an older generation are never sent."""
    sending: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def tell(self, message: str) -> None:
        async with self.sending:
            await self.socket.send_text(message)

    async def alert(self, message: str) -> None:
        await self.tell(self.messages.alert("error", message, "sad"))


class DeviceServer:
    """Accepts devices and plays sessions to them."""

    def __init__(
        self,
        sessions: Sessions,
        follower: Follower,
        heard: Callable[[str, float], Awaitable[None]],
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
        try:
            framing = agreed_version(socket.headers.get("protocol-version"))
        except FramingError as error:
            await socket.close(1002, str(error)[:100])
            return
        device = _Device(socket, ServerMessages(secrets.token_hex(8)), framing)
        DEVICES.inc()
        try:
            if not await self._shake_hands(device):
                return
            if wanted is not None:
                await self._or_alert(device, self._play(device, wanted))
            while True:
                message = await _received(device)
                if isinstance(message, Goodbye):
                    return
                await self._or_alert(device, self._heed(device, message))
        except WebSocketDisconnect:
            pass  # a device goes as it pleases
        finally:
            DEVICES.dec()
            await self._stop(device)

    async def _shake_hands(self, device: _Device) -> bool:
        try:
            async with asyncio.timeout(HELLO_TIMEOUT_S):
                first = await _received(device)
        except TimeoutError:
            await device.socket.close(1002, "no hello within 10 s")
            return False
        if not isinstance(first, Hello):
            await device.socket.close(1002, "the first message must be a hello")
            return False
        await device.tell(device.messages.hello(DEVICE))
        return True

    @staticmethod
    async def _or_alert(device: _Device, doing: Awaitable[None]) -> None:
        try:
            await doing
        except (MalformedError, QuotaError, UnreachableError) as error:
            await device.alert(str(error))

    async def _heed(self, device: _Device, message: Message) -> None:
        if isinstance(message, Abort):
            if await self._stop(device):
                await device.tell(device.messages.tts_stop())
        elif isinstance(message, Ping):
            await device.tell(device.messages.pong())
        elif isinstance(message, ListenDetect):
            caller = caller_of(device.socket)
            if caller.session:
                await device.alert("this token plays one session, and starts none")
                return
            await device.tell(device.messages.stt(message.text))
            described = self._sessions.described(owner=caller.owner)
            session = await self._sessions.start(message.text, described)
            await self._play(device, session.session)

    async def _play(self, device: _Device, session: str) -> None:
        try:
            description = await self._sessions.journal.describe(check_session(session))
        except (UnknownSessionError, ValueError):
            await device.alert(f"there is no session {session[:64]}")
            return
        if description.form.device is None:
            await device.alert(f"session {session} was accepted without audio for devices")
            return
        if not await request_packets(self._sessions.journal, session):
            await device.alert(f"session {session} ended long ago, and no device heard it then")
            return
        await self._stop(device)
        device.generation += 1
        record = description.record
        reports = record.open or record.pace.ahead_s > 0
        playing = self._stream(device, session, open_=record.open, reports=reports)
        device.playing = asyncio.create_task(playing)

    async def _stop(self, device: _Device) -> bool:
        """Stop what plays; return whether something did."""
        task, device.playing = device.playing, None
        device.generation += 1
        if task is None or task.done():
            return False
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return True

    async def _stream(self, device: _Device, session: str, *, open_: bool, reports: bool) -> None:
        generation = device.generation
        try:
            await device.tell(device.messages.tts_start())
            await asyncio.sleep(START_DELAY_S)
            await self._send_session(device, session, open_=open_, reports=reports)
            await asyncio.sleep(DRAIN_S)
            if generation == device.generation:
                await device.tell(device.messages.tts_stop())
        except (WebSocketDisconnect, RuntimeError, OSError) as error:
            # starlette raises RuntimeError for a send on a socket that is closing
            log.info("device gone", session=session, error=str(error))

    async def _send_session(
        self, device: _Device, session: str, *, open_: bool, reports: bool
    ) -> None:
        pacer = Pacer()
        cursor = 0
        stalled_s = 0.0
        async for run in self._follower.follow(DeviceFrames, session, patience_s=PATIENCE_S):
            if reports:
                await self._heard(session, cursor * DEVICE.frame_ms / 1000)
            if run is None:
                if not cursor and not await self._is_admitted(session):
                    continue  # it waits in line
                stalled_s += PATIENCE_S
                if not open_ and stalled_s >= STALLED_S:
                    return
                continue
            stalled_s = 0.0
            cursor = await self._send_run(device, run, cursor, pacer)

    async def _is_admitted(self, session: str) -> bool:
        try:
            return (await self._sessions.journal.of(Admission).state(session)).closed
        except UnreachableError:
            return True  # then it is the log that gives nothing

    async def _send_run(self, device: _Device, run: DeviceFrames, cursor: int, pacer: Pacer) -> int:
        clock = asyncio.get_running_loop().time
        sentences = dict(run.sentences)
        for number, packet in enumerate(run.packets, start=run.first_frame):
            if number < cursor:
                continue
            await asyncio.sleep(pacer.due(number, clock()) - clock())
            if number in sentences:
                await device.tell(device.messages.tts_sentence_start(sentences[number]))
            frame = Frame(packet, timestamp_ms=number * DEVICE.frame_ms & 0xFFFFFFFF)
            async with device.sending:
                await device.socket.send_bytes(encode_frame(device.framing, frame))
            now = clock()
            late = now - pacer.deadline(number) > LATE_S
            DEVICE_FRAMES.labels("late" if late else "on time").inc()
            pacer.sent(now)
            cursor = number + 1
        return cursor


async def _received(device: _Device) -> Message:
    """Return the device's next message; what is not of the protocol is an `Unknown` one.

    Raises:
        WebSocketDisconnect: the device has gone.
    """
    message: Any = await device.socket.receive()
    if message["type"] == "websocket.disconnect":
        raise WebSocketDisconnect(message.get("code", 1000))
    text = message.get("text")
    if text is None:
        return Unknown("")  # uplink audio, which nobody listens to yet
    try:
        return parse_message(text)
    except MessageError as error:
        log.info("device message ignored", error=str(error))
        return Unknown("")
