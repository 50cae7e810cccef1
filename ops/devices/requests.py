"""What is asked at a device, done there: a song, the next one, louder, silence in ten minutes."""

import asyncio
import secrets
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import structlog

from ...codecs.catalogue.answers import Control
from ...codecs.device.mcp import McpError
from ...codecs.device.opus import DEVICE
from ...codecs.encoding import MalformedError
from ...codecs.records import Answered
from ...storage.log import UnreachableError
from ..listeners import Follow, Listeners
from ..refusals import ConflictError, QuotaError
from .playback import Playback

if TYPE_CHECKING:
    from .connection import Device

ANSWER_S = 10.0
"""So long an answer is waited for."""
HISTORY = 100
"""Sessions that ``previous`` can go back to."""
VOLUME_STEP, USUAL_VOLUME = 15, 70
"""Percent; what a device is at is not known before it is told."""
NOTHING_BEFORE = "nothing was played before"
log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Answers:
    """Where requests are answered."""

    listeners: Listeners
    follow: Follow[Answered]


class Requests:
    """The requests of one device; a newer one takes the place of one that waits for its answer."""

    def __init__(self, device: "Device", answers: Answers) -> None:
        self._device = device
        self._answers = answers
        self.listener = device.name or f"nameless-{secrets.token_hex(8)}"
        """Its name: the device's, or one that nobody else has."""
        self._answering: asyncio.Task[None] | None = None
        self._sleeping: asyncio.TimerHandle | None = None
        self._played: deque[str] = deque(maxlen=HISTORY)
        """Sessions in the order in which they are, or were, to be heard."""
        self._volume = USUAL_VOLUME

    def ask(self, text: str) -> None:
        """Have a request answered, and do what the answer says."""
        if self._answering is not None:
            self._answering.cancel()
        self._answering = asyncio.create_task(self._ask(text))

    def end(self) -> None:
        """Do nothing more: the device has gone."""
        if self._answering is not None:
            self._answering.cancel()
        if self._sleeping is not None:
            self._sleeping.cancel()

    async def answered(self, answered: Answered) -> None:
        """Do what an answer says; what goes wrong is shown on the device."""
        await self._guarded(self._do(answered))

    async def _ask(self, text: str) -> None:
        await self._guarded(self._asked(text))

    async def _asked(self, text: str) -> None:
        listeners, owner = self._answers.listeners, self._device.caller.owner
        asked = await listeners.ask(self.listener, text, source="device", owner=owner)
        answered = await listeners.answer(asked.session, asked.seq, self._answers.follow, ANSWER_S)
        if answered is None:
            self._device.show("there is no answer yet: is a worker for 'match' running?")
            return
        await self._do(answered)

    async def _guarded(self, work: Awaitable[None]) -> None:
        try:
            await work
        except (MalformedError, QuotaError, ConflictError, UnreachableError, McpError) as error:
            self._device.show(str(error))
        except Exception:  # a bug must not end the conversation
            log.exception("a bug in answering a device", device=self._device.name)
            self._device.show("something went wrong with this request")

    async def _do(self, answered: Answered) -> None:
        playback = self._device.playback
        if playback is None:
            return
        if isinstance(answered.answer, Control):
            await self._control(playback, answered.answer)
            return
        sessions = [track.session for track in answered.tracks]
        if not sessions:
            self._device.show(answered.said or answered.answer.reason)
            return
        playback.clear_queue()
        self._played += sessions
        await playback.play(sessions[0])
        for session in sessions[1:]:
            playback.enqueue(session)

    async def _control(self, playback: Playback, control: Control) -> None:
        value, action = control.value or 0.0, control.action
        at_once: dict[str, Callable[[], None]] = {
            "pause": playback.pause,
            "mute": playback.pause,
            "stop": partial(_stop, playback),
            "shuffle": playback.shuffle,
            "sleep": partial(self._sleep, playback, value),
            "volume": partial(self._set_volume, value),
            "volume_up": partial(self._set_volume, self._volume + VOLUME_STEP),
            "volume_down": partial(self._set_volume, self._volume - VOLUME_STEP),
        }
        waited_for: dict[str, Callable[[], Awaitable[object]]] = {
            "next": partial(_next, playback),
            "previous": partial(self._previous, playback),
            "resume": playback.resume,
            "repeat": partial(playback.seek, 0),
            "seek": partial(_seek, playback, value, from_here=True),
            "position": partial(_seek, playback, value, from_here=False),
        }
        if action in at_once:
            at_once[action]()
        elif action in waited_for:
            await waited_for[action]()
        else:
            self._device.show(f"{action} is nothing that a device can do")

    async def _previous(self, playback: Playback) -> None:
        place = playback.place
        played = list(self._played)
        at = len(played)
        if place is not None and place.session in played:
            at = len(played) - 1 - played[::-1].index(place.session)
        if at == 0:
            self._device.show(NOTHING_BEFORE)
            return
        await playback.play(played[at - 1])

    def _sleep(self, playback: Playback, seconds: float) -> None:
        if self._sleeping is not None:
            self._sleeping.cancel()
        loop = asyncio.get_running_loop()
        self._sleeping = loop.call_later(seconds, _stop, playback)

    def _set_volume(self, percent: float) -> None:
        self._volume = min(100, max(0, round(percent)))
        self._device.set_volume(self._volume)


def _stop(playback: Playback) -> None:
    playback.clear_queue()
    playback.pause()


async def _next(playback: Playback) -> None:
    if not await playback.next():
        playback.pause()


async def _seek(playback: Playback, seconds: float, *, from_here: bool) -> None:
    place = playback.place
    if place is not None:
        first = place.frame if from_here else 0
        await playback.seek(max(0, first + round(seconds * 1000 / DEVICE.frame_ms)))
