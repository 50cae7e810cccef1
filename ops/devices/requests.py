"""What is asked at a device, done there: a song, the next one, louder, silence in ten minutes."""

import asyncio
import secrets
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import structlog

from ...codecs.catalogue.answers import Control
from ...codecs.device.mcp import McpError
from ...codecs.device.opus import DEVICE
from ...codecs.encoding import MalformedError, decode
from ...codecs.records import Answered, Heard, Request
from ...storage.errors import OUT_OF_REACH
from ...storage.log import LogError, UnreachableError
from ..listeners import Follow, Listeners
from ..refusals import ConflictError, QuotaError
from .hours import Hours
from .playback import Playback

if TYPE_CHECKING:
    from .connection import Device

ANSWER_S = 10.0
"""So long an answer is waited for, from the end of what was said."""
PATIENCE_S = 60.0
"""So often it is looked whether the log has lost what was answered."""
TRY_AGAIN_S = 1.0
MOST_PIECES = 500
"""Of an utterance, which has two minutes at most."""
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
    """The requests of one device, and what is done about the answers.

    Who else asks for its listener, over HTTP or by a record, has the device do it too.
    """

    def __init__(self, device: "Device", answers: Answers) -> None:
        self._device = device
        self._answers = answers
        self._journal = answers.listeners.sessions.journal
        self.listener = device.name or f"nameless-{secrets.token_hex(8)}"
        """Its name: the device's, or one that nobody else has."""
        self._next = 0
        """Position of the answer that is done next."""
        self._knows_next = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._sleeping: asyncio.TimerHandle | None = None
        self._hours = Hours(device, self.listener, answers.listeners)
        self._played: deque[str] = deque(maxlen=HISTORY)
        """Sessions in the order in which they are, or were, to be heard."""
        self._volume = USUAL_VOLUME

    def begin(self) -> None:
        """Do what is answered from now on, within the listener's limits."""
        self._start(self._follow())
        self._start(self._hours.watch())

    def ask(self, text: str) -> None:
        """Have a request answered."""
        self._start(self._guarded(self._ask(text)))

    def end(self) -> None:
        """Do nothing more: the device has gone."""
        for task in self._tasks:
            task.cancel()
        if self._sleeping is not None:
            self._sleeping.cancel()

    def _start(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _ask(self, text: str) -> None:
        listeners, owner = self._answers.listeners, self._device.caller.owner
        await self._knows_next.wait()  # or its answer could be taken for an older one
        asked = await listeners.ask(self.listener, text, source="device", owner=owner)
        await asyncio.sleep(ANSWER_S)
        if self._next <= asked.seq:
            self._device.show("there is no answer yet: is a worker for 'match' running?")

    async def _follow(self) -> None:
        listeners, owner = self._answers.listeners, self._device.caller.owner
        while True:
            try:
                listener = await listeners.listener(self.listener, owner)
                self._next = (await self._journal.of(Answered).state(listener)).next
                self._knows_next.set()
                await self._do_all(listener)
            except (UnreachableError, LogError) as error:
                log.warning("a device's answers wait for the log", error=str(error))
                await asyncio.sleep(TRY_AGAIN_S)
            except MalformedError as error:
                self._device.show(f"nothing can be asked here: {error}")
                self._knows_next.set()  # who asks is told so each time
                return

    async def _do_all(self, listener: str) -> None:
        """Do one answer after another, until the log has lost some."""
        told = self._answers.follow(Answered, listener, self._next, patience_s=PATIENCE_S)
        async with aclosing(told):
            async for answered in told:
                if answered is not None:
                    self._next = answered.seq + 1
                    await self._guarded(self._heed(listener, answered))
                elif (await self._journal.of(Answered).state(listener)).next < self._next:
                    return

    async def _heed(self, listener: str, answered: Answered) -> None:
        """Tell the device what was said to it, and do what it was answered with."""
        seq = answered.seq
        (told,) = await self._journal.of(Answered).entries(listener, seq, seq + 1)
        (entry,) = await self._journal.of(Request).entries(listener, seq, seq + 1)
        request, asked_ms = decode(entry.value or b"", Request), entry.timestamp_ms
        if request.utterance >= 0:
            asked_ms = await self._spoken_ms(listener, request.utterance, told.timestamp_ms)
        if told.timestamp_ms - asked_ms > 1000 * ANSWER_S:
            return  # whoever asked has given up
        if request.source == "speech":
            self._device.recognised(request)
        if request.trouble:
            self._device.show(request.trouble)
        self._hours.note(answered.tracks)
        await self._do(answered)
        await self._hours.look()

    async def _spoken_ms(self, listener: str, first: int, before_ms: int) -> int:
        """Return when the last piece of an utterance came."""
        entries = await self._journal.of(Heard).entries(listener, first, limit=MOST_PIECES)
        times = [
            entry.timestamp_ms
            for entry in entries
            if entry.timestamp_ms <= before_ms and decode(entry.value or b"", Heard).first == first
        ]
        return max(times, default=0)

    async def _guarded(self, work: Awaitable[None]) -> None:
        try:
            await work
        except (MalformedError, QuotaError, ConflictError, *OUT_OF_REACH, McpError) as error:
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
