"""From audio frames to HLS media segments in the store."""

import asyncio
import hashlib
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass, replace
from time import time

from msgspec import structs

from ..codecs.hls.aac import LOOK_AHEAD_FRAMES, RunEncoder
from ..codecs.hls.fmp4 import init_segment, media_segment
from ..codecs.hls.grid import AAC_FRAME_SAMPLES, RUN_SEGMENTS, Grid
from ..codecs.hls.names import INIT_NAME, SEGMENT_TYPE, segment_name, segment_number, segment_take
from ..codecs.records import AudioFrame, Segment, SequenceRecord
from ..codecs.session import Form
from ..storage.objects.store import Objects
from .journal import Description, Sequences
from .session_audio import SessionAudio
from .turns import CodecTurns, Turns

BEGINS_S = 8.0
"""A run that is due in so long is begun though its audio is not all there."""
LOOK_S = 1.0
"""Between two looks whether it is."""


def grid_of(form: Form) -> Grid:
    """Return how a session of this form is cut into segments."""
    return Grid(segment_s=form.segment_s, ramp=form.ramp)


class Packer:
    """Makes one session's segments in order, from any number on; bytes depend on the log alone."""

    def __init__(self, turns: CodecTurns, audio: SessionAudio, number: int) -> None:
        form = turns.session.form
        self.session = audio.session
        self._turns = turns
        self._grid = grid_of(form)
        self._bit_rate = form.renditions[0].bit_rate
        self._audio = audio
        self.number = number
        """The next segment."""
        self._run: RunEncoder | None = None

    @property
    def _frames_in_all(self) -> int:
        return -(-self._audio.available // AAC_FRAME_SAMPLES)

    @property
    def needed_from(self) -> int:
        """The first sample that the segments to come are made of."""
        return self._grid.start(self.number) * AAC_FRAME_SAMPLES

    def ended(self) -> bool:
        """Say whether every segment of a closed session was made."""
        return self._audio.closed and self._grid.start(self.number) >= self._frames_in_all

    async def next(self) -> tuple[Segment, bytes] | None:
        """Return the next segment and its bytes, None while its audio is not all there."""
        if self.ended():
            return None
        needed = (self._grid.start(self.number + 1) + LOOK_AHEAD_FRAMES) * AAC_FRAME_SAMPLES
        if needed > self._audio.available and not self._audio.closed:
            return None
        run = await self._run_of(self.number)
        packets = await self._packets(run, self.number)
        data = media_segment(self.number, self._grid.start(self.number), packets)
        segment = self._describe(data)
        if self.number == 0:  # in a moment it can be heard
            self._turns = replace(self._turns, heard_from_s=time())
        self.number += 1
        if self.number % RUN_SEGMENTS == 0:
            self._run = None
        return segment, data

    async def reach(self) -> bool:
        """Wait between two runs, if the session is well ahead; tell whether audio may have come.

        It waits until all of the next run's audio is there, and for its turn: encoders are large,
        and a session that is made in real time would hold one all the time. Its audio is in the log
        meanwhile.
        """
        if self._run is not None:
            return False
        end = self._grid.start((self._grid.run_of(self.number) + 1) * RUN_SEGMENTS)
        whole = (end + LOOK_AHEAD_FRAMES) * AAC_FRAME_SAMPLES
        waited = False
        while (
            not self._audio.closed
            and self._audio.available < whole
            and self._turns.due_in_s(self.needed_from) > BEGINS_S
        ):
            await asyncio.sleep(LOOK_S)
            await self._audio.look()
            waited = True
        await self._turns.reach(self.needed_from)
        return waited

    async def _packets(self, run: RunEncoder, number: int) -> list[bytes]:
        first, end = run.needs(number)
        samples_in_all = self._frames_in_all * AAC_FRAME_SAMPLES
        reach = min(end, samples_in_all)
        pcm = await self._audio.read(first, reach) if reach > first else b""
        finishes = self._audio.closed and end >= samples_in_all
        begins = self._grid.start(self.number) * AAC_FRAME_SAMPLES
        return await self._turns.run(begins, _encode, run, number, first, pcm, finishes)

    def _describe(self, data: bytes) -> Segment:
        start = self._grid.start(self.number)
        frames = min(self._grid.frames(self.number), self._frames_in_all - start)
        last = self._audio.closed and start + frames >= self._frames_in_all
        return Segment(
            session=self.session,
            number=self.number,
            name=segment_name(self.number),
            first_frame=start,
            frames=frames,
            size_bytes=len(data),
            sha256=hashlib.sha256(data).hexdigest(),
            last=last,
            error=self._audio.error if last else "",
        )

    async def _run_of(self, number: int) -> RunEncoder:
        if self._run is None:
            run_number = self._grid.run_of(number)
            run = RunEncoder(self._grid, run_number, bit_rate=self._bit_rate)
            # a run that was begun elsewhere is encoded again from its start
            for earlier in range(run_number * RUN_SEGMENTS, number):
                await self._packets(run, earlier)
            self._run = run
        return self._run


def _encode(run: RunEncoder, number: int, first: int, pcm: bytes, finishes: bool) -> list[bytes]:
    if pcm:
        run.push(first, pcm)
    if finishes:
        run.finish()
    return run.take(number)


@dataclass(slots=True)
class _Names:
    """Names for segments, none of which the store has with other bytes.

    A store that is ahead of its log, as the log's server lost its last writes, has segments that
    players know. Where theirs are not the bytes that are made now, ours get names of another take.
    """

    store: Objects
    looks: bool = False
    """Whether the store may be ahead."""
    take: int = 1
    """Of the next name that is not a segment's first one."""

    async def given(self, segment: Segment, data: bytes) -> Segment:
        """Return the segment with its name."""
        if not self.looks:
            return segment
        name, take = segment.name, 0
        self.looks = False  # no further than the store reaches
        while (stored := await self.store.get(f"{segment.session}/{name}")) is not None:
            self.looks = True
            if stored.data == data:
                break
            take = max(take + 1, self.take)
            name = segment_name(segment.number, take)
        self.take = max(self.take, take)
        return structs.replace(segment, name=name)


async def as_named(segments: Sequences[Segment], derived: Segment) -> Segment:
    """Return a derived segment under the name it has in the log, which may be of another take."""
    for logged in await segments.records(derived.session, derived.number, derived.number + 1):
        if segment_number(logged.name) == derived.number:
            return structs.replace(derived, name=logged.name)
    return derived


@dataclass(frozen=True, slots=True)
class Pack:
    """Cut segments on a fixed grid, encode, store; then say so."""

    store: Objects
    turns: Turns
    frames: Sequences[AudioFrame]
    segments: Sequences[Segment]

    async def __call__(
        self, session: Description, frames: AsyncIterator[AudioFrame]
    ) -> AsyncGenerator[tuple[SequenceRecord, ...]]:
        """Yield each segment once its object is in the store.

        Raises:
            OSError: the store or the log is out of reach; worth another try.
        """
        packer: Packer | None = None
        audio: SessionAudio | None = None
        names = _Names(self.store)
        async for frame in frames:
            if packer is None or audio is None:
                state = await self.segments.state(frame.session)
                if state.closed:
                    return
                audio = SessionAudio(self.frames, frame.session)
                if state.next:  # this frame may be one that another worker has packed already
                    await audio.load()
                heard_from_s = session.accepted_s if state.next else None
                turns = CodecTurns(self.turns, session, heard_from_s)
                packer = Packer(turns, audio, state.next)
                names = await self._names(frame.session, state.next)
            audio.feed(frame)
            del frame  # who waits for a turn holds as little sound as may be
            is_looking = True
            while is_looking:
                while made := await packer.next():
                    segment, data = made
                    segment = await names.given(segment, data)
                    await self._store(segment, data)
                    del made, data
                    yield (segment,)
                # also where nothing was made: what was packed long ago may be delivered again
                audio.forget(packer.needed_from)
                is_looking = not packer.ended() and await packer.reach()
            if packer.ended():
                if not audio.available:
                    await self._store_init(session.session)  # its playlist names it all the same
                    yield (_bare_end(session.session, 0, 0, audio.error),)
                return  # an encoder is large: who is done does not keep it until it is found idle

    async def _names(self, session: str, number: int) -> "_Names":
        last = await self.segments.last(session) if number else None
        # at a session's beginning only where the log is known to have lost its end: it costs time
        looks = bool(number or self.segments.log.epoch)
        return _Names(self.store, looks, 1 + segment_take(last.name) if last else 1)

    async def given_up(
        self, session: Description, record: AudioFrame, reason: str
    ) -> tuple[SequenceRecord, ...]:
        """Return the mark that ends the session behind the segments there are.

        Raises:
            OSError: the store or the log is out of reach; worth another try.
        """
        state = await self.segments.state(session.session)
        if state.closed:
            return ()
        if not state.next:
            await self._store_init(session.session)
        first_frame = grid_of(session.form).start(state.next)
        return (_bare_end(session.session, state.next, first_frame, reason),)

    async def _store(self, segment: Segment, data: bytes) -> None:
        stored = [self.store.put(f"{segment.session}/{segment.name}", data, SEGMENT_TYPE)]
        if segment.number == 0:
            stored.append(self._store_init(segment.session))
        await asyncio.gather(*stored)

    async def _store_init(self, session: str) -> None:
        await self.store.put(f"{session}/{INIT_NAME}", init_segment(), SEGMENT_TYPE)


def _bare_end(session: str, number: int, first_frame: int, error: str) -> Segment:
    return Segment(
        session=session,
        number=number,
        first_frame=first_frame,
        frames=0,
        size_bytes=0,
        last=True,
        error=error,
    )
