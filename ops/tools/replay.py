"""Everything after ``audio-frame`` again, from the log: written out, or compared byte for byte.

A session is never loaded whole: segments and packets are derived one by one, compared or written,
and dropped.
"""

import asyncio
import hashlib
import wave
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import Any

from ...agents.frame import Framer
from ...agents.journal import Description, Journal, Sequences, UnknownSessionError
from ...agents.pack import Packer, as_named
from ...agents.publish import master_playlist, media_playlist
from ...agents.session_audio import SessionAudio
from ...agents.turns import CodecTurns, Turns
from ...codecs.build import codec_build
from ...codecs.device.ogg import ogg_opus
from ...codecs.device.opus import Decoder
from ...codecs.hls.fmp4 import init_segment
from ...codecs.hls.names import INIT_NAME, MASTER_NAME, MEDIA_NAME
from ...codecs.records import AudioFrame, DeviceFrames, DeviceRequest, Segment
from ...storage.objects.store import Objects

COMPLETE_WITHIN_S = 20.0


class ReplayError(Exception):
    """The session cannot be replayed; the message tells why."""


Keep = Callable[[str, bytes], Awaitable[None]]
"""Called with each derived object's name and bytes."""


@dataclass(slots=True)
class Replayed:
    """What was derived again, and what of it differed."""

    session: str
    audio_s: float = 0.0
    segments: int = 0
    packets: int = 0
    media_kept: bool = True
    """False where the store has nothing of the session any more: then the log's digests count."""
    differences: list[str] = field(default_factory=list[str])


async def _drop(name: str, data: bytes) -> None:
    """Keep nothing."""


async def derive(
    journal: Journal, session: str, keep: Keep = _drop, *, store: Objects | None = None
) -> Replayed:
    """Derive a finished session's segments, playlists and device packets again.

    Args:
        journal: Where the session is.
        session: Its id.
        keep: Called with each object's name beside the playlist and its bytes, one at a time.
        store: Compare each object with this store's, and records with the log's; None compares
            nothing.

    Raises:
        ReplayError: there is no such session, it is not finished, or its audio was trimmed.
    """
    try:
        description = await journal.describe(session)
    except UnknownSessionError as error:
        raise ReplayError(str(error)) from None
    audio = SessionAudio(journal.of(AudioFrame), session)
    await audio.load()
    if not audio.closed:
        raise ReplayError(f"session {session} is not finished yet: wait for its end")
    rate_hz = description.form.sample_rate_hz
    replayed = Replayed(session, audio_s=audio.available / rate_hz)
    compare = _Comparison(journal, description, store, replayed) if store is not None else None
    if compare is not None:
        await compare.check_complete()
    turns = CodecTurns(Turns(2), description)
    has_packets = (await journal.of(DeviceRequest).state(session)).closed
    deriving = [_segments(turns, journal.of(Segment), audio, keep, replayed, compare)]
    if description.form.device is not None and (has_packets or compare is None):
        # with a window of its own: packets are quicker to make than segments
        again = SessionAudio(journal.of(AudioFrame), session)
        await again.load()
        deriving.append(_packets(turns, again, keep, replayed, compare))
    tasks = [asyncio.ensure_future(work) for work in deriving]
    try:
        await asyncio.gather(*tasks)
    except LookupError as error:
        raise ReplayError(f"{error}: it was trimmed away") from None
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    if compare is not None and replayed.differences:
        compare.name_builds()
    return replayed


async def _segments(
    turns: CodecTurns,
    segments: Sequences[Segment],
    audio: SessionAudio,
    keep: Keep,
    replayed: Replayed,
    compare: "_Comparison | None",
) -> None:
    async def made(name: str, data: bytes) -> None:
        if compare is not None:
            await compare.stored(name, data)
        await keep(name, data)

    description = turns.session
    packer = Packer(turns, audio, 0)
    listed: list[tuple[str, int]] = []
    while segment_and_data := await packer.next():
        segment, data = segment_and_data
        segment = await as_named(segments, segment)
        listed.append((segment.name, segment.frames))
        if compare is not None:
            await compare.segment(segment)
        await made(segment.name, data)
        audio.forget(packer.needed_from)
    replayed.segments = len(listed)
    if compare is not None:
        await compare.segment_count(len(listed))
    await made(INIT_NAME, init_segment())
    await made(MASTER_NAME, master_playlist(description.form).encode())
    playlist = media_playlist(description, tuple(listed), ended=True)
    await made(MEDIA_NAME, playlist.encode())


async def _packets(
    turns: CodecTurns,
    audio: SessionAudio,
    keep: Keep,
    replayed: Replayed,
    compare: "_Comparison | None",
) -> None:
    framer = Framer(turns, audio, 0)
    digest = hashlib.sha256()
    while run := await framer.next():
        first, packets = run
        replayed.packets += len(packets)
        for packet in packets:
            digest.update(packet)
        if compare is not None:
            await compare.device_run(first, packets)
        await keep(PACKETS, b"".join(len(p).to_bytes(2, "big") + p for p in packets))


PACKETS = "packets"
"""Under this name runs of Opus packets are kept, each packet behind its length in two bytes."""


class _Comparison:
    """What the log and the store hold, beside what was derived."""

    def __init__(
        self, journal: Journal, description: Description, store: Objects, replayed: Replayed
    ) -> None:
        self._journal = journal
        self._description = description
        self._store = store
        self._replayed = replayed
        self._found = replayed.differences
        self._session = description.session

    async def check_complete(self) -> None:
        """Wait until every stage has come to the session's end; device frames come last.

        Raises:
            ReplayError: one has not within `COMPLETE_WITHIN_S`.
        """
        self._replayed.media_kept = bool(await self._store.names(f"{self._session}/"))
        deadline_s = monotonic() + COMPLETE_WITHIN_S
        stages: dict[str, Sequences[Any]] = {"segments": self._journal.of(Segment)}
        if (await self._journal.of(DeviceRequest).state(self._session)).closed:
            stages["device frames"] = self._journal.of(DeviceFrames)
        for what, sequences in stages.items():
            while not (await sequences.state(self._session)).closed:
                if monotonic() > deadline_s:
                    raise ReplayError(
                        f"session {self._session} is not finished yet: not all of its {what} are "
                        "in the log; is a worker of that stage running?"
                    )
                await asyncio.sleep(0.1)

    async def segment(self, derived: Segment) -> None:
        number = derived.number
        logged = await self._journal.of(Segment).records(self._session, number, number + 1)
        if logged != [derived]:
            was = logged[0] if logged else "nothing"
            self._found.append(f"segment {number}: the log has {was}, derived is {derived}")

    async def segment_count(self, derived: int) -> None:
        logged = (await self._journal.of(Segment).state(self._session)).next
        if logged != derived:
            self._found.append(f"{logged} segments in the log, {derived} derived")

    async def stored(self, name: str, data: bytes) -> None:
        if not self._replayed.media_kept:
            return
        stored = await self._store.get(f"{self._session}/{name}")
        if stored is None:
            self._found.append(f"{name} is not in the store")
        elif stored.data != data:
            self._found.append(
                f"{name}: {len(stored.data)} bytes in the store differ from those derived"
            )

    async def device_run(self, first: int, packets: tuple[bytes, ...]) -> None:
        frames = self._journal.of(DeviceFrames)
        runs = await frames.records(self._session, first, first + len(packets))
        logged = tuple(packet for run in runs for packet in run.packets)
        if logged != packets:
            self._found.append(f"device frames {first} to {first + len(packets)} differ")

    def name_builds(self) -> None:
        promised, here = self._description.record.codec_build, codec_build()
        if promised and promised != here:
            self._found.append(f"the session was made by codec build {promised}; this is {here}")


async def write(
    journal: Journal, session: str, folder: Path, *, store: Objects | None = None
) -> tuple[Replayed, list[Path]]:
    """Write a session into a folder that exists: HLS, WAV and Ogg Opus; return the files.

    Raises:
        ReplayError: as `derive`.
    """
    written: list[Path] = []
    packets: list[bytes] = []

    async def keep(name: str, data: bytes) -> None:
        if name == PACKETS:
            packets.extend(_parted(data))
            return
        path = folder / name
        path.write_bytes(data)
        written.append(path)

    replayed = await derive(journal, session, keep, store=store)
    written.append(await _write_wav(journal, session, folder / "audio.wav"))
    if packets:
        ogg = folder / "device.ogg"
        ogg.write_bytes(ogg_opus(packets))
        heard = folder / "device.wav"
        decoder = Decoder()
        with wave.open(str(heard), "wb") as file:
            _set_mono(file, 16_000)
            for packet in packets:
                file.writeframes(decoder.decode(packet).astype("<i2").tobytes())
        written += [ogg, heard]
    return replayed, written


async def _write_wav(journal: Journal, session: str, path: Path) -> Path:
    rate_hz = (await journal.describe(session)).form.sample_rate_hz
    with ExitStack() as stack:
        file = stack.enter_context(wave.open(str(path), "wb"))
        _set_mono(file, rate_hz)
        async for frame in journal.of(AudioFrame).stream(session):
            file.writeframes(frame.pcm)
    return path


def _set_mono(file: wave.Wave_write, rate_hz: int) -> None:
    file.setnchannels(1)
    file.setsampwidth(2)
    file.setframerate(rate_hz)


def _parted(data: bytes) -> list[bytes]:
    packets: list[bytes] = []
    at = 0
    while at < len(data):
        size = int.from_bytes(data[at : at + 2], "big")
        packets.append(data[at + 2 : at + 2 + size])
        at += 2 + size
    return packets
