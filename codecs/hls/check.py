"""Check a finished session's files more strictly than any player does.

Players forgive much (a decode time one frame off, an EXTINF of 2.1 for 2.048) until one does not,
so every number is checked against every other: playlist against boxes, boxes against packets,
packets against what a strict decoder gives. Input is hostile: problems are returned, not raised.
"""

import hashlib
import io
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import accumulate, pairwise

import av
import numpy as np
from av.audio.codeccontext import AudioCodecContext
from av.error import FFmpegError

from ..audio.pcm import SAMPLE_RATE_HZ
from .boxes import BoxError
from .fmp4 import (
    PRIMING_SAMPLES,
    InitSegment,
    MediaSegment,
    init_segment,
    media_segment,
    parse_init_segment,
    parse_media_segment,
)
from .grid import AAC_FRAME_SAMPLES
from .m3u8 import MediaPlaylist, PlaylistError, bandwidths, parse

_ONCE = (
    "#EXT-X-VERSION", "#EXT-X-TARGETDURATION", "#EXT-X-MEDIA-SEQUENCE", "#EXT-X-PLAYLIST-TYPE",
    "#EXT-X-INDEPENDENT-SEGMENTS", "#EXT-X-START", "#EXT-X-MAP", "#EXT-X-ENDLIST",
)  # fmt: skip
_LIVE_ONLY = ("#EXT-X-PART", "#EXT-X-PRELOAD-HINT", "#EXT-X-RENDITION-REPORT", "#EXT-X-SKIP")
_ATTRIBUTE = re.compile(r'([A-Z-]+)=("[^"]*"|[^,]*)')
_DECIMAL = re.compile(r"[0-9]{1,12}")
_AUDIBLE = 10.0 / 32_768
_TOO_LOUD = 1.5  # AAC adds 1 or 2 dB to what was full scale; damaged packets give anything


def check(
    files: Mapping[str, bytes],
    playlist: str = "audio.m3u8",
    master: str = "master.m3u8",
    sha256: Mapping[str, str] | None = None,
    sample_rate_hz: int = SAMPLE_RATE_HZ,
) -> list[str]:
    """Return what is wrong with a finished session, one sentence each; nothing if all is well.

    ``files`` are the session's objects by name as the playlist names them; the master playlist is
    checked where there is one. ``sha256`` are the digests that the log holds, by name:
    damage that a decoder takes for sound (some 10 to 35 % of it, measured) shows only there.
    """
    if playlist not in files:
        return [f"{playlist} is missing"]
    problems = check_playlist(files[playlist])
    try:
        listed = parse(files[playlist].decode(), sample_rate_hz)
    except (PlaylistError, UnicodeDecodeError) as error:
        return [*problems, f"{playlist}: {error}"]
    if listed.render().encode() != files[playlist]:
        problems.append(f"{playlist} has lines that we do not write")
    named = {uri for uri, _ in listed.segments}
    problems += [
        f"{name} is in the folder but not in {playlist}"
        for name in sorted(files)
        if name.endswith((".m4s", ".ts", ".aac")) and name not in named
    ]
    problems += [
        f"{name} is not what the log names: its sha256 differs"
        for name, digest in (sha256 or {}).items()
        if name in files and hashlib.sha256(files[name]).hexdigest() != digest
    ]
    try:
        init = parse_init_segment(files[listed.map_uri])
    except KeyError:
        return [*problems, f"{listed.map_uri} is missing"]
    except BoxError as error:
        return [*problems, f"{listed.map_uri}: {error}"]
    if init.rate_hz != sample_rate_hz:
        problems.append(f"the sound has {init.rate_hz} Hz, EXTINF counts in {sample_rate_hz}")
    if files[listed.map_uri] != init_segment(sample_rate_hz):
        problems.append(f"{listed.map_uri} differs from the init segment that goes with it")
    segments = _segments(files, listed, problems)
    problems += _check_sound(init, segments)
    if len(segments) == len(listed.segments):
        problems += _check_container(listed, files)
    if master in files:
        problems += check_master(files[master], files, listed, init.codecs)
    return problems


def check_playlist(data: bytes) -> list[str]:
    """Return which rules of RFC 8216 a finished media playlist breaks, by its text alone."""
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return ["the playlist is not UTF-8"]
    lines = text.split("\n")
    tags = [line.partition(":")[0] for line in lines if line.startswith("#")]
    problems = [f"{tag} occurs {tags.count(tag)} times" for tag in _ONCE if tags.count(tag) != 1]
    problems += [f"a finished playlist still has {tag}" for tag in _LIVE_ONLY if tag in tags]
    if text.startswith("\ufeff"):
        problems.append("the playlist begins with a byte order mark")
    values = dict(line.split(":", 1) for line in reversed(lines) if ":" in line)
    version = values.get("#EXT-X-VERSION", "")
    needed = 6 if "#EXT-X-MAP" in tags else 3
    if _integer(version) < needed:
        problems.append(f"version {version} is too low: what is used needs {needed}")
    if values.get("#EXT-X-MEDIA-SEQUENCE") != "0":
        problems.append("a playlist that keeps everything begins with media sequence 0")
    if values.get("#EXT-X-START") != "TIME-OFFSET=0":
        problems.append("players would join at the end: EXT-X-START is not TIME-OFFSET=0")
    uris = Counter(line for line in lines if line and not line.startswith("#"))
    return problems + [f"{uri} is listed {n} times" for uri, n in uris.items() if n > 1]


def check_history(texts: Sequence[str]) -> list[str]:
    """Return where a playlist, seen again and again while it grew, did not only append.

    An EVENT may gain lines at its end until ENDLIST, and nothing else (RFC 8216, 4.3.3.5).
    """
    return [
        f"state {number} of the playlist does not begin with the state before"
        for number, (earlier, later) in enumerate(pairwise(texts), 1)
        if not later.startswith(earlier)
    ]


def check_master(
    data: bytes, files: Mapping[str, bytes], listed: MediaPlaylist, codecs: str
) -> list[str]:
    """Return what a multivariant playlist with one stream gets wrong about it."""
    text = data.decode(errors="replace")
    streams = [line for line in text.split("\n") if line.startswith("#EXT-X-STREAM-INF:")]
    if not text.startswith("#EXTM3U\n") or len(streams) != 1:
        return [f"the master is no playlist with one stream: it has {len(streams)}"]
    attributes = dict(_ATTRIBUTE.findall(streams[0].partition(":")[2]))
    problems = [
        f"{tag} is in the master and in the media playlist"
        for tag in ("#EXT-X-INDEPENDENT-SEGMENTS", "#EXT-X-START")
        if tag in text
    ]
    if attributes.get("CODECS") != f'"{codecs}"':
        problems.append(f"the master has CODECS={attributes.get('CODECS')}, the sound is {codecs}")
    sizes = [(len(files.get(uri, b"")), frames) for uri, frames in listed.segments]
    peak, average = bandwidths(sizes, listed.target_duration_s, listed.sample_rate_hz)
    for name, most in (("BANDWIDTH", peak), ("AVERAGE-BANDWIDTH", average)):
        value = attributes.get(name, "")
        if _integer(value) < most:
            problems.append(f"the master has {name}={value}, measured are {most} bit/s")
    return problems


def _segments(
    files: Mapping[str, bytes], listed: MediaPlaylist, problems: list[str]
) -> list[MediaSegment]:
    """Read the listed segments that can be read, and check each against its position."""
    segments: list[MediaSegment] = []
    sequence = 0
    starts = accumulate((frames for _, frames in listed.segments), initial=0)
    for number, ((uri, frames), start) in enumerate(zip(listed.segments, starts, strict=False)):
        try:
            segment = parse_media_segment(files[uri])
        except KeyError:
            problems.append(f"{uri} is listed but missing")
            continue
        except BoxError as error:
            problems.append(f"{uri}: {error}")
            continue
        expected = frames + (number == 0)
        if len(segment.packets) != expected:
            problems.append(f"{uri} has {len(segment.packets)} packets, EXTINF counts {expected}")
        # the priming packet comes before all but itself
        decode_time = (start + (number > 0)) * AAC_FRAME_SAMPLES
        if segment.decode_time != decode_time:
            problems.append(f"{uri} begins at {segment.decode_time}, not at {decode_time}")
        if segment.sequence <= sequence:
            problems.append(f"{uri} has sequence number {segment.sequence} after {sequence}")
        if segment.packets and files[uri] != media_segment(number, start, segment.packets):
            problems.append(f"{uri} differs from what its position and packets make of it")
        sequence = segment.sequence
        segments.append(segment)
    return segments


def _check_sound(init: InitSegment, segments: Sequence[MediaSegment]) -> list[str]:
    """Decode every packet strictly; return errors, lost samples and repeated sound."""
    decoder = av.CodecContext.create("aac", "r")
    assert isinstance(decoder, AudioCodecContext)
    decoder.extradata = init.asc
    decoder.options = {"err_detect": "explode"}
    problems: list[str] = []
    heard: dict[bytes, int] = {}
    for number, segment in enumerate(segments):
        try:
            samples, peak = _decode(decoder, segment.packets)
        except FFmpegError as error:
            problems.append(f"segment {number} does not decode: {error}")
            continue
        wanted = len(segment.packets) * AAC_FRAME_SAMPLES
        if samples != wanted:
            problems.append(f"segment {number} decodes to {samples} samples, not {wanted}")
        if peak > _TOO_LOUD:
            problems.append(f"segment {number} decodes to {peak:.1f} times full scale: damaged")
        digest = hashlib.sha256(b"".join(segment.packets)).digest()
        first = heard.setdefault(digest, number)
        # silence may well repeat; sound, with an encoder that goes on, does not
        if first != number and peak > _AUDIBLE:
            problems.append(f"segment {number} repeats the sound of segment {first}")
    return problems


def _decode(decoder: AudioCodecContext, packets: Sequence[bytes]) -> tuple[int, float]:
    """Return how many samples the packets give, and the largest."""
    samples = 0
    peak = 0.0
    for packet in packets:
        for frame in decoder.decode(av.Packet(packet)):
            samples += frame.samples
            peak = max(peak, float(np.max(np.abs(frame.to_ndarray()))))
    return samples, peak


def _integer(value: str) -> int:
    """Return a decimal integer of a playlist, -1 where it is none."""
    return int(value) if _DECIMAL.fullmatch(value) else -1


def _check_container(listed: MediaPlaylist, files: Mapping[str, bytes]) -> list[str]:
    """Let FFmpeg read the segments end to end; return where its view differs."""
    if not listed.segments:
        return []
    segments = [files[uri] for uri, _ in listed.segments]
    data = io.BytesIO(init_segment(listed.sample_rate_hz) + b"".join(segments))
    try:
        with av.open(data, "r", options={"err_detect": "explode"}) as container:
            times = [packet.pts for packet in container.demux(audio=0) if packet.size]
    except FFmpegError as error:
        return [f"FFmpeg does not read the segments: {error}"]
    wanted = [n * AAC_FRAME_SAMPLES - PRIMING_SAMPLES for n in range(listed.frames + 1)]
    if times == wanted:
        return []
    return [
        f"FFmpeg reads {len(times)} packets up to {times[-1:]}, "
        f"not {len(wanted)} up to {wanted[-1:]}, or not a frame apart"
    ]
