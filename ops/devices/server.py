"""Voice devices over WebSocket: their sockets, who they are, and where each of them was.

The socket's process reads the session's ``device`` sequence itself, without a group, with a cursor
for each device. Killing it loses connections and nothing else.
"""

import asyncio
import secrets
from collections import OrderedDict
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from time import time

import structlog
from fastapi import APIRouter, WebSocket, WebSocketDisconnect

from ...codecs.device.conversation import NORMAL, PROTOCOL_ERROR, Conversation
from ...codecs.device.framing import FramingError, agreed_version
from ...codecs.device.ota import DEFAULT_LEAD
from ...codecs.device.tokens import MAX_ID_CHARS
from ...storage.log import UnreachableError
from ...storage.memory.cursors import MemoryCursors
from ..gateway.authentication import caller_of
from ..gateway.background import Background
from ..gateway.follower import Follower
from ..metrics import DEVICES
from ..run.collecting import give_back_freed_memory
from ..sessions import Sessions
from .connection import Device
from .playback import Floor
from .player import Wire
from .positions import MOST_KEPT, Position, Positions, StoredPositions
from .raw_socket import WIRE
from .requests import Answers
from .sources import Sources
from .wheel import Wheel

SAVE_S = 1.0
RESUME_WITHIN_S = 600.0
"""A device that comes back sooner goes on by itself; later it is somebody new at it."""
TRY_AGAIN_LATER = 1013
"""Registered by IANA for RFC 6455, section 7.4.2."""
CLOSE_S = 1.0
log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class DeviceSettings:
    """What an operator chooses."""

    lead: int = DEFAULT_LEAD
    """Frames that a device is sent ahead, unless its address says otherwise."""
    most: int = 2_000
    """Devices that may be connected."""


class DeviceServer:
    """Accepts devices and plays sessions to them.

    Args:
        sessions: Where requests become sessions.
        follower: Reads the log.
        heard: Called with a session that waits for its listeners and the second they are at.
        settings: What an operator chooses.
        positions: Where each device was.
        hears: Whether somebody makes words of the sound that devices send.
        answers: Where what they ask is answered; None where it is not.
    """

    def __init__(
        self,
        sessions: Sessions,
        follower: Follower,
        heard: Callable[[str, float], Awaitable[None]],
        settings: DeviceSettings | None = None,
        *,
        positions: Positions | None = None,
        hears: bool = False,
        answers: Answers | None = None,
    ) -> None:
        self.background = Background("saving where devices are")
        self._sessions = sessions
        self._sources = Sources(follower, heard)
        self._settings = settings or DeviceSettings()
        self._positions = positions or StoredPositions(MemoryCursors())
        self._hears = hears and answers is not None
        self._answers = answers
        self._floor: Floor | None = None
        self._connected: dict[str, Device] = {}
        """By owner and Device-Id; those that tell none are not here."""
        self._count = 0
        self._unsaved: OrderedDict[str, Position | None] = OrderedDict()
        self._being_saved: OrderedDict[str, Position | None] = OrderedDict()

    def router(self) -> APIRouter:
        """Return the WebSocket route, with and without a closing slash."""
        router = APIRouter()
        for path in ("/xiaozhi/v1/", "/xiaozhi/v1"):
            router.add_api_websocket_route(path, self.connect)
        return router

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[None]:
        """Save where devices are, and give back freed memory, until the block is left."""
        giving_back = Background("giving back memory")
        async with (
            self.background.running(self._save_again_and_again),
            giving_back.running(give_back_freed_memory),
        ):
            yield
        await self._sources.close()
        await self._save()

    def find(self, owner: str, device: str) -> Device | None:
        """Return a connected device of an owner (empty for nobody's), None where there is none."""
        return self._connected.get(_key(owner, device))

    @property
    def windows(self) -> int:
        """How many stretches of sessions are being read."""
        return self._sources.windows

    async def connect(self, socket: WebSocket) -> None:
        """Serve one device; ``?session=ID`` plays that session, ``?lead=N`` sends N ahead."""
        try:
            await socket.accept()
        except WebSocketDisconnect:
            return  # it did not wait
        if self._count >= self._settings.most:
            await socket.close(TRY_AGAIN_LATER, "too many devices: try again later")
            return
        header = socket.headers.get("protocol-version")
        try:
            version = agreed_version(header) if (header or "").strip() else None
        except FramingError as error:
            await socket.close(PROTOCOL_ERROR, str(error)[:100])
            return
        device = self._device(socket, version)
        self._count += 1
        DEVICES.inc()
        try:
            wanted = socket.query_params.get("session")
            await device.serve(socket.receive, partial(self._greeted, device, wanted))
        finally:
            self._count -= 1
            DEVICES.dec()
            self._note(device)
            key = _key(device.caller.owner, device.name)
            if self._connected.get(key) is device:
                del self._connected[key]

    def _device(self, socket: WebSocket, version: int | None) -> Device:
        wire: Wire = socket.scope["extensions"][WIRE]
        if self._floor is None:
            wheel = Wheel(asyncio.get_running_loop())
            self._floor = Floor(self._sessions, self._sources, wheel, self._answers)
        name = socket.headers.get("device-id") or socket.query_params.get("device-id") or ""
        return Device(
            name[:MAX_ID_CHARS],
            caller_of(socket),
            Conversation(secrets.token_hex(8), version, hears=self._hears),
            wire,
            partial(_close, socket, wire),
            floor=self._floor,
            lead=_lead_of(socket, self._settings.lead),
            hears=self._hears,
        )

    async def _greeted(self, device: Device, wanted: str | None) -> None:
        """Play what is to be played: the session asked for, or where the device was."""
        place: Position | None = None
        if device.name:
            key = _key(device.caller.owner, device.name)
            before, self._connected[key] = self._connected.get(key), device
            if before is not None:
                await before.hang_up(NORMAL, "the device has connected again")
                self._note(before)
            place = await self._place(key)
        playback = device.playback
        assert playback is not None
        if wanted is not None:
            known = place is not None and place.session == wanted
            await playback.play(wanted, place.frame if place is not None and known else 0)
        elif place is not None and place.playing and time() - place.saved_s < RESUME_WITHIN_S:
            await playback.play(place.session, place.frame)

    async def _place(self, key: str) -> Position | None:
        for newer in (self._unsaved, self._being_saved):
            if key in newer:
                return newer[key]
        try:
            return await self._positions.load(key)
        except UnreachableError as error:
            log.warning("where a device was is not known", error=str(error))
            return None

    def _note(self, device: Device) -> None:
        """Have a device's place saved, if it has changed."""
        playback = device.playback
        if playback is None or not device.name or not playback.has_moved:
            return
        playback.has_moved = playback.is_playing
        self._unsaved[_key(device.caller.owner, device.name)] = playback.place
        while len(self._unsaved) > MOST_KEPT:
            self._unsaved.popitem(last=False)

    async def _save_again_and_again(self) -> None:
        while True:
            await asyncio.sleep(SAVE_S)
            for device in self._connected.values():
                self._note(device)
            await self._save()

    async def _save(self) -> None:
        self._being_saved, self._unsaved = self._unsaved, OrderedDict()
        try:
            if self._being_saved:
                await self._positions.save(self._being_saved)
        except UnreachableError as error:
            log.warning("where devices are is not saved, trying again", error=str(error))
            self._unsaved = OrderedDict(self._being_saved | self._unsaved)
        self._being_saved = OrderedDict()


async def _close(socket: WebSocket, wire: Wire, code: int, reason: str) -> None:
    try:
        async with asyncio.timeout(CLOSE_S):
            await socket.close(code, reason)
    except TimeoutError:
        wire.abort()  # it takes nothing any more, not even that
    except (RuntimeError, WebSocketDisconnect):
        return  # it is closed already


def _key(owner: str, device: str) -> str:
    return f"{owner}|{device}"


def _lead_of(socket: WebSocket, usual: int) -> int:
    """Return the lead that the address tells, as the OTA answer has put it there."""
    told = socket.query_params.get("lead", "")
    return min(int(told), usual) if told.isascii() and told.isdigit() and len(told) < 4 else usual
