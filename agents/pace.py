"""Pace: production of a session runs so many seconds ahead of who hears it, and then pauses.

Who leads admission says up to which second of the session there may be sound (`Control.until_s`);
the stage that cuts texts stops where what it has cut will sound until then, lets go of the session,
and is woken by the next such record. Nobody can know every listener: a copy of the segments on a
CDN tells nothing. So whoever began to listen when the first sound was there, and has not paused
since, always counts as one.
"""

import math
from dataclasses import dataclass
from time import time

from ..codecs.records import AudioFrame, Chunk, Control, SequenceRecord
from .controls import append_control
from .journal import STEP_ENTRIES, Description, Sequences

SECONDS_A_CHARACTER = 0.07
"""Of speech at normal speed, about; what is sounded already is not estimated."""
STEP_SHARE, MOST_STEP_S, LEAST_STEP_S = 0.25, 10.0, 1.0
"""A session goes on by steps of a quarter of what it is ahead."""


async def granted_s(control: Sequences[Control], session: Description) -> float:
    """Return up to which second of the session there may be sound, by what is stored."""
    end = (await control.state(session.session)).next
    while end > 0:
        start = max(0, end - STEP_ENTRIES)
        records = await control.records(session.session, start, end)
        found = [record.until_s for record in records if record.verb == "produce"]
        if found:
            return max(found)
        end = start
    return session.record.pace.ahead_s


async def furthest_s(control: Sequences[Control], session: str, since: int) -> tuple[float, int]:
    """Return the furthest position in seconds that was reported from a record on, and what is next.

    -1 where none was.
    """
    state = await control.state(session)
    furthest = -1.0
    while since < state.next:
        end = min(state.next, since + STEP_ENTRIES)
        for record in await control.records(session, since, end):
            if record.verb == "listening":
                furthest = max(furthest, record.position_s)
        since = end
    return furthest, since


@dataclass(slots=True)
class Runway:
    """Where a session's sound ends once all that is cut is sounded, by an estimate."""

    session: Description
    granted_s: float
    cut_s: float

    @classmethod
    async def of(
        cls,
        session: Description,
        chunks: Sequences[Chunk],
        frames: Sequences[AudioFrame],
        control: Sequences[Control],
    ) -> "Runway":
        """Return it as it follows from the log: what is mastered, and chunks that are not yet."""
        last = await frames.last(session.session)
        cut_s, chapter, index = 0.0, 0, 0
        if last is not None:
            cut_s = last.end / session.form.sample_rate_hz
            chapter, index = last.chapter, last.index
        runway = cls(session, await granted_s(control, session), cut_s)
        while (await chunks.state(f"{session.session}/{chapter}")).next:
            async for chunk in chunks.stream(f"{session.session}/{chapter}", index):
                runway.add(chunk)
            chapter, index = chapter + 1, 0
        return runway

    def grant(self, control: Control) -> None:
        """Take in up to where there may be sound."""
        self.granted_s = max(self.granted_s, control.until_s)

    def pauses_before(self, output: tuple[SequenceRecord, ...]) -> bool:
        """Return whether an output has to wait; count it where it has not."""
        if self.cut_s >= self.granted_s and any(isinstance(record, Chunk) for record in output):
            return True
        for record in output:
            self.add(record)
        return False

    def add(self, record: SequenceRecord) -> None:
        """Count a chunk that was cut; other records have no sound."""
        if not isinstance(record, Chunk):
            return
        if record.kind == "object":
            self.cut_s = math.inf  # how long it is shows when it is mastered
        elif record.kind == "silence":
            self.cut_s += record.seconds
        else:
            characters = record.end_char - record.start_char
            self.cut_s += characters * SECONDS_A_CHARACTER / self.session.voice.speed


@dataclass(slots=True)
class Pacer:
    """Lets one session go on as its listeners do, as far as anybody tells."""

    session: Description
    control: Sequences[Control]
    frames: Sequences[AudioFrame]
    _granted_s: float | None = None
    _began_s: float | None = None
    """When the first sound was there, in Unix time."""
    _furthest_s: float = -1.0
    _next_control: int = 0

    async def look(self, samples: int) -> None:
        """Let the session, of which so many samples are mastered, go on where it is time to."""
        ahead_s = self.session.record.pace.ahead_s
        if not samples or not ahead_s:
            return
        if self._granted_s is None:
            self._granted_s = await granted_s(self.control, self.session)
        audio_s = samples / self.session.form.sample_rate_hz
        wanted_s = ahead_s + min(audio_s, await self._heard_s())
        step_s = max(LEAST_STEP_S, min(MOST_STEP_S, STEP_SHARE * ahead_s))
        if wanted_s >= self._granted_s and audio_s < wanted_s + step_s:
            await self._grant(wanted_s + step_s)

    async def _heard_s(self) -> float:
        """Return where the listener is who is furthest along."""
        name = self.session.session
        if self._began_s is None:
            (first, *_) = await self.frames.entries(name, 0, 1)
            self._began_s = first.timestamp_ms / 1000
        furthest_now_s, self._next_control = await furthest_s(
            self.control, name, self._next_control
        )
        self._furthest_s = max(self._furthest_s, furthest_now_s)
        return max(time() - self._began_s, self._furthest_s)

    async def _grant(self, until_s: float) -> None:
        name = self.session.session
        asked = Control(session=name, seq=0, verb="produce", until_s=until_s)
        if await append_control(self.control, asked):
            self._granted_s = until_s
