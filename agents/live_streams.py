"""Streams that go on as long as their servers like, decoded as they come."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, field
from time import monotonic

import structlog

from ..codecs.audio.files import AudioFormatError
from ..codecs.records.record import BYTES_PER_SAMPLE
from ..storage.objects.live_source import LiveSource
from ..storage.objects.names import shown_name
from ..storage.objects.store import ObjectsRefusedError, ObjectsUnreachableError
from .decoders.isolated import DecoderDiedError, Decoders, Wanted
from .decoders.messages import PIECE_SAMPLES, RUNNING

AT_ONCE = 8
"""Each has a decoder's process for as long as it is heard."""
TRIES = 6
"""Connections in a row from which no sound came."""
LEAD_S = 15.0
"""So much of a stream is taken at once, as stations send what they have; then as it sounds."""
FIRST_PAUSE_S = 0.5
"""Before the second of them; it doubles."""
log = structlog.get_logger()
_BREAKS = (ObjectsUnreachableError, AudioFormatError, DecoderDiedError)


@dataclass(slots=True)
class _Heard:
    """How far a stream was heard."""

    source: LiveSource
    wanted: int
    """Samples in all."""
    skip_samples: int = 0
    taken: int = 0
    since_s: float = field(default_factory=monotonic)
    is_station: bool = False
    sounded: bool = False
    fruitless: int = 0
    """Connections in a row from which no sound came."""

    @property
    def left(self) -> int:
        """Samples that are still wanted."""
        return self.wanted - self.taken

    def early_s(self, rate_hz: int) -> float:
        """Return for how long nothing more is to be taken: some send as fast as they can."""
        return max(0.0, self.taken / rate_hz - LEAD_S - (monotonic() - self.since_s))

    def wanted_of(self, pcm: bytes) -> bytes:
        """Return what is wanted of a piece."""
        taken = pcm[: BYTES_PER_SAMPLE * self.left]
        self.taken += len(taken) // BYTES_PER_SAMPLE
        self.sounded, self.fruitless = True, 0
        return taken

    def is_over(self, error: Exception | None) -> bool:
        """Tell, after a connection, whether that was the end.

        Raises:
            ObjectsRefusedError: no more can be had of it, though it had not ended.
        """
        if not self.left or (error is None and not self.is_station):
            return True
        never_was_sound = isinstance(error, AudioFormatError) and not self.sounded
        broke_off = self.sounded and not self.is_station
        if never_was_sound or broke_off or self.fruitless == TRIES:
            raise ObjectsRefusedError(f"the stream broke off: {error or 'it ended'}")
        return False


class LiveStreams:
    """Gives the sound of streams; a station that breaks off is connected again.

    Args:
        source: Where streams are.
        decoders: Of their own: a stream has one for hours, and files are not to wait for it.
    """

    def __init__(self, source: LiveSource, decoders: Decoders | None = None) -> None:
        self._source = source
        self._decoders = decoders or Decoders(AT_ONCE)
        self._slots = asyncio.Semaphore(AT_ONCE)

    async def pieces(
        self,
        name: str,
        rate_hz: int,
        seconds: float,
        *,
        source: LiveSource | None = None,
        skip_samples: int = 0,
    ) -> AsyncGenerator[bytes]:
        """Yield a stream's sound as it comes, signed 16-bit little-endian mono, to its end.

        Args:
            name: ``live+`` and a URL, or what the source calls it.
            rate_hz: Sample rate wanted.
            seconds: After which its end has come at the latest.
            source: Where it is, if not where streams are by default.
            skip_samples: What was heard before of a stream that begins anew; it is left out.

        Raises:
            ObjectsRefusedError: there is no such stream, or it gives no sound.
        """
        if self._slots.locked():
            raise ObjectsRefusedError(f"{AT_ONCE} streams are heard here already: try again later")
        async with self._slots:
            heard = _Heard(source or self._source, int(seconds * rate_hz), skip_samples)
            while heard.left:
                error = None
                try:
                    async with aclosing(self._connection(name, rate_hz, heard)) as pieces:
                        async for pcm in pieces:
                            yield pcm
                            await asyncio.sleep(heard.early_s(rate_hz))
                except _BREAKS as broken:
                    error = broken
                if heard.is_over(error):
                    return
                log.info("a stream is connected again", stream=shown_name(name), why=str(error))
                await asyncio.sleep(FIRST_PAUSE_S * 2**heard.fruitless)

    async def _connection(self, name: str, rate_hz: int, heard: "_Heard") -> AsyncGenerator[bytes]:
        """Yield what comes by one connection, as far as it is wanted."""
        heard.fruitless += 1
        async with heard.source.listen(name) as stream:
            heard.is_station = heard.is_station or stream.is_station
            longest_s = (heard.skip_samples + heard.left) / rate_hz + 1.0
            wanted = Wanted(RUNNING, rate_hz, longest_s, PIECE_SAMPLES, heard.skip_samples)

            async def read(_start: int, _end: int) -> bytes:
                return await stream.read()

            decoding = self._decoders.decode(name, wanted, read)
            async with aclosing(decoding) as decoded:
                async for some in decoded:
                    for pcm in map(heard.wanted_of, some.pcm):
                        yield pcm
                    if some.error:
                        raise AudioFormatError(some.error)
                    if not heard.left:
                        return

    async def close(self) -> None:
        """Close every connection and decoder that is kept."""
        await self._decoders.close()
        await self._source.close()
