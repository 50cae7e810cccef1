"""From segments to the playlist that names them."""

from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass, field

from ..codecs.hls.grid import Grid
from ..codecs.hls.m3u8 import MediaPlaylist, render_master
from ..codecs.records import Event, Segment, SequenceRecord, Text
from ..storage.objects.store import Objects
from .journal import History
from .pack import INIT_NAME

MEDIA_NAME = "audio.m3u8"
MASTER_NAME = "master.m3u8"
PLAYLIST_TYPE = "application/vnd.apple.mpegurl"
PEAK_FACTOR = 1.65
"""FFmpeg's AAC is not constant: with their container, voices were measured at 1.08 to 1.43 times
the nominal rate, noise at 1.61; a master playlist comes first and must not say too little."""
AVERAGE_FACTOR = 1.45


@dataclass(slots=True)
class _Shown:
    """What a session's playlist shows."""

    session: str
    created_ms: int
    said: int
    """Segments whose event stands: a playlist that lists them was in the store."""
    records: int = 0
    """Segment records looked at, a bare end mark included."""
    listed: list[tuple[str, int]] = field(default_factory=list[tuple[str, int]])


@dataclass(frozen=True, slots=True)
class Publish:
    """Replace the playlist as segments come; it only ever grows, and names what is stored."""

    grid: Grid
    bit_rate: int
    store: Objects
    texts: History[Text]
    segments: History[Segment]

    async def __call__(
        self, segments: AsyncIterator[Segment]
    ) -> AsyncGenerator[tuple[SequenceRecord, ...]]:
        """Yield an event once a playlist with the segment is in the store.

        Raises:
            OSError: the store or the log is out of reach; worth another try.
        """
        shown: _Shown | None = None
        async for segment in segments:
            if shown is None:
                said = await self._events().state(f"{segment.session}/publish")
                shown = _Shown(segment.session, await self.created_ms(segment.session), said.next)
            if segment.number < shown.said:
                continue  # a shorter playlist than before must never be seen
            if segment.number >= shown.records:
                await self._show(shown)
            yield (self._event(segment, shown.listed[: segment.end]),)

    def _events(self) -> History[Event]:
        return History(self.segments.log, Event, self.segments.partitions)

    async def _show(self, shown: _Shown) -> None:
        """List every segment that is in the log, until none has come meanwhile.

        So whoever replaces a playlist last, be it a worker thought dead, leaves the longest one.
        """
        while new := await self.segments.records(shown.session, shown.records):
            if not shown.records:
                await self._put(shown.session, MASTER_NAME, self.master())
            shown.listed += [(segment.name, segment.frames) for segment in new if segment.frames]
            shown.records += len(new)
            playlist = self.playlist(tuple(shown.listed), shown.created_ms, ended=new[-1].last)
            await self._put(shown.session, MEDIA_NAME, playlist)
            if new[-1].last:
                return

    async def created_ms(self, session: str) -> int:
        """Return when the session was accepted, which its programme date-time starts from."""
        text = await self.texts.last(session)
        return 0 if text is None else text.created_ms

    def playlist(self, listed: tuple[tuple[str, int], ...], created_ms: int, *, ended: bool) -> str:
        """Return the media playlist of segments given as (name, AAC frames)."""
        return MediaPlaylist(
            target_duration_s=self.grid.target_duration_s,
            map_uri=INIT_NAME,
            segments=listed,
            program_date_time_ms=created_ms,
            ended=ended,
        ).render()

    def master(self) -> str:
        """Return the master playlist of the one rendition."""
        return render_master(
            MEDIA_NAME,
            bandwidth=int(self.bit_rate * PEAK_FACTOR),
            average_bandwidth=int(self.bit_rate * AVERAGE_FACTOR),
        )

    async def _put(self, session: str, name: str, text: str) -> None:
        await self.store.put(f"{session}/{name}", text.encode(), PLAYLIST_TYPE)

    def _event(self, segment: Segment, listed: list[tuple[str, int]]) -> Event:
        kind = "segment" if not segment.last else "failed" if segment.error else "done"
        return Event(
            session=segment.session,
            stage="publish",
            seq=segment.number,
            kind=kind,
            audio_s=sum(frames for _, frames in listed) * 1024 / 48_000,
            count=len(listed),
            error=segment.error,
            last=segment.last,
        )
