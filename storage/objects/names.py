"""Which names an object may have: they become paths and URLs."""

import re

_PART = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
MOST_PARTS = 8


def check_name(name: str) -> str:
    """Return the name if it is relative and plain.

    Raises:
        ValueError: it has an empty, dotted, hidden or odd part, or more than 8 parts.
    """
    parts = name.split("/")
    if len(parts) > MOST_PARTS or not all(_PART.fullmatch(part) for part in parts):
        raise ValueError(
            f"{name[:120]!r} is no object name: use letters, digits, '.', '_' and '-' "
            "in parts divided by '/'"
        )
    return name


def check_prefix(prefix: str) -> str:
    """Return the prefix if a name can begin with it; the empty one begins every name.

    Raises:
        ValueError: no name begins so.
    """
    if prefix:
        check_name(prefix + "x" if prefix.endswith("/") else prefix)
    return prefix


def content_type_of(name: str) -> str:
    """Return the content type that goes with a name's ending."""
    return {
        "m3u8": "application/vnd.apple.mpegurl",
        "m4s": "audio/mp4",
        "mp4": "audio/mp4",
        "ts": "video/mp2t",
        "mp3": "audio/mpeg",
        "wav": "audio/wav",
        "vtt": "text/vtt",
        "json": "application/json",
    }.get(name.rpartition(".")[2], "application/octet-stream")


def cache_control_of(name: str) -> str:
    """Return how long a cache may keep an object: playlists change, all else never does."""
    if name.endswith(".m3u8"):
        return "no-cache"
    return "public, max-age=31536000, immutable"
