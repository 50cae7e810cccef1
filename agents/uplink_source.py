"""What somebody sends while it is heard, such as a microphone's sound, as a stream from the log."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from time import monotonic

from ..codecs.records import Uplink
from ..storage.objects.live_source import LiveStream
from ..storage.objects.store import ObjectsUnreachableError
from .journal import Sequences

QUIET_S = 30.0
"""A sender that says nothing for so long has gone."""
LOOK_S, MOST_LOOK_S = 0.02, 0.1
"""Between two looks whether more has come, first and in the end."""
MOST_RECORDS = 8
"""Of one read."""


@dataclass(frozen=True, slots=True)
class UplinkSource:
    """`storage.objects.live_source.LiveSource` of sequences of the log, by their names."""

    uplinks: Sequences[Uplink]

    @asynccontextmanager
    async def listen(self, name: str) -> AsyncGenerator[LiveStream]:
        """Read a sequence from its beginning, where what the decoder has to know first is."""
        yield _UplinkStream(self.uplinks, name)

    async def close(self) -> None:
        """Do nothing: the log is closed by whoever opened it."""


class _UplinkStream:
    is_station = False

    def __init__(self, uplinks: Sequences[Uplink], name: str) -> None:
        self._uplinks = uplinks
        self._name = name
        self._next = 0
        self._ended = False

    async def read(self) -> bytes:
        since_s, pause_s = monotonic(), LOOK_S
        while not self._ended:
            found = await self._uplinks.records(self._name, self._next, limit=MOST_RECORDS)
            if found:
                self._next, self._ended = found[-1].end, found[-1].last
                if data := b"".join(one.data for one in found):
                    return data
            elif monotonic() - since_s > QUIET_S:
                raise ObjectsUnreachableError(f"nothing came for {QUIET_S:.0f} s")
            else:
                await asyncio.sleep(pause_s)
                pause_s = min(MOST_LOOK_S, 2 * pause_s)
        return b""
