"""What somebody would have heard of a session, by the log's time stamps."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass

from servers import System

from rhapsode.codecs.records import Admission, Event, Session

MOST_S = 900.0
LOOK_S = 1.0


@dataclass(frozen=True, slots=True)
class Heard:
    """What the log says of one session, times in Unix ms."""

    accepted_ms: int
    admitted_ms: int
    published: tuple[tuple[int, float], ...]
    """When how many seconds of audio could be heard."""
    error: str

    @property
    def sounds_ms(self) -> int:
        """From its acceptance to its first segment."""
        return self.published[0][0] - self.accepted_ms

    @property
    def waited_ms(self) -> int:
        """From its acceptance to its admission."""
        return self.admitted_ms - self.accepted_ms

    @property
    def starts_ms(self) -> int:
        """From its admission to its first segment."""
        return self.published[0][0] - self.admitted_ms

    def dry_s(self) -> float:
        """Return the longest stall of somebody who listens from the first segment on."""
        first_ms, stalled_s, worst_s = self.published[0][0], 0.0, 0.0
        for (_, audio_s), (next_ms, _) in zip(self.published, self.published[1:], strict=False):
            late_s = (next_ms - first_ms) / 1000 - stalled_s - audio_s
            if late_s > 0:
                worst_s, stalled_s = max(worst_s, late_s), stalled_s + late_s
        return worst_s


async def alone(running: System, text: str) -> Heard:
    """Have one text said on a system that does nothing else."""
    session = await running.start(text)
    await running.finished(session)
    return await heard_of(running, session)


async def heard_of(running: System, session: str) -> Heard:
    """Return what the log says of a session that has ended."""
    journal = running.services.journal
    (accepted,) = await journal.of(Session).entries(session, 0)
    (admitted,) = await journal.of(Admission).entries(session, 0)
    entries = await journal.of(Event).entries(f"{session}/publish", 0)
    events = await journal.of(Event).records(f"{session}/publish", 0)
    published = [
        (entry.timestamp_ms, event.audio_s) for entry, event in zip(entries, events, strict=True)
    ]
    return Heard(accepted.timestamp_ms, admitted.timestamp_ms, tuple(published), events[-1].error)


async def _nothing() -> None:
    pass


async def until_ended(
    running: System, sessions: Collection[str], look: Callable[[], Awaitable[None]] = _nothing
) -> None:
    """Wait for the last of the sessions, which need not be the one that ends last; look around."""
    events = running.services.journal.of(Event)
    left, end_s = set(sessions), time.monotonic() + MOST_S
    while left:
        assert time.monotonic() < end_s, f"{len(left)} sessions have not ended in {MOST_S:.0f} s"
        await look()
        for session in list(left)[:50]:
            if (await events.state(f"{session}/publish")).closed:
                left.discard(session)
        if left:
            await asyncio.sleep(LOOK_S)
