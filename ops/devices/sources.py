"""The sessions that devices of this process play: one reader for each, shared by its devices."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

import structlog

from ...agents.journal import Description
from ...codecs.device.opus import DEVICE
from ...codecs.encoding import MalformedError
from ...codecs.records import Admission, DeviceFrames
from ...storage.log import LogError, UnreachableError
from ..gateway.follower import Follower
from .window import Window

PATIENCE_S = 3.0
STALLED_S = 30.0
"""A session that gives its listeners nothing for so long has failed."""
LOOK_AGAIN_S = 1.0
"""How often a reader that is far enough ahead looks whether it still is."""
log = structlog.get_logger()


class _Reading:
    """A window, and the task that fills it."""

    def __init__(self, window: Window) -> None:
        self.window = window
        self.joined = asyncio.Event()
        self.task: asyncio.Task[None] | None = None


class Sources:
    """Windows on sessions.

    Args:
        follower: Reads the log for all who wait in this process.
        heard: Called with a session that waits for its listeners and the second they are at.
    """

    def __init__(self, follower: Follower, heard: Callable[[str, float], Awaitable[None]]) -> None:
        self._follower = follower
        self._heard = heard
        self._readings: dict[str, list[_Reading]] = {}

    @property
    def windows(self) -> int:
        """How many windows are open."""
        return sum(len(readings) for readings in self._readings.values())

    def window(self, session: Description, frame: int) -> Window:
        """Return a window on a session in which a frame is or will be.

        Whoever plays there adds itself to its listeners, and calls `left` once it does no longer.
        """
        readings = self._readings.setdefault(session.session, [])
        for reading in readings:
            if reading.window.covers(frame) and not reading.window.error:
                reading.joined.set()
                return reading.window
        reading = _Reading(Window(frame))
        readings.append(reading)
        reading.task = asyncio.create_task(self._fill(session, reading))
        return reading.window

    def left(self, session: str, window: Window) -> None:
        """Give back a window that nobody plays from any more."""
        readings = self._readings.get(session, [])
        for reading in readings:
            if reading.window is window and not window.listeners:
                readings.remove(reading)
                if reading.task is not None:
                    reading.task.cancel()
                break
        if not readings:
            self._readings.pop(session, None)

    async def close(self) -> None:
        """Stop reading."""
        tasks = [
            reading.task
            for readings in self._readings.values()
            for reading in readings
            if reading.task is not None
        ]
        self._readings.clear()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _fill(self, session: Description, reading: _Reading) -> None:
        window = reading.window
        try:
            await self._read(session, reading)
            window.close()
        except (LogError, MalformedError) as error:
            log.warning("packets cannot be read", session=session.session, error=str(error))
            window.close(f"session {session.session} cannot be read: {error}")
        except Exception as error:
            # a bug, whatever it is: its listeners are told, and not left in silence
            log.exception("bug while reading packets", session=session.session)
            window.close(f"session {session.session} cannot be played: {type(error).__name__}")

    async def _read(self, session: Description, reading: _Reading) -> None:
        window, record = reading.window, session.record
        reports = record.open or record.pace.ahead_s > 0
        stalled_s = 0.0
        if await self._is_over(session.session, window):
            return
        runs = self._follower.follow(
            DeviceFrames, session.session, window.end, patience_s=PATIENCE_S
        )
        async for run in runs:
            if reports:
                await self._heard(session.session, window.furthest * DEVICE.frame_ms / 1000)
            if run is not None:
                stalled_s = 0.0
                window.add(run)
                await self._has_room(session.session, reading, reports=reports)
            elif await self._is_over(session.session, window):
                return
            elif window.end or await self._is_admitted(session.session):
                stalled_s += PATIENCE_S
                if stalled_s >= STALLED_S and not record.open:
                    window.close(f"session {session.session} gives no sound: start it again")
                    return

    async def _has_room(self, session: str, reading: _Reading, *, reports: bool) -> None:
        window = reading.window
        while not window.wants_more:
            if reports:
                await self._heard(session, window.furthest * DEVICE.frame_ms / 1000)
            reading.joined.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_AGAIN_S):
                    await reading.joined.wait()

    async def _is_over(self, session: str, window: Window) -> bool:
        """Tell whether a window begins where its session has ended, behind its last record."""
        try:
            state = await self._follower.journal.of(DeviceFrames).state(session)
        except UnreachableError:
            return False  # it is read once the log is back
        return state.closed and state.next <= window.end

    async def _is_admitted(self, session: str) -> bool:
        """Tell whether a session is in production, or was; others wait in line."""
        try:
            return (await self._follower.journal.of(Admission).state(session)).closed
        except UnreachableError:
            return True
