"""From audio frames to the Opus packets of voice devices."""

from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass

import numpy as np

from ..codecs.device.frames import device_frame, device_window
from ..codecs.device.opus import PREROLL_FRAMES, RUN_FRAMES, RunEncoder
from ..codecs.records import AudioFrame, DeviceFrames, DeviceRequest, SequenceRecord
from .journal import Description, Sequences
from .session_audio import SessionAudio
from .turns import CodecTurns, Turns

WIDE_FRAME_SAMPLES = 2880
"""A device frame of 60 ms at 48 kHz."""

GROUP_FRAMES = 5
"""Frames in a record, of which a run has a whole number. Fixed, so that two workers that frame
the same audio, one from its start and one from its middle, make the same records of it."""


class Framer:
    """Makes one session's packets in order, from any frame on; bytes depend on the log alone."""

    def __init__(self, turns: CodecTurns, audio: SessionAudio, number: int) -> None:
        self._turns = turns
        self._audio = audio
        self.number = number
        """The next frame."""
        self._run: RunEncoder | None = None

    @property
    def _frames_in_all(self) -> int:
        return -(-self._audio.available // WIDE_FRAME_SAMPLES)

    def ended(self) -> bool:
        """Say whether every packet of a closed session was made."""
        return self._audio.closed and self.number >= self._frames_in_all

    async def next(self) -> tuple[int, tuple[bytes, ...]] | None:
        """Return a group's first frame and its packets; None while its audio is not all there."""
        first = self.number
        end = (first // GROUP_FRAMES + 1) * GROUP_FRAMES
        if self._audio.closed:
            end = min(end, self._frames_in_all)
        elif device_window(end - 1)[1] > self._audio.available:
            return None
        if first >= end:
            return None
        fed_from = first
        if self._run is None:
            self._run = RunEncoder(first // RUN_FRAMES)
            fed_from = self._run.first_needed
        pcm = await self._audio.read(device_window(fed_from)[0], device_window(end - 1)[1])
        # a group is heard when it is whole; until then a segment that is due goes first
        due = end * WIDE_FRAME_SAMPLES
        packets = await self._turns.run(due, _encode, self._run, fed_from, end, pcm)
        self.number = end
        if end % RUN_FRAMES == 0:
            self._run = None
        return first, tuple(packets[first - end :])


def _encode(run: RunEncoder, first: int, end: int, pcm: bytes) -> list[bytes]:
    samples = np.frombuffer(pcm, "<i2").astype(np.int16)
    origin = device_window(first)[0]
    packets: list[bytes] = []
    for number in range(first, end):
        start, stop = device_window(number)
        packet = run.encode(number, device_frame(samples[start - origin : stop - origin]))
        if packet is not None:
            packets.append(packet)
    return packets


@dataclass(frozen=True, slots=True)
class Frame:
    """Bring audio to 16 kHz and Opus, 60 ms a packet, with the sentence that begins in each run.

    Only for sessions that a device asked for: audio of others passes without being looked at, and
    is read from the log should a device come later.
    """

    turns: Turns
    frames: Sequences[AudioFrame]
    requests: Sequences[DeviceRequest]
    device: Sequences[DeviceFrames]

    async def __call__(
        self, session: Description, inputs: AsyncIterator[AudioFrame | DeviceRequest]
    ) -> AsyncGenerator[tuple[SequenceRecord, ...]]:
        """Yield runs of packets as far as there is audio for them."""
        asked: bool | None = None
        framing: _Framing | None = None
        async for received in inputs:
            if asked is None:
                asked = await self._is_asked_for(session)
            asked = asked or isinstance(received, DeviceRequest)
            if session.form.device is None or not asked:
                continue
            if framing is None:
                framing = await self._begin(session)
                if framing is None:
                    return
            audio, framer = framing
            if isinstance(received, AudioFrame):
                audio.feed(received)
            while made := await framer.next():
                yield (await _record(audio, *made),)
            if framer.ended():
                yield (_end(session.session, framer.number),)
                return
            audio.forget(device_window(max(0, framer.number - PREROLL_FRAMES))[0])

    async def _is_asked_for(self, session: Description) -> bool:
        return (await self.requests.state(session.session)).closed

    async def _begin(self, session: Description) -> "_Framing | None":
        """Return what makes packets from where the log says; None where all are made."""
        state = await self.device.state(session.session)
        if state.closed:
            return None
        audio = SessionAudio(self.frames, session.session)
        await audio.load()  # what passed before anybody asked, or another worker dealt with
        # never as one that starts: a first segment goes before a first group
        turns = CodecTurns(self.turns, session, session.accepted_s)
        return audio, Framer(turns, audio, state.next)

    async def given_up(
        self, session: Description, record: AudioFrame | DeviceRequest, reason: str
    ) -> tuple[SequenceRecord, ...]:
        """Return the mark that ends the session behind the packets there are."""
        if session.form.device is None or not await self._is_asked_for(session):
            return ()
        state = await self.device.state(session.session)
        return () if state.closed else (_end(session.session, state.next),)


_Framing = tuple[SessionAudio, Framer]


def _end(session: str, frame: int) -> DeviceFrames:
    return DeviceFrames(session=session, first_frame=frame, packets=(), last=True)


async def _record(audio: SessionAudio, first: int, packets: tuple[bytes, ...]) -> DeviceFrames:
    end = first + len(packets)
    begun = await audio.texts(first * WIDE_FRAME_SAMPLES, end * WIDE_FRAME_SAMPLES)
    return DeviceFrames(
        session=audio.session,
        first_frame=first,
        packets=packets,
        sentences=tuple((sample // WIDE_FRAME_SAMPLES, text) for sample, text in begun),
    )
