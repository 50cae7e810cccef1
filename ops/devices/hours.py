"""What a device plays, held to its listener's limits as they are now."""

import asyncio
from collections import OrderedDict
from time import time
from typing import TYPE_CHECKING

import structlog

from ...codecs.catalogue.limits import Limits
from ...codecs.encoding import MalformedError
from ...codecs.records import Answered, Track
from ...storage.log import LogError, UnreachableError
from ..listeners import Listeners

if TYPE_CHECKING:
    from .connection import Device

LOOK_S = 20.0
"""What is decided while something plays counts so much later at most."""
LOOK_BACK = 50
"""Answers in which it is looked what a session is that was begun at another connection."""
MOST_KNOWN = 200
log = structlog.get_logger()


class Hours:
    """Stops what may not be heard (any more): also what was resumed, repeated or gone back to.

    Replies are not stopped: they tell when to ask again. Of a session that nobody asked for in
    words only the hours are known.

    Args:
        device: The device.
        name: Its listener's name.
        listeners: Where listeners are known.
    """

    def __init__(self, device: "Device", name: str, listeners: Listeners) -> None:
        self._device, self._name, self._listeners = device, name, listeners
        self._known: OrderedDict[str, Track | None] = OrderedDict()

    def note(self, tracks: tuple[Track, ...]) -> None:
        """Remember what sessions are."""
        for track in tracks:
            self._known[track.session] = track
        while len(self._known) > MOST_KNOWN:
            self._known.popitem(last=False)

    async def watch(self) -> None:
        """Look again and again."""
        while True:
            left_s: float | None = None
            try:
                left_s = await self.look()
            except MalformedError:
                return  # of a device whose name is no listener's nothing is known
            except (UnreachableError, LogError) as error:
                log.warning("a listener's limits are not known now", error=str(error))
            except Exception:  # a bug must not lift the limits for good
                log.exception("a bug in holding a device to its limits", device=self._device.name)
            await asyncio.sleep(min(LOOK_S, left_s or LOOK_S))

    async def look(self) -> float | None:
        """Stop what plays if it may not be heard; return for how long it may, None for always."""
        playback = self._device.playback
        place = playback.place if playback is not None and playback.is_playing else None
        if playback is None or place is None:
            return None
        limits = await self._listeners.limits(self._name, self._device.caller.owner)
        if limits == Limits():
            return None
        track = await self._track(place.session)
        if track is not None and not track.object:
            return None
        left_s = limits.open_for_s(time())
        if left_s == 0 or (track is not None and not limits.allows_sort(track.sort)):
            playback.clear_queue()
            playback.pause()
        return left_s

    async def _track(self, session: str) -> Track | None:
        if session not in self._known:
            answers = self._listeners.sessions.journal.of(Answered)
            listener = await self._listeners.listener(self._name, self._device.caller.owner)
            following = (await answers.state(listener)).next
            since = max(0, following - LOOK_BACK)
            for answered in await answers.records(listener, since, following):
                self.note(answered.tracks)
            self._known.setdefault(session, None)
        return self._known[session]
