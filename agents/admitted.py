"""A session in production, as the one who admits sees it."""

from collections.abc import Collection
from dataclasses import dataclass

from ..codecs.hls.grid import AAC_FRAME_SAMPLES, Grid
from .pace import Pacer

AT_ONCE = 4
"""Sessions that may have their first sound to make at the same time, where hardly anybody waits."""
FEW_IN_LINE = 4
"""A line so short is no burst: whoever is in it starts as soon as those before have a sound."""
IDLE_TICK_S = 1.0
TICK_S = 0.25
BUSY_TICK_S = 0.1
"""While sessions wait."""
STARTING_TICK_S = 0.04
"""While few sessions are at work, and one of them has its head start yet to make: whoever comes
next waits until that is seen."""
ASLEEP_S = 10.0
"""An open session that gets nothing and makes nothing for so long needs no place."""
LOST_S = 900.0
"""A session that makes nothing for so long, and does not end, is not counted any more."""
HEAD_START_S = 5.0
"""Audio ahead of who listens since the session was admitted; what is less may run dry."""
GIVEN_UP_S = 3.0
"""A session so far behind real time waits for something else than its turn, such as a model."""


@dataclass(slots=True)
class Admitted:
    """A session that was admitted and has not ended, as the leader last saw it."""

    session: str
    place: tuple[int, int]
    """Partition and offset of its admission."""
    steady: bool
    """True where it has work until it ends; others may sleep."""
    grid: Grid
    since_s: float
    moved_at_s: float
    pacer: Pacer | None
    """Of a session with a pace."""
    samples: int = 0
    """That are mastered."""
    packed_s: float = 0.0
    """Of audio in segments: what can be heard."""
    inputs: int = 0

    def works(self, now_s: float) -> bool:
        """Tell whether it needs a place: a session that sleeps needs none."""
        return now_s - self.moved_at_s < (LOST_S if self.steady else ASLEEP_S)

    def seconds(self, samples: int, segments: int | None) -> float:
        """Return how much of so many samples is in so many segments, in seconds; None: all."""
        if segments is not None:
            samples = min(samples, self.grid.start(segments) * AAC_FRAME_SAMPLES)
        return samples / self.grid.sample_rate_hz

    def needs_more(self, now_s: float) -> bool:
        """Tell whether somebody who listens from its admission on could soon run dry."""
        ahead_s = self.packed_s - (now_s - self.since_s)
        return self.steady and -GIVEN_UP_S < ahead_s < HEAD_START_S

    def is_silent(self, now_s: float) -> bool:
        """Tell whether it has just been admitted, and nothing of it can be heard yet."""
        return self.steady and not self.packed_s and now_s - self.since_s < GIVEN_UP_S


def silent(admitted: Collection[Admitted], now_s: float) -> int:
    """Return how many sessions have their first sound yet to make."""
    return sum(one.is_silent(now_s) for one in admitted)


def starting(admitted: Collection[Admitted], now_s: float) -> int:
    """Return how many sessions have their head start yet to make."""
    return sum(one.needs_more(now_s) for one in admitted)


def pause_before_next_look(
    admitted: Collection[Admitted], now_s: float, at_work: int, waiting: int
) -> float:
    """Return after how many seconds it is looked again how far the sessions are."""
    if not admitted and not waiting:
        return IDLE_TICK_S
    if max(at_work, waiting) <= AT_ONCE and starting(admitted, now_s):
        return STARTING_TICK_S
    return BUSY_TICK_S if waiting else TICK_S
