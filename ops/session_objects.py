"""Audio objects that somebody names: looked up before their session takes them."""

from ..codecs.encoding import MalformedError
from ..codecs.records import UPLINK
from ..storage.objects.live_source import LIVE
from ..storage.objects.names import (
    LIVE_PREFIX,
    is_live_name,
    is_web_name,
    live_url,
    shown_name,
)
from ..storage.objects.source import ObjectSource
from ..storage.objects.store import ObjectsRefusedError
from ..storage.objects.web_client import check_url


def stream_at(url: str) -> str:
    """Return the name of the stream that a URL is of.

    Raises:
        MalformedError: it is no URL.
    """
    try:
        return LIVE_PREFIX + check_url(url)
    except ValueError as error:
        raise MalformedError(str(error)) from None


async def version_of(objects: ObjectSource | None, name: str, *, waits: bool = True) -> str:
    """Return the ETag of an object; empty where that is left to whoever plays it.

    Args:
        objects: Where it is looked up; None: there is no such place.
        name: A relative path, a URL, or ``live+`` and the URL of a stream.
        waits: False asks nobody on the web: its hosts may be slow, and others wait in line.

    Raises:
        MalformedError: there is no such object, or the name is not one.
        OSError: its source is out of reach.
    """
    if name == UPLINK:
        return LIVE
    if objects is None:
        raise MalformedError("there is no object source here: set RHAPSODE_OBJECTS to a folder")
    try:
        is_live = is_live_name(name)
        if not waits and (is_live or is_web_name(name)):
            check_url(live_url(name) if is_live else name)
            return LIVE if is_live else ""
        info = await objects.stat(name)
    except (ValueError, ObjectsRefusedError) as error:
        raise MalformedError(str(error)) from None
    if info is None:
        raise MalformedError(f"there is no object {shown_name(name)}")
    return info.etag
