"""From segments to the playlist that names them."""

from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass

from ..codecs.grid import Grid
from ..codecs.m3u8 import MediaPlaylist, render_master
from ..codecs.records import Event, Placed, Segment, Text
from ..storage.objects import Objects
from .history import History
from .pack import INIT_NAME

MEDIA_NAME = "audio.m3u8"
MASTER_NAME = "master.m3u8"
PLAYLIST_TYPE = "application/vnd.apple.mpegurl"
PEAK_FACTOR = 1.65
"""FFmpeg's AAC is not constant: with their container, voices were measured at 1.08 to 1.43 times
the nominal rate, noise at 1.61; a master playlist comes first and must not say too little."""
AVERAGE_FACTOR = 1.45


@dataclass(frozen=True, slots=True)
class Publish:
    """Replace the playlist after each segment; it only ever grows, and names what is stored."""

    grid: Grid
    bit_rate: int
    store: Objects
    texts: History[Text]
    segments: History[Segment]

    async def __call__(
        self, segments: AsyncIterator[Segment]
    ) -> AsyncGenerator[tuple[Placed, ...]]:
        """Yield an event once the playlist with the segment is in the store.

        Raises:
            OSError: the store or the log is out of reach; worth another try.
        """
        listed: list[tuple[str, int]] | None = None
        created_ms = 0
        async for segment in segments:
            if listed is None:
                before = await self.segments.records(segment.session, 0, segment.number)
                listed = [(earlier.name, earlier.frames) for earlier in before]
                created_ms = await self.created_ms(segment.session)
            if segment.number < len(listed):
                continue
            if segment.frames:
                listed.append((segment.name, segment.frames))
            await self._put(segment, tuple(listed), created_ms)
            yield (self._event(segment, listed),)

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

    async def _put(
        self, segment: Segment, listed: tuple[tuple[str, int], ...], created_ms: int
    ) -> None:
        if segment.number == 0:
            await self.store.put(
                f"{segment.session}/{MASTER_NAME}", self.master().encode(), PLAYLIST_TYPE
            )
        playlist = self.playlist(listed, created_ms, ended=segment.last)
        await self.store.put(f"{segment.session}/{MEDIA_NAME}", playlist.encode(), PLAYLIST_TYPE)

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
