"""From segments to the playlist that names them."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Coroutine
from dataclasses import dataclass, field
from itertools import pairwise
from math import sqrt
from typing import Any

import structlog

from ..codecs.hls.grid import duration_s
from ..codecs.hls.m3u8 import MediaPlaylist, render_master
from ..codecs.hls.names import INIT_NAME, MASTER_NAME, MEDIA_NAME, PLAYLIST_TYPE, segment_take
from ..codecs.records import Event, Segment, SequenceRecord
from ..codecs.session import Form
from ..storage.objects.store import Objects
from .journal import STEP_ENTRIES, Description, Sequences
from .pack import grid_of

PEAK_HEADROOM_BIT_S = 120_000
"""FFmpeg's AAC is not constant: it overspends on what is hard to code, and a master playlist comes
first and must not declare too little. Over the nominal rate and with their container, stories by
espeak-ng peaked at 67 to 99 kbit/s in segments of 1 s, 40 to 71 in 2 s and 18 to 41 in 6 s, at
nominal rates from 48 to 192 kbit/s: about this much by the square root of the length."""
AVERAGE_HEADROOM_BIT_S = 40_000
"""The same for whole sessions: 12 to 21 kbit/s over nominal rates up to 128 kbit/s, none at 192."""
log = structlog.get_logger()


@dataclass(slots=True)
class _Shown:
    """What a session's playlist shows."""

    reported: int
    """Segments whose event is written: a playlist that lists them was in the store."""
    seen: int = 0
    """Segments that players have seen listed; more than the log has where it lost its end."""
    records: int = 0
    """Segment records looked at, a bare end mark included."""
    listed: list[tuple[str, int]] = field(default_factory=list[tuple[str, int]])


@dataclass(frozen=True, slots=True)
class Publish:
    """Replace the playlist as segments come; it only ever grows, and names what is stored."""

    store: Objects
    segments: Sequences[Segment]
    events: Sequences[Event]

    async def __call__(
        self, session: Description, segments: AsyncIterator[Segment]
    ) -> AsyncGenerator[tuple[SequenceRecord, ...]]:
        """Yield an event once a playlist with the segment is in the store.

        Raises:
            OSError: the store or the log cannot be reached; worth another try.
        """
        shown: _Shown | None = None
        async for segment in segments:
            if shown is None:
                state = await self.events.state(f"{session.session}/publish")
                if state.closed:
                    return
                shown = _Shown(state.next, await self._seen(session, state.next))
            if segment.number < shown.reported:
                continue  # a shorter playlist than before must never be seen
            if segment.number >= shown.records:
                # a worker thought dead wakes up in here, and is let go of: what it puts then may be
                # short, so it must look again
                await _to_its_end(self._show(session, shown))
            yield (_event(session, segment, shown.listed[: segment.end]),)
            if segment.last:
                return

    async def given_up(
        self, session: Description, record: Segment, reason: str
    ) -> tuple[SequenceRecord, ...]:
        """Return the event that ends the session; its playlist ends with what is stored.

        Raises:
            OSError: the store or the log is out of reach; worth another try.
        """
        state = await self.events.state(f"{session.session}/publish")
        if state.closed:
            return ()
        stored = self.segments.stream(session.session)
        listed = [(one.name, one.frames) async for one in stored if one.frames]
        end = Segment(
            session=session.session,
            number=state.next,
            first_frame=sum(frames for _, frames in listed),
            frames=0,
            size_bytes=0,
            last=True,
            error=reason,
        )
        try:
            text = media_playlist(session, tuple(listed), ended=True)
            await self._put(session, MEDIA_NAME, text)
        except OSError:
            raise
        except Exception:  # perhaps the bug itself: whoever asks is told all the same
            log.exception("a playlist stays without its end", session=session.session)
        return (_event(session, end, listed),)

    async def _show(self, session: Description, shown: _Shown) -> None:
        """List every segment that is in the log, until none has come meanwhile.

        So whoever replaces a playlist last, be it a worker thought dead, leaves the longest one.
        """
        while new := await self._more(session, shown):
            before, ended = shown.records, new[-1].last
            shown.records += len(new)
            shown.listed += [(one.name, one.frames) for one in new if one.frames]
            if len(shown.listed) < shown.seen and not ended:
                continue
            text = media_playlist(session, tuple(shown.listed), ended=ended)
            stored = [self._put(session, MEDIA_NAME, text)]
            if not before:
                stored.append(self._put(session, MASTER_NAME, master_playlist(session.form)))
            await asyncio.gather(*stored)
            if ended:
                return

    async def _seen(self, session: Description, reported: int) -> int:
        """Return how many segments the stored playlist lists."""
        if not (reported or self.segments.log.epoch):
            return 0  # the session begins, and its log has lost nothing that is known
        stored = await self.store.get(f"{session.session}/{MEDIA_NAME}")
        return stored.data.count(b"#EXTINF:") if stored is not None else 0

    async def _more(self, session: Description, shown: _Shown) -> list[Segment]:
        """Return the segments that are in the log and not listed yet."""
        at = shown.records
        new = await self.segments.records(session.session, at, limit=STEP_ENTRIES)
        if len(new) < STEP_ENTRIES:
            return new  # nearly always; segments are stored one by one, so that was all
        return [*new, *[one async for one in self.segments.stream(session.session, new[-1].end)]]

    async def _put(self, session: Description, name: str, text: str) -> None:
        await self.store.put(f"{session.session}/{name}", text.encode(), PLAYLIST_TYPE)


async def _to_its_end(work: Coroutine[Any, Any, None]) -> None:
    """Wait for work that must not stop halfway; it goes on where the waiting is cancelled."""
    task = asyncio.ensure_future(work)
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        if not task.cancelled() and (error := task.exception()) is not None:
            log.warning("a playlist may be short until the next segment", error=str(error))
        raise


def media_playlist(
    session: Description, listed: tuple[tuple[str, int], ...], *, ended: bool
) -> str:
    """Return the media playlist of segments given as (name, AAC frames).

    Where a segment had to be made again with other bytes, a discontinuity begins (`segment_take`).
    """
    takes = [0, *(segment_take(name) for name, _ in listed)]
    return MediaPlaylist(
        target_duration_s=grid_of(session.form).target_duration_s,
        map_uri=INIT_NAME,
        segments=listed,
        program_date_time_ms=session.created_ms,
        ended=ended,
        discontinuities=frozenset(
            number for number, (before, take) in enumerate(pairwise(takes)) if take > before
        ),
    ).render()


def master_playlist(form: Form) -> str:
    """Return the master playlist of the one rendition."""
    bit_rate = form.renditions[0].bit_rate
    return render_master(
        MEDIA_NAME,
        bandwidth=bit_rate + int(PEAK_HEADROOM_BIT_S / sqrt(form.segment_s)),
        average_bandwidth=bit_rate + AVERAGE_HEADROOM_BIT_S,
    )


def _event(session: Description, segment: Segment, listed: list[tuple[str, int]]) -> Event:
    kind = "segment" if not segment.last else "failed" if segment.error else "done"
    return Event(
        session=session.session,
        stage="publish",
        seq=segment.number,
        kind=kind,
        audio_s=duration_s(sum(frames for _, frames in listed)),
        count=len(listed),
        error=segment.error,
        last=segment.last,
    )
