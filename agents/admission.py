"""Who may be in production: as many sessions as the machine keeps at real time; others wait.

A session's first stage asks here before it does any work. Where there is no place the stage lets
go of the session, which then costs it nothing; the record that admits the session wakes it.
"""

from dataclasses import dataclass

from ..codecs.records import Admission
from ..storage.admissions import Admissions
from .journal import Description, Sequences

SAMPLE_S = 2.0
SHARE = 0.8
"""Of the speed measured: what is left is for what comes in between two samples."""
RISE, FALL = 0.5, 0.3
"""How much of a difference one sample is believed."""


@dataclass(frozen=True, slots=True)
class Gate:
    """What the first stage of a session asks."""

    admissions: Admissions
    admitted: Sequences[Admission]

    async def enter(self, session: Description) -> tuple[Admission, ...] | None:
        """Admit the session if there is a place; None where it has to wait.

        Returns:
            The record to be written with the session's first output; none where it is stored.
        """
        if (await self.admitted.state(session.session)).closed:
            return ()
        if await self.admissions.take_place():
            return (Admission(session=session.session, last=True),)
        await self.admissions.wait(session.session, session.created_ms)
        return None


@dataclass(slots=True)
class Speed:
    """How many seconds of audio all workers together make in a second, and what that allows.

    Only time counts in which sessions had work to do: an idle machine is not a slow one. What is
    measured while there is room for more may be less than the workers could do; it is believed only
    where it is more than before, or where every place is taken.
    """

    limit: int
    """Sessions that may be in production at the same time."""
    most: int
    """The limit never rises above it: each session takes memory in every stage."""
    value: float = 0.0
    """Seconds of audio in a second; 0 until measured."""
    _made_s: float = 0.0
    _since_s: float | None = None

    def note(self, now_s: float, made_s: float, at_work: int) -> None:
        """Take in what was made since the last call, by so many sessions that always have work."""
        if not at_work or self._since_s is None:
            self._made_s, self._since_s = 0.0, now_s if at_work else None
            return
        self._made_s += made_s
        elapsed_s = now_s - self._since_s
        if elapsed_s < SAMPLE_S:
            return
        sample, full = self._made_s / elapsed_s, at_work >= self.limit
        self._made_s, self._since_s = 0.0, now_s
        if sample >= self.value:
            self.value += (RISE if self.value else 1.0) * (sample - self.value)
        elif full:
            self.value -= FALL * (self.value - sample)
        allowed = max(1, min(self.most, int(SHARE * self.value)))
        self.limit = allowed if full else max(self.limit, allowed)
