"""Deriving everything after ``audio-frame`` again from the log, to write or to compare it."""

from dataclasses import dataclass, field
from pathlib import Path

from ...agents.frame import Framer
from ...agents.pack import INIT_NAME, Packer
from ...agents.publish import MASTER_NAME, MEDIA_NAME, Publish
from ...agents.session_audio import SessionAudio
from ...codecs.audio.files import wav
from ...codecs.device.opus import Decoder, ogg_opus
from ...codecs.hls.fmp4 import init_segment
from ...codecs.records import (
    DEVICE_RATE_HZ,
    SAMPLE_RATE_HZ,
    AudioFrame,
    DeviceFrames,
    Segment,
    Text,
)
from ...topologies.stage import Parts


class ReplayError(Exception):
    """The session cannot be replayed; the message says why."""


@dataclass(slots=True)
class Replayed:
    """One session, derived again from its audio frames."""

    session: str
    objects: dict[str, bytes] = field(default_factory=dict[str, bytes])
    """Segments, init segment and playlists by name."""
    segments: list[Segment] = field(default_factory=list[Segment])
    packets: list[bytes] = field(default_factory=list[bytes])
    audio_s: float = 0.0
    pcm: bytes = b""


async def replay(parts: Parts, session: str) -> Replayed:
    """Derive a finished session's segments, playlists and device packets again.

    Raises:
        ReplayError: there is no such session, it is not finished, or its audio was trimmed.
    """
    frames = parts.history(AudioFrame)
    audio = SessionAudio(frames, session)
    await audio.load()
    if not audio.available and not audio.closed:
        raise ReplayError(f"there is no audio of session {session} in the log")
    if not audio.closed:
        raise ReplayError(f"session {session} is not finished yet: wait for its end")
    result = Replayed(session, audio_s=audio.available / SAMPLE_RATE_HZ)
    try:
        packer = Packer(parts.grid, parts.bit_rate, audio, 0)
        while made := await packer.next():
            segment, data = made
            result.segments.append(segment)
            result.objects[segment.name] = data
        framer = Framer(audio, 0)
        while run := await framer.next():
            result.packets += run[1]
        result.pcm = await audio.read(0, audio.available)
    except LookupError as error:
        raise ReplayError(f"{error}: it was trimmed") from None
    result.objects[INIT_NAME] = init_segment()
    publish = Publish(
        parts.grid, parts.bit_rate, parts.store, parts.history(Text), parts.history(Segment)
    )
    result.objects[MASTER_NAME] = publish.master().encode()
    playlist = publish.playlist(
        tuple((segment.name, segment.frames) for segment in result.segments),
        await publish.created_ms(session),
        ended=True,
    )
    result.objects[MEDIA_NAME] = playlist.encode()
    return result


async def differences(parts: Parts, replayed: Replayed) -> list[str]:
    """Compare with what the log and the store hold; return what differs, one line each."""
    found: list[str] = []
    session = replayed.session
    logged = [
        segment for segment in await parts.history(Segment).records(session, 0) if segment.frames
    ]
    if len(logged) != len(replayed.segments):
        found.append(f"{len(logged)} segments in the log, {len(replayed.segments)} derived")
    for was, derived in zip(logged, replayed.segments, strict=False):
        if was != derived:
            found.append(f"segment {was.number}: {was} in the log, {derived} derived")
    for name, data in sorted(replayed.objects.items()):
        stored = await parts.store.get(f"{session}/{name}")
        if stored is None:
            found.append(f"{name} is not in the store")
        elif stored.data != data:
            found.append(f"{name}: {len(stored.data)} bytes in the store differ from those derived")
    runs = await parts.history(DeviceFrames).records(session, 0)
    packets = [packet for run in runs for packet in run.packets]
    if packets != replayed.packets:
        differing = sum(
            was != derived for was, derived in zip(packets, replayed.packets, strict=False)
        )
        found.append(
            f"device: {len(packets)} packets in the log, {len(replayed.packets)} derived, "
            f"{differing} differ"
        )
    return found


def write(replayed: Replayed, folder: Path) -> list[Path]:
    """Write the session into a folder: HLS, WAV and Ogg Opus; return the files."""
    folder.mkdir(parents=True, exist_ok=True)
    files = dict(replayed.objects)
    files["audio.wav"] = wav(replayed.pcm, SAMPLE_RATE_HZ)
    files["device.ogg"] = ogg_opus(replayed.packets)
    decoder = Decoder()
    heard = b"".join(decoder.decode(packet).tobytes() for packet in replayed.packets)
    files["device.wav"] = wav(heard, DEVICE_RATE_HZ)
    written: list[Path] = []
    for name, data in files.items():
        path = folder / name
        path.write_bytes(data)
        written.append(path)
    return written
