"""Sound that a client sends while it is heard, over the WebSocket of its session."""

import asyncio
from dataclasses import dataclass, field
from time import monotonic

from ...agents.journal import Journal
from ...codecs.encoding import MalformedError
from ...codecs.records import UPLINK, Uplink
from ...codecs.records.uplink import MAX_UPLINK_BYTES
from ...storage.errors import ClosedError, ForgottenError, GapError
from ..refusals import ConflictError
from ..sessions import Sessions

MOST_BYTES_PER_S = 50_000
"""More than any compressed sound has, and 16 kHz of samples; who sends faster is read slower."""
BURST_BYTES = 1_000_000


@dataclass(slots=True)
class SoundInput:
    """What one client sends, of one item at a time."""

    sessions: Sessions
    session: str
    _item: int = -1
    """``seq`` of the item that is under way, if any."""
    _next: int = 0
    _free_bytes: float = BURST_BYTES
    """That may come at once: a token bucket."""
    _at_s: float = field(default_factory=monotonic)

    @property
    def is_under_way(self) -> bool:
        """Whether an item's sound has begun, and not ended."""
        return self._item >= 0

    async def begin(self, *, last: bool, seq: int | None) -> int:
        """Add an item whose sound follows; return its position.

        Raises:
            MalformedError: one is under way.
            UnknownSessionError, SessionClosedError, ConflictError: the session does not take it.
        """
        if self._item >= 0:
            raise MalformedError("end the sound that is under way first")
        item = await self.sessions.add_object(self.session, UPLINK, last=last, seq=seq)
        state = await self._journal.of(Uplink).state(f"{self.session}/{item}")
        if state.closed:
            raise ConflictError(f"the sound of item {item} has ended")
        self._item, self._next = item, state.next
        return item

    async def take(self, data: bytes) -> None:
        """Put what comes next into the log.

        Raises:
            MalformedError: no item is under way.
            ConflictError: another client sends the sound of this item.
            UnreachableError: the log does not answer; what came is lost.
        """
        if self._item < 0:
            raise MalformedError("a binary message is sound: send one of the type 'sound' first")
        for start in range(0, len(data), MAX_UPLINK_BYTES):
            await self._append(data[start : start + MAX_UPLINK_BYTES], last=False)
        await self._in_its_time(len(data))

    async def end(self) -> None:
        """End the item's sound, if any is under way."""
        if self._item >= 0:
            try:
                await self._append(b"", last=True)
            finally:
                self._item = -1

    async def _in_its_time(self, size_bytes: int) -> None:
        """Wait until the client may send on; meanwhile its socket is not read."""
        now_s = monotonic()
        free = min(BURST_BYTES, self._free_bytes + MOST_BYTES_PER_S * (now_s - self._at_s))
        self._free_bytes, self._at_s = free - size_bytes, now_s
        await asyncio.sleep(max(0.0, -self._free_bytes / MOST_BYTES_PER_S))

    @property
    def _journal(self) -> Journal:
        return self.sessions.journal

    async def _append(self, data: bytes, *, last: bool) -> None:
        piece = Uplink(
            session=self.session, item=self._item, number=self._next, data=data, last=last
        )
        try:
            if await self._journal.of(Uplink).append(piece):
                self._next += 1
                return
            why = "another client sends it"
        except (ClosedError, ForgottenError):
            why = "it has ended"
        except GapError:
            why = "the log has lost what came before"
        item, self._item = self._item, -1
        raise ConflictError(f"the sound of item {item} is not taken any more: {why}")
