"""Names and content types of a session's HLS objects, relative to the session's folder.

A playlist names its segments by these, so they are part of what a replay must give back.
"""

import re

INIT_NAME = "init.mp4"
"""The init segment, which EXT-X-MAP names."""

MEDIA_NAME = "audio.m3u8"
"""The media playlist."""

MASTER_NAME = "master.m3u8"
"""The multivariant playlist: what a player is given."""

SEGMENT_TYPE = "audio/mp4"
"""Content type of init and media segments (RFC 4337, 3.2)."""

PLAYLIST_TYPE = "application/vnd.apple.mpegurl"
"""Content type of playlists (RFC 8216, 10)."""

_SEGMENT = re.compile(r"^audio_([0-9]{3,9})(?:_([1-9][0-9]{0,5}))?\.m4s$")
"""A billion segments are decades."""


def segment_name(number: int, take: int = 0) -> str:
    """Return a media segment's name, such as ``audio_000.m4s``; it grows past 999.

    A *take* other than 0 is for a segment that was made again with other bytes, as the log had lost
    what the first one was made of: ``audio_017_1.m4s``. Whoever has cached the first keeps it.

    Raises:
        ValueError: the number or the take is negative.
    """
    if number < 0 or take < 0:
        raise ValueError(f"there is no segment {number}, take {take}")
    return f"audio_{number:03d}_{take}.m4s" if take else f"audio_{number:03d}.m4s"


def _number_and_take(name: str) -> tuple[int, int] | None:
    found = _SEGMENT.match(name)
    if not found:
        return None
    number, take = int(found[1]), int(found[2] or 0)
    return (number, take) if name == segment_name(number, take) else None


def segment_number(name: str) -> int | None:
    """Return the number of a media segment, None for the name of something else."""
    found = _number_and_take(name)
    return None if found is None else found[0]


def segment_take(name: str) -> int:
    """Return which take of a media segment the name is of, 0 for the name of something else."""
    found = _number_and_take(name)
    return 0 if found is None else found[1]


def content_type(name: str) -> str:
    """Return the content type of one of a session's HLS objects, by its name.

    Raises:
        ValueError: it is not a name that this module gives.
    """
    if name in (MEDIA_NAME, MASTER_NAME):
        return PLAYLIST_TYPE
    if name == INIT_NAME or (name.startswith("audio_") and name.endswith(".m4s")):
        return SEGMENT_TYPE
    raise ValueError(f"{name[:80]!r} is not a name of an HLS object")
