"""People's files of both kinds: those that are kept here, and those that are named by a URL."""

from .names import is_web_name
from .source import ObjectInfo, ObjectSource


class EitherSource:
    """`storage.objects.source.ObjectSource` of a folder or bucket, and of the web beside it."""

    def __init__(self, own: ObjectSource, web: ObjectSource) -> None:
        self._own = own
        self._web = web

    async def stat(self, name: str) -> ObjectInfo | None:
        return await self._of(name).stat(name)

    async def folders(self, name: str, most: int) -> list[str]:
        return await self._own.folders(name, most)

    async def read(self, name: str, start: int, end: int, *, etag: str) -> bytes:
        return await self._of(name).read(name, start, end, etag=etag)

    async def close(self) -> None:
        try:
            await self._own.close()
        finally:
            await self._web.close()

    def _of(self, name: str) -> ObjectSource:
        return self._web if is_web_name(name) else self._own
