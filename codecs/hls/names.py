"""Names and content types of a session's HLS objects, relative to the session's folder.

A playlist names its segments by these, so they are part of what a replay must give back.
"""

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

MOST_DIGITS = 9
"""Of a segment's number: a billion segments are decades."""


def segment_name(number: int) -> str:
    """Return a media segment's name, such as ``audio_000.m4s``; it grows past 999.

    Raises:
        ValueError: the number is negative.
    """
    if number < 0:
        raise ValueError(f"there is no segment {number}")
    return f"audio_{number:03d}.m4s"


def segment_number(name: str) -> int | None:
    """Return the number of a media segment, None for the name of something else."""
    digits = name.removeprefix("audio_").removesuffix(".m4s")
    if not (digits.isascii() and digits.isdecimal()) or len(digits) > MOST_DIGITS:
        return None
    return int(digits) if name == segment_name(int(digits)) else None


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
