"""Names of objects: the plain ones that we make, and the ones that people gave their files."""

import re
import unicodedata

_PART = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
MOST_PARTS = 8
MOST_SOURCE_NAME_BYTES = 1024
"""As long as a key of S3 can be."""
_NOT_IN_SOURCE_NAMES = {"Cc", "Cs", "Zl", "Zp"}
"""Control characters, surrogates, line and paragraph separators (Unicode General_Category)."""


def check_name(name: str) -> str:
    """Return the name if it is relative and plain, as it becomes a path and a URL.

    Raises:
        ValueError: it has an empty, dotted, hidden or odd part, or more than 8 parts.
    """
    parts = name.split("/")
    if len(parts) > MOST_PARTS or not all(_PART.fullmatch(part) for part in parts):
        raise ValueError(
            f"{name[:120]!r} is no object name: use letters, digits, '.', '_' and '-' "
            "in at most 8 parts divided by '/'"
        )
    return name


def check_prefix(prefix: str) -> str:
    """Return the prefix if a name can begin with it; every name begins with the empty one.

    Raises:
        ValueError: no name begins with it.
    """
    if prefix:
        check_name(prefix + "x" if prefix.endswith("/") else prefix)
    return prefix


def check_source_name(name: str) -> str:
    """Return the name of somebody's file if it is a relative path that stays below its root.

    Spaces and any script are allowed, and nothing is normalized.

    Raises:
        ValueError: it has more than 1,024 bytes in UTF-8, an empty part, ``.`` or ``..`` as a
            part, a backslash, a control character or a line separator.
    """
    if len(name.encode(errors="surrogatepass")) > MOST_SOURCE_NAME_BYTES:
        raise ValueError(f"{name[:120]!r} is no file name: it has more than 1,024 bytes")
    if any(part in ("", ".", "..") for part in name.split("/")):
        raise ValueError(
            f"{name[:120]!r} is no file name: give a relative path without '.', '..' and empty "
            "parts"
        )
    if "\\" in name or any(unicodedata.category(one) in _NOT_IN_SOURCE_NAMES for one in name):
        raise ValueError(
            f"{name[:120]!r} is no file name: backslashes and control characters are not allowed"
        )
    return name


def is_source_name(name: str) -> bool:
    """Return whether somebody's file may have the name; see `check_source_name`."""
    try:
        check_source_name(name)
    except ValueError:
        return False
    return True


def is_web_name(name: str) -> bool:
    """Tell whether an object's name is a URL."""
    return name[:8].lower().startswith(("http://", "https://"))


LIVE_PREFIX = "live+"


def is_live_name(name: str) -> bool:
    """Tell whether an object's name is ``live+`` and the URL of a stream that goes on."""
    return name.startswith(LIVE_PREFIX) and is_web_name(name.removeprefix(LIVE_PREFIX))


def live_url(name: str) -> str:
    """Return the URL of a stream.

    Raises:
        ValueError: the name is none of a stream.
    """
    if not is_live_name(name):
        raise ValueError(f"{shown_name(name)} is no stream: give 'live+' and its URL")
    return name.removeprefix(LIVE_PREFIX)


_SIGNATURES = {"x-amz-signature", "x-goog-signature", "signature", "sig"}


def lasting_name(name: str) -> str:
    """Return what stays of a name when it is signed anew: a presigned URL without its query."""
    if not is_web_name(name):
        return name
    plain, _, query = name.partition("?")
    keys = {part.partition("=")[0].lower() for part in query.split("&")}
    return plain if keys & _SIGNATURES else name


def shown_name(name: str) -> str:
    """Return a name as logs and errors may have it: what follows a URL's ``?`` may be signed."""
    of_web = name.removeprefix(LIVE_PREFIX)[:4].lower() == "http"
    plain = name.partition("?")[0] if of_web else name
    return repr(plain[:200])


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
    """Return for how long a cache may keep an object: playlists change, all else never does."""
    if name.endswith(".m3u8"):
        return "no-cache"
    return "public, max-age=31536000, immutable"
