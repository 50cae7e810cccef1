"""People's sound of all kinds: files that are kept here, those named by a URL, and streams."""

from contextlib import AsyncExitStack

from .names import is_live_name, is_web_name
from .source import ObjectInfo, ObjectSource


class EitherSource:
    """`storage.objects.source.ObjectSource` of a folder or bucket, and of the web beside it.

    Args:
        own: Files that are kept here.
        web: Files named by URLs.
        live: Streams, which can be looked up.
    """

    def __init__(self, own: ObjectSource, web: ObjectSource, live: ObjectSource) -> None:
        self._own = own
        self._web = web
        self._live = live

    async def stat(self, name: str) -> ObjectInfo | None:
        return await self._of(name).stat(name)

    async def folders(self, name: str, most: int) -> list[str]:
        return await self._own.folders(name, most)

    async def read(self, name: str, start: int, end: int, *, etag: str) -> bytes:
        return await self._of(name).read(name, start, end, etag=etag)

    async def close(self) -> None:
        async with AsyncExitStack() as closing:
            for source in (self._own, self._web, self._live):
                closing.push_async_callback(source.close)

    def _of(self, name: str) -> ObjectSource:
        if is_live_name(name):
            return self._live
        return self._web if is_web_name(name) else self._own
