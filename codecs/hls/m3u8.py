"""HLS playlists of one audio rendition, written and read back (RFC 8216 and its successor).

A live session's playlist is an EVENT: it only ever grows by whole lines at its end, ENDLIST being
the last. Nothing in it comes from a clock: dates are the session's logged start plus media time.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import accumulate
from math import ceil
from typing import Literal

from ..audio.pcm import SAMPLE_RATE_HZ
from .grid import AAC_FRAME_SAMPLES, duration_s, round_half_up

VERSION = 6
"""EXT-X-MAP in a playlist without I-frames-only needs 6 (RFC 8216, 7); nothing here needs more."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MAX_MS = 32_503_680_000_000  # the year 3000
_URI = re.compile(r'^[^#\s"\x00-\x1f\x7f][^\s"\x00-\x1f\x7f]*$')
_EXTINF = re.compile(r"^(\d{1,6}\.\d{6}),$")
_MAP = re.compile(r'^URI="([^"]+)"$')
_INTEGER = re.compile(r"^[1-9]\d{0,5}$")


class PlaylistError(ValueError):
    """Text or fields that are not a playlist as this module writes it."""


@dataclass(frozen=True)
class MediaPlaylist:
    """What a media playlist lists.

    Raises:
        PlaylistError: a URI could break the text, a segment is empty or longer than the target
            duration allows, or the date is out of range.
    """

    target_duration_s: int
    map_uri: str
    segments: tuple[tuple[str, int], ...] = ()
    """(URI, AAC frames of 1024 samples) in order."""
    program_date_time_ms: int = 0
    """When the session began, Unix milliseconds, as it was logged."""
    ended: bool = False
    kind: Literal["EVENT", "VOD"] = "EVENT"
    """EVENT while it grows and after; a VOD copy needs a name of its own."""
    sample_rate_hz: int = SAMPLE_RATE_HZ
    """Of the sound: how long an AAC frame lasts."""
    discontinuities: frozenset[int] = frozenset()
    """Segments, counted from 0, whose sound does not continue that of the one before."""

    def __post_init__(self) -> None:
        if self.target_duration_s < 1:
            raise PlaylistError(f"target duration {self.target_duration_s} is not at least 1 s")
        if not 0 <= self.program_date_time_ms <= _MAX_MS:
            raise PlaylistError(f"{self.program_date_time_ms} ms is not a date a playlist can give")
        if self.kind == "VOD" and not self.ended:
            raise PlaylistError("a VOD playlist must have ended: use EVENT while it grows")
        for uri in (self.map_uri, *(uri for uri, _ in self.segments)):
            if not _URI.match(uri):
                raise PlaylistError(f"{uri[:80]!r} cannot be a URI in a playlist")
        for uri, frames in self.segments:
            if frames < 1 or round_half_up(self._duration_s(frames)) > self.target_duration_s:
                raise PlaylistError(
                    f"{uri}: {frames} frames do not fit a target duration of "
                    f"{self.target_duration_s} s"
                )

    @property
    def frames(self) -> int:
        """AAC frames listed so far."""
        return sum(frames for _, frames in self.segments)

    def _duration_s(self, frames: int) -> float:
        return duration_s(frames, self.sample_rate_hz)

    def date_of(self, frame: int) -> str:
        """Return EXT-X-PROGRAM-DATE-TIME of a frame, counted from the session's first."""
        return date_time(self.program_date_time_ms, frame, self.sample_rate_hz)

    def render(self) -> str:
        """Return the playlist's text.

        Of two states of one session the longer text begins with the shorter one (EVENT, RFC 8216,
        4.3.3.5). EXT-X-START:TIME-OFFSET=0 makes players begin at the beginning instead of three
        target durations from the live edge.
        """
        lines = [
            "#EXTM3U",
            f"#EXT-X-VERSION:{VERSION}",
            f"#EXT-X-TARGETDURATION:{self.target_duration_s}",
            "#EXT-X-MEDIA-SEQUENCE:0",
            f"#EXT-X-PLAYLIST-TYPE:{self.kind}",
            "#EXT-X-INDEPENDENT-SEGMENTS",
            "#EXT-X-START:TIME-OFFSET=0",
        ]
        if self.kind == "EVENT":
            lines.append("#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES")
        lines.append(f'#EXT-X-MAP:URI="{self.map_uri}"')
        before = 0
        for number, (uri, frames) in enumerate(self.segments):
            if number in self.discontinuities:
                lines.append("#EXT-X-DISCONTINUITY")
            lines += (
                f"#EXT-X-PROGRAM-DATE-TIME:{self.date_of(before)}",
                f"#EXTINF:{self._duration_s(frames):.6f},",
                uri,
            )
            before += frames
        if self.ended:
            lines.append("#EXT-X-ENDLIST")
        return "\n".join(lines) + "\n"


def date_time(start_ms: int, frames: int, sample_rate_hz: int = SAMPLE_RATE_HZ) -> str:
    """Return the ISO 8601 date, to the nearest millisecond, of a frame of a session."""
    # in integers: a float would round otherwise after some hours
    offset_ms = (2000 * frames * AAC_FRAME_SAMPLES + sample_rate_hz) // (2 * sample_rate_hz)
    moment = _EPOCH + timedelta(milliseconds=start_ms + offset_ms)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def render_master(
    uri: str, bandwidth: int, average_bandwidth: int, codecs: str = "mp4a.40.2"
) -> str:
    """Return a multivariant playlist with one audio rendition.

    ``bandwidth`` is the highest rate of any segment and ``average_bandwidth`` the mean, both in
    bits per second and container included (RFC 8216, 4.3.4.2). INDEPENDENT-SEGMENTS and START
    are in the media playlist and so not here.

    Raises:
        PlaylistError: the URI could break the text, or a bandwidth is not positive.
    """
    if not _URI.match(uri):
        raise PlaylistError(f"{uri[:80]!r} cannot be a URI in a playlist")
    if not 0 < average_bandwidth <= bandwidth:
        raise PlaylistError(f"bandwidth {bandwidth} and average {average_bandwidth} do not match")
    return (
        "#EXTM3U\n"
        f"#EXT-X-STREAM-INF:BANDWIDTH={bandwidth},AVERAGE-BANDWIDTH={average_bandwidth},"
        f'CODECS="{codecs}"\n'
        f"{uri}\n"
    )


def bandwidths(
    segments: Sequence[tuple[int, int]],
    target_duration_s: int,
    sample_rate_hz: int = SAMPLE_RATE_HZ,
) -> tuple[int, int]:
    """Return the peak and average rate, in bit/s, of segments given as (bytes, AAC frames).

    The peak is the highest rate of any neighbours that together last 0.5 to 1.5 target durations
    (RFC 8216, 4.1), or of all where they are fewer; (0, 0) without segments.
    """
    sizes = [0, *accumulate(size for size, _ in segments)]
    frames = [0, *accumulate(count for _, count in segments)]

    def length_s(first: int, end: int) -> float:
        return duration_s(frames[end] - frames[first], sample_rate_hz)

    def rate(first: int, end: int) -> int:
        return ceil(8 * (sizes[end] - sizes[first]) / length_s(first, end))

    if not segments:
        return (0, 0)
    average = rate(0, len(segments))
    peak = 0
    for first in range(len(segments)):
        for end in range(first + 1, len(segments) + 1):
            if length_s(first, end) > 1.5 * target_duration_s:
                break
            if length_s(first, end) >= 0.5 * target_duration_s:
                peak = max(peak, rate(first, end))
    return (max(peak, average), average)


def parse(text: str, sample_rate_hz: int = SAMPLE_RATE_HZ) -> MediaPlaylist:
    """Read back a media playlist; tags that are not known are passed over (RFC 8216, 6.3.1).

    ``sample_rate_hz`` is that of the sound, which a playlist does not tell.

    Raises:
        PlaylistError: it is not one that ``render`` could have written, and why.
    """
    if not text.startswith("#EXTM3U\n"):
        raise PlaylistError("the first line is not #EXTM3U")
    if not text.endswith("\n"):
        raise PlaylistError("the last line is cut off")
    body, end_tag, rest = text.partition("#EXT-X-ENDLIST\n")
    if rest:
        raise PlaylistError("something follows EXT-X-ENDLIST")
    header: dict[str, str] = {}
    segments: list[tuple[str, int]] = []
    discontinuities: set[int] = set()
    dates: list[str] = []
    duration = ""
    for line in filter(None, body.split("\n")):
        name, _, value = line.partition(":")
        if name == "#EXT-X-DISCONTINUITY":
            discontinuities.add(len(segments))
        elif name == "#EXT-X-PROGRAM-DATE-TIME":
            dates.append(value)
        elif name == "#EXTINF":
            duration = value
        elif line.startswith("#"):
            header[name] = value
        else:
            segments.append((line, _frames(duration, sample_rate_hz)))
            duration = ""
    playlist = MediaPlaylist(
        target_duration_s=_target_duration_s(header),
        map_uri=_map_uri(header),
        segments=tuple(segments),
        program_date_time_ms=_start_ms(dates),
        ended=bool(end_tag),
        kind=_kind(header),
        sample_rate_hz=sample_rate_hz,
        discontinuities=frozenset(discontinuities),
    )
    starts = accumulate((frames for _, frames in segments), initial=0)
    wanted = [playlist.date_of(frames) for frames in starts]
    if dates != wanted[:-1]:
        raise PlaylistError("a segment's date is not the start plus media time")
    return playlist


def _kind(header: dict[str, str]) -> Literal["EVENT", "VOD"]:
    kind = header.get("#EXT-X-PLAYLIST-TYPE", "")
    if kind not in ("EVENT", "VOD"):
        raise PlaylistError(f"playlist type {kind[:40]!r} is neither EVENT nor VOD")
    return kind


def _frames(value: str, sample_rate_hz: int) -> int:
    found = _EXTINF.match(value)
    if not found:
        raise PlaylistError(f"EXTINF {value[:40]!r} is not seconds with six decimals and a comma")
    frames = round_half_up(float(found[1]) / duration_s(1, sample_rate_hz))
    if f"{duration_s(frames, sample_rate_hz):.6f}" != found[1]:
        raise PlaylistError(f"EXTINF {found[1]} is no whole number of AAC frames")
    return frames


def _target_duration_s(header: dict[str, str]) -> int:
    value = header.get("#EXT-X-TARGETDURATION", "")
    if not _INTEGER.match(value):
        raise PlaylistError(f"target duration {value[:40]!r} is not a whole number of seconds")
    return int(value)


def _map_uri(header: dict[str, str]) -> str:
    found = _MAP.match(header.get("#EXT-X-MAP", ""))
    if not found:
        raise PlaylistError("EXT-X-MAP is missing or has no URI")
    return found[1]


def _start_ms(dates: list[str]) -> int:
    if not dates:
        return 0
    try:
        moment = datetime.fromisoformat(dates[0])
        return (moment - _EPOCH) // timedelta(milliseconds=1)
    except (ValueError, TypeError):
        raise PlaylistError(f"{dates[0][:40]!r} is not a date with a time zone") from None
