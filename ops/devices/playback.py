"""What one device plays: a cursor on the frames of one session after another."""

import asyncio
import random
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from time import time
from typing import TYPE_CHECKING

from ...agents.journal import Description, UnknownSessionError
from ...codecs.device.conversation import (
    Conversation,
)
from ...codecs.device.effects import (
    Effect,
)
from ...codecs.device.websocket_frames import text_message
from ...codecs.encoding import MalformedError
from ...codecs.records import check_session
from ...storage.log import UnreachableError
from ..callers import Caller
from ..sessions import Sessions
from .packets import request_packets
from .player import Ending, Player, Sound, Wire
from .positions import Position
from .sources import Sources
from .wheel import Wheel

if TYPE_CHECKING:
    from .requests import Answers

MOST_QUEUED = 100
"""Sessions that wait to be played behind the one that is."""


@dataclass(frozen=True, slots=True)
class Floor:
    """What all devices of a process share."""

    sessions: Sessions
    sources: Sources
    wheel: Wheel
    answers: "Answers | None" = None
    """Where requests are answered; None where they are not."""


class Playback:
    """Plays sessions on one device.

    Args:
        floor: Shared by all.
        conversation: The device's protocol.
        wire: Its transport.
        caller: Whose sessions it may hear.
        lead: Frames that it is sent ahead.
        tell: Does the conversation's effects.
        stuck: Called once the device has taken nothing for long.
    """

    def __init__(
        self,
        floor: Floor,
        conversation: Conversation,
        wire: Wire,
        caller: Caller,
        lead: int,
        *,
        tell: Callable[[list[Effect]], None],
        stuck: Callable[[], None],
    ) -> None:
        self.has_moved = False
        """True where `place` has changed since this was last set to False."""
        self._floor, self._conversation, self._caller = floor, conversation, caller
        self._tell, self._stuck = tell, stuck
        self._position: Position | None = None
        self._description: Description | None = None
        self._queue: deque[str] = deque()
        self._tasks: set[asyncio.Task[None]] = set()
        messages = conversation.messages
        self._player = Player(
            floor.wheel,
            wire,
            conversation.version,
            lead,
            encoding=conversation.encoding,
            on_ending=self._ended,
            on_source_end=self._source_ended,
            sentence=lambda text: text_message(messages.tts_sentence_start(text)),
        )

    @property
    def is_playing(self) -> bool:
        """True from `play` to the end of play-out."""
        return self._player.sound is not None

    @property
    def place(self) -> Position | None:
        """Where the device is, or was when it stopped; None behind the end of a session."""
        sound = self._player.sound
        if sound is None:
            return self._position
        return Position(sound.session, self._player.heard, playing=True, saved_s=time())

    async def play(self, session: str, frame: int = 0) -> bool:
        """Play a session from a frame (60 ms) on, behind what was sent ahead; tell whether it is.

        What cannot be played is shown on the device.

        Raises:
            UnreachableError: the log does not answer.
        """
        description = await self._playable(session)
        if description is not None:
            self._begin(description, max(0, frame))
        return description is not None

    def enqueue(self, session: str) -> None:
        """Play a session behind what plays, without a pause.

        Raises:
            MalformedError: 100 wait already.
        """
        if len(self._queue) >= MOST_QUEUED:
            raise MalformedError(f"{MOST_QUEUED} sessions wait already: let some be heard first")
        self._queue.append(session)
        if not self.is_playing:
            self._spawn(self.next())

    def clear_queue(self) -> None:
        """Have nothing follow what plays."""
        self._queue.clear()

    def shuffle(self) -> None:
        """Have what waits follow in another order."""
        waiting = list(self._queue)
        random.shuffle(waiting)
        self._queue = deque(waiting)

    async def next(self) -> bool:
        """Play what waits behind what plays; False where nothing does, or nothing can be."""
        while self._queue:
            try:
                if await self.play(self._queue.popleft()):
                    return True
            except UnreachableError as error:
                self._show(str(error))
        return False

    async def seek(self, frame: int) -> bool:
        """Go on from another frame of the session; False where there is none."""
        place = self.place
        return place is not None and await self.play(place.session, frame)

    def pause(self) -> None:
        """Stop at once, and keep the place."""
        self.silence()
        self._tell(self._conversation.fall_silent())

    async def resume(self) -> bool:
        """Go on where it was stopped; False where it was not."""
        place = self._position
        if self.is_playing or place is None:
            return False
        return await self.play(place.session, place.frame)

    def silence(self) -> None:
        """Send nothing more of what plays, and keep the place."""
        sound = self._player.sound
        if sound is None:
            return
        self._keep(sound, self._player.heard, playing=False)
        self._player.cut()
        self._floor.sources.left(sound.session, sound.window)

    def leave(self) -> None:
        """Stop, since the connection has gone: the place is one to go on from by itself."""
        sound = self._player.sound
        self.silence()
        if sound is not None and self._position is not None:
            self._keep(sound, self._position.frame, playing=True)
        for task in self._tasks:
            task.cancel()

    async def _playable(self, session: str) -> Description | None:
        """Return a session that can be played here; show why where it cannot."""
        journal = self._floor.sessions.journal
        try:
            description = await journal.describe(check_session(session))
        except (UnknownSessionError, ValueError):
            self._show(f"there is no session {session[:64]}")
            return None
        owned = self._caller.owns(description.record.owner)
        if not owned or self._caller.session not in ("", session):
            self._show(f"there is no session {session[:64]}")
        elif description.form.device is None:
            self._show(f"session {session} was accepted without audio for devices")
        elif not await request_packets(journal, session):
            self._show(f"session {session} ended long ago, and no device heard it then")
        else:
            return description
        return None

    def _begin(self, description: Description, frame: int) -> None:
        before = self._player.sound
        started = self._conversation.speak()
        if started:
            self._tell(started)
            self._player.begin()
        self._description = description
        self.has_moved = True
        sources = self._floor.sources
        self._player.play(description.session, sources.window(description, frame), frame)
        if before is not None:
            sources.left(before.session, before.window)

    def _source_ended(self, sound: Sound) -> None:
        if self._queue and not sound.window.error:
            self._spawn(self.next())

    def _ended(self, sound: Sound, ending: Ending) -> None:
        self._floor.sources.left(sound.session, sound.window)
        if ending is Ending.OUTSIDE and self._description is not None:
            self._begin(self._description, self._player.cursor)
            return
        if ending is Ending.PLAYED and not sound.window.error:
            self._position, self.has_moved = None, True
        else:
            self._keep(sound, self._player.cursor, playing=ending is Ending.STUCK)
        self._tell(self._conversation.fall_silent())
        if sound.window.error:
            self._show(sound.window.error)
        if ending is Ending.STUCK:
            self._stuck()

    def _keep(self, sound: Sound, frame: int, *, playing: bool) -> None:
        self._position = Position(sound.session, frame, playing=playing, saved_s=time())
        self.has_moved = True

    def _show(self, message: str) -> None:
        self._tell(self._conversation.alert(message, self._floor.wheel.time()))

    def _spawn(self, doing: Awaitable[object]) -> None:
        async def done() -> None:
            await doing

        task = asyncio.create_task(done())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
