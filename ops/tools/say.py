"""Saying one text from the command line, and waiting for its end."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass

from ...codecs.session import Mode, VoiceSettings
from ...storage.log import UnreachableError
from ..beginning import begin
from ..gateway.follower import Follower
from ..progress import Progress
from ..services import Services
from ..waiting import in_line

SILENT_S = 60.0
"""A session that says nothing for so long is given up."""
TRY_AGAIN_S = 0.5


class SpeakingFailedError(Exception):
    """The session failed or nobody works on it; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Spoken:
    """What became of a text."""

    session_id: str
    playlist: str
    ttfa_s: float
    audio_s: float
    wall_s: float
    segments: int
    degraded: bool = False

    def as_json(self) -> dict[str, object]:
        """Return the figures, rounded to milliseconds."""
        return {
            name: round(value, 3) if isinstance(value, float) else value
            for name, value in asdict(self).items()
        }


async def say(
    services: Services,
    text: str,
    *,
    mode: Mode = "narrate",
    settings: VoiceSettings | None = None,
    on_start: Callable[[str], None] = lambda _: None,
    on_progress: Callable[[Progress], None] = lambda _: None,
) -> Spoken:
    """Accept a text and follow it until its playlist has ended.

    Raises:
        MalformedError: the text or what it asks for is out of bounds.
        SpeakingFailedError: the session failed, or nothing happened for a minute.
    """
    follower = Follower(services.journal)
    sessions = services.sessions
    async with follower.running():
        started = time.perf_counter()
        record = await begin(sessions, sessions.described(mode=mode, voice=settings), text)
        on_start(record.session)
        first_audio_s, answered_s = 0.0, started
        while True:
            change = follower.next_change(record.session)
            try:
                progress = await follower.progress(record.session)
                waits = progress is not None and await in_line(services.admissions, progress)
            except UnreachableError:  # a server may be started again
                if time.perf_counter() - answered_s > SILENT_S:
                    raise
                await asyncio.sleep(TRY_AGAIN_S)
                continue
            answered_s = time.perf_counter()
            if progress is None:
                raise SpeakingFailedError(f"session {record.session} was removed")
            if progress.segments and not first_audio_s:
                first_audio_s = time.perf_counter() - started
            on_progress(progress)
            if progress.done:
                break
            if not await follower.wait(change, SILENT_S) and not waits:
                raise SpeakingFailedError(
                    f"nothing was heard of session {record.session} for {SILENT_S:.0f} s: are "
                    "workers running for every stage? See 'rhapsode topology' and 'rhapsode worker'"
                )
    if progress.error:
        raise SpeakingFailedError(f"session {record.session} failed: {progress.error}")
    return Spoken(
        session_id=record.session,
        playlist=services.store.url(f"{record.session}/audio.m3u8"),
        ttfa_s=first_audio_s,
        audio_s=progress.published_s,
        wall_s=time.perf_counter() - started,
        segments=progress.segments,
        degraded=progress.degraded,
    )
