"""What a device hears, put into the log as it comes; what is made of it is done there."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Literal

import structlog

from ...codecs.device.xiaozhi import AudioParams, ListenMode
from ...codecs.encoding import MalformedError
from ...codecs.records import Answered, Heard, Microphone
from ...codecs.records import Request as Asked
from ...storage.log import LogError, UnreachableError
from ..listeners import Follow, Listeners
from ..refusals import ConflictError

PIECE_MS = 300
"""Of an utterance in one record: a pause in it is noticed no later."""
WAITS_S = 150.0
"""An utterance's answer is waited for so long from its beginning on: it may last two minutes."""
log = structlog.get_logger()


@dataclass(slots=True)
class _Utterance:
    listener: str
    first: int
    seq: int
    microphone: Microphone
    until: Literal["told", "silence"]
    packets: list[bytes]


class Hearing:
    """What one device says. Calls come in order, and the device waits while one lasts.

    Args:
        name: The listener's.
        owner: Of the listener; empty for nobody's.
        listeners: Where listeners are known.
        follow: Follows their answers.
        answered: Called with the request that an utterance became, and its answer.
    """

    def __init__(
        self,
        name: str,
        owner: str,
        listeners: Listeners,
        follow: Follow[Answered],
        answered: Callable[[Asked, Answered], Awaitable[None]],
    ) -> None:
        self._name, self._owner = name, owner
        self._listeners, self._follow, self._answered = listeners, follow, answered
        self._journal = listeners.sessions.journal
        self._utterance: _Utterance | None = None
        self._waiting: asyncio.Task[None] | None = None

    async def begin(self, audio: AudioParams, mode: ListenMode) -> None:
        """Expect packets, in the form that the hello told.

        Raises:
            MalformedError: nobody can make sound of that form, or the name is none.
            UnreachableError: the log does not answer.
        """
        try:
            microphone = Microphone(audio.encoding, audio.sample_rate_hz, audio.frame_ms)
        except ValueError as error:
            raise MalformedError(f"what this device hears cannot be read: {error}") from None
        listener = await self._listeners.known(self._name, self._owner)
        first = (await self._journal.of(Heard).state(listener)).next
        answers = (await self._journal.of(Answered).state(listener)).next
        until = "told" if mode == "manual" else "silence"
        self._utterance = _Utterance(listener, first, first, microphone, until, [])
        self.stop_waiting()
        self._waiting = asyncio.create_task(self._wait(listener, first, answers))

    async def take(self, packet: bytes) -> None:
        """Take a packet, 1 to 4,000 bytes; what is in it is not looked at here.

        Raises:
            ConflictError: another device of that name speaks at the same time.
            UnreachableError: the log does not answer.
        """
        utterance = self._utterance
        if utterance is None:
            return
        utterance.packets.append(packet)
        if len(utterance.packets) * utterance.microphone.frame_ms >= PIECE_MS:
            await self._store(utterance, ended=False)

    async def end(self) -> None:
        """Take it that the device listens no more, or has gone.

        Raises:
            ConflictError, UnreachableError: as `take`.
        """
        utterance, self._utterance = self._utterance, None
        if utterance is not None:
            await self._store(utterance, ended=True)

    def stop_waiting(self) -> None:
        """Wait for no answer any more."""
        if self._waiting is not None:
            self._waiting.cancel()

    async def _store(self, utterance: _Utterance, *, ended: bool) -> None:
        piece = Heard(
            session=utterance.listener,
            seq=utterance.seq,
            first=utterance.first,
            packets=tuple(utterance.packets),
            microphone=utterance.microphone,
            until=utterance.until,
            ended=ended,
        )
        utterance.packets = []
        if not await self._journal.of(Heard).append(piece):
            self._utterance = None
            raise ConflictError("another device of this name is being listened to")
        utterance.seq += 1

    async def _wait(self, listener: str, first: int, answers: int) -> None:
        """Hand on the answer to this utterance; others' answers come between."""
        end_s = asyncio.get_running_loop().time() + WAITS_S
        requests = self._journal.of(Asked)
        try:
            async with aclosing(
                self._follow(Answered, listener, answers, patience_s=WAITS_S)
            ) as told:
                async for answered in told:
                    if answered is None or asyncio.get_running_loop().time() > end_s:
                        return
                    asked = await requests.records(listener, answered.seq, answered.seq + 1)
                    if asked and asked[0].utterance == first:
                        self._utterance = None  # where only silence would have ended it
                        await self._answered(asked[0], answered)
                        return
        except (LogError, UnreachableError) as error:
            log.warning("an utterance's answer is not followed any more", error=str(error))
        except Exception:  # a bug must not end the conversation
            log.exception("a bug in hearing a device", listener=listener)
