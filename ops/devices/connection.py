"""One connected device: its conversation over a socket, and what it plays."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import structlog

from ...codecs.device.conversation import (
    POLICY_VIOLATION,
    PROTOCOL_ERROR,
    Conversation,
)
from ...codecs.device.effects import (
    Close,
    Cut,
    Effect,
    Greeted,
    Request,
    Say,
    UplinkBegins,
    UplinkEnds,
    UplinkPacket,
)
from ...codecs.device.mcp import ToolAnswer
from ...codecs.device.websocket_frames import text_message
from ...codecs.encoding import MalformedError
from ...codecs.records import Request as Asked
from ...storage.errors import OUT_OF_REACH
from ..callers import Caller
from ..refusals import ConflictError, QuotaError
from .hearing import Hearing
from .playback import Floor, Playback
from .player import Wire
from .requests import Requests

HELLO_TIMEOUT_S = 10.0
MOST_UNSENT_BYTES = 256_000
"""Of messages that a peer asks for and does not take: it is sent away."""
log = structlog.get_logger()


class Device:
    """A connected device.

    Args:
        name: Its Device-Id.
        caller: Whose it is.
        conversation: Its protocol.
        wire: Its transport.
        close: Ends the connection, with a code and a reason.
        floor: What all devices share.
        lead: Frames that it is sent ahead.
        hears: Whether somebody makes words of what it hears.
    """

    def __init__(
        self,
        name: str,
        caller: Caller,
        conversation: Conversation,
        wire: Wire,
        close: Callable[[int, str], Awaitable[None]],
        *,
        floor: Floor,
        lead: int,
        hears: bool,
    ) -> None:
        self.name = name
        self.caller = caller
        self.conversation = conversation
        self.playback: Playback | None = None
        """What it plays; None until it has said hello."""
        self._wire, self._close = wire, close
        self._floor, self._lead = floor, lead
        self._requests = None if floor.answers is None else Requests(self, floor.answers)
        self._hearing = self._new_hearing() if hears else None
        self._gone = False
        self._closing: asyncio.Task[None] | None = None

    def set_volume(self, percent: int) -> None:
        """Set the speaker's volume, 0 to 100.

        Raises:
            McpError: the device cannot, or it is no volume.
        """
        self.tell(self.conversation.set_volume(percent))

    def show(self, message: str) -> None:
        """Show a message on the device, unless there were many of late."""
        self.tell(self.conversation.alert(message, self._floor.wheel.time()))

    def recognised(self, request: Asked) -> None:
        """Show what was heard; it ends the listening if that was of the same utterance."""
        current = self._hearing is not None and self._hearing.is_of(request.utterance)
        self.tell(self.conversation.recognised(request.text, ends=current))

    def tell(self, effects: list[Effect]) -> None:
        """Do those effects that need not wait."""
        for effect in effects:
            if isinstance(effect, Say) and not self._wire.is_closing:
                self._wire.write(text_message(effect.text))
            elif isinstance(effect, Cut) and self.playback is not None:
                self.playback.silence()
            elif isinstance(effect, ToolAnswer) and effect.error:
                log.info("a device's tool failed", tool=effect.tool, error=effect.error)

    async def hang_up(self, code: int, reason: str) -> None:
        """End the connection; the place is one to go on from."""
        self._gone = True
        if self.playback is not None:
            self.playback.leave()
        await self._close(code, reason)

    async def serve(
        self, receive: Callable[[], Awaitable[Any]], greeted: Callable[[], Awaitable[None]]
    ) -> None:
        """Serve the device until it goes.

        Args:
            receive: Gives the next ASGI event.
            greeted: Called once the device has said hello.
        """
        deadline = asyncio.timeout(HELLO_TIMEOUT_S)
        try:
            async with deadline:
                while not self._gone:
                    event = await receive()
                    if event["type"] == "websocket.disconnect":
                        break
                    message = event.get("text")
                    if message is None:
                        message = event.get("bytes") or b""
                    effects = self.conversation.received(message, self._floor.wheel.time())
                    if Greeted() in effects:
                        deadline.reschedule(None)
                    await self._do(effects, greeted)
        except TimeoutError:
            if not deadline.expired():
                raise
            await self.hang_up(PROTOCOL_ERROR, "no hello within 10 s")
        finally:
            await self._leave()

    async def _leave(self) -> None:
        if self.playback is not None and not self._gone:
            self.playback.leave()
        if self._requests is not None:
            self._requests.end()
        self._gone = True
        if self.conversation.refused:
            log.info("messages refused", device=self.name, messages=self.conversation.refused)
        if self._hearing is not None and UplinkEnds() in self.conversation.lost():
            try:
                await self._hearing.end()
            except (ConflictError, *OUT_OF_REACH) as error:
                log.warning("what a device heard is cut off", device=self.name, error=str(error))

    async def _do(self, effects: list[Effect], greeted: Callable[[], Awaitable[None]]) -> None:
        try:
            for effect in effects:
                if isinstance(effect, Greeted):
                    self.playback = self._new_playback()
                    if self._requests is not None and not self.caller.session:
                        self._requests.begin()
                    await greeted()
                else:
                    await self._do_one(effect)
        except (MalformedError, QuotaError, ConflictError, *OUT_OF_REACH) as error:
            self.show(str(error))
        if self._wire.buffered_bytes > MOST_UNSENT_BYTES:
            await self.hang_up(POLICY_VIOLATION, "it takes nothing of what it asks for")

    async def _do_one(self, effect: Effect) -> None:
        match effect:
            case Request(text):
                self._request(text)
            case Close(code, reason):
                await self.hang_up(code, reason)
            case UplinkBegins(audio, mode) if self._hearing is not None:
                await self._hearing.begin(audio, mode)
            case UplinkPacket(packet) if self._hearing is not None:
                await self._hearing.take(packet)
            case UplinkEnds() if self._hearing is not None:
                await self._hearing.end()
            case _:
                self.tell([effect])

    def _request(self, text: str) -> None:
        if self.caller.session:
            self.show("this token plays one session, and starts none")
            return
        if self._requests is None:
            self.show("nobody answers requests here")
            return
        self._requests.ask(text)

    def _new_hearing(self) -> Hearing | None:
        if self._requests is None or self._floor.answers is None:
            return None
        listeners = self._floor.answers.listeners
        return Hearing(self._requests.listener, self.caller.owner, listeners)

    def _new_playback(self) -> Playback:
        return Playback(
            self._floor,
            self.conversation,
            self._wire,
            self.caller,
            self._lead,
            tell=self.tell,
            stuck=self._hang_up_soon,
        )

    def _hang_up_soon(self) -> None:
        hanging_up = self.hang_up(POLICY_VIOLATION, "it took nothing for 30 s")
        self._closing = asyncio.ensure_future(hanging_up)
