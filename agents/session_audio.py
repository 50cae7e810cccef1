"""A session's mastered PCM by sample position: what was delivered, and the log for the rest."""

from ..codecs.records import AudioFrame
from .journal import Sequences

BYTES_PER_SAMPLE = 2


class SessionAudio:
    """One session's samples, readable from any position.

    Delivered frames are kept in a short window, since the next read is nearly always right there;
    whatever lies outside is read from the log, so a stage can start anywhere.
    """

    def __init__(self, frames: Sequences[AudioFrame], session: str) -> None:
        self._frames = frames
        self.session = session
        self._window = bytearray()
        self._window_start = 0
        self._texts: list[tuple[int, str]] = []
        """Of the chunks that begin in the window."""
        self.available = 0
        """Samples that are in the log, as far as was seen."""
        self.closed = False
        """True once the session's last sample is known."""
        self.error = ""
        """Why the session ended early, empty otherwise."""

    def feed(self, frame: AudioFrame) -> None:
        """Take a delivered frame into the window."""
        if frame.first_sample > self._window_end:
            self._window.clear()
            self._texts.clear()
            self._window_start = frame.first_sample
        if frame.first_sample == self._window_end:
            self._window += frame.pcm
            if frame.text:
                self._texts.append((frame.first_sample, frame.text))
        self.available = max(self.available, frame.end)
        if frame.last:
            self.closed = True
            self.error = frame.error

    @property
    def _window_end(self) -> int:
        return self._window_start + len(self._window) // BYTES_PER_SAMPLE

    def forget(self, before: int) -> None:
        """Drop what lies before the sample from the window."""
        cut = min(before - self._window_start, len(self._window) // BYTES_PER_SAMPLE)
        if cut > 0:
            del self._window[: cut * BYTES_PER_SAMPLE]
            self._window_start += cut
            self._texts = [item for item in self._texts if item[0] >= self._window_start]

    async def read(self, first: int, end: int) -> bytes:
        """Return the PCM of ``[first, end)``, signed 16-bit; silence before 0 and past the end.

        Raises:
            LookupError: samples below the session's end are not in the log, or not any more.
        """
        if end > self.available and not self.closed:
            raise LookupError(f"session {self.session} goes to {self.available} so far, not {end}")
        inner_first, inner_end = max(0, first), min(end, self.available)
        if inner_end <= inner_first:
            return bytes((end - first) * BYTES_PER_SAMPLE)
        if self._in_window(inner_first, inner_end):
            offset = (inner_first - self._window_start) * BYTES_PER_SAMPLE
            pcm = bytes(self._window[offset : offset + (inner_end - inner_first) * 2])
        else:
            pcm = await self._from_log(inner_first, inner_end)
        before = bytes((inner_first - first) * BYTES_PER_SAMPLE)
        return before + pcm + bytes((end - inner_end) * BYTES_PER_SAMPLE)

    async def texts(self, first: int, end: int) -> list[tuple[int, str]]:
        """Return (sample, text) of each chunk that begins in ``[first, end)``."""
        end = min(end, self.available)
        if self._in_window(first, end):
            known = self._texts
        else:
            known = [
                (frame.first_sample, frame.text)
                async for frame in self._frames.stream(self.session, first, end)
                if frame.text
            ]
        return [item for item in known if first <= item[0] < end]

    def _in_window(self, first: int, end: int) -> bool:
        return first >= self._window_start and end <= self._window_end

    async def _from_log(self, first: int, end: int) -> bytes:
        joined = bytearray()
        position = first
        async for frame in self._frames.stream(self.session, first, end):
            if frame.first_sample > position:
                break
            start = (position - frame.first_sample) * BYTES_PER_SAMPLE
            stop = (min(end, frame.end) - frame.first_sample) * BYTES_PER_SAMPLE
            if stop > start:
                joined += frame.pcm[start:stop]
                position = min(end, frame.end)
        if position < end:
            raise LookupError(
                f"samples {position} to {end} of session {self.session} are not in the log"
            )
        return bytes(joined)

    async def look(self) -> None:
        """Learn from the log how far the session goes by now, without reading sound."""
        state = await self._frames.state(self.session)
        if state.closed:
            await self.load()
        self.available = max(self.available, state.next)

    async def load(self) -> None:
        """Learn from the log how far the session goes."""
        last = await self._frames.last(self.session)
        if last is not None:
            self.available = max(self.available, last.end)
            self.closed = self.closed or last.last
            self.error = self.error or last.error
