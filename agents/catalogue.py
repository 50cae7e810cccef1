"""The catalogue as it is in the object source, read again now and then without a gap."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from time import monotonic

import structlog

from ..codecs.catalogue.matching import Catalogue
from ..codecs.catalogue.titles import MAX_METADATA_BYTES, MetadataError, Title, read_metadata
from ..storage.objects.source import MOST_READ_BYTES, ObjectChangedError, ObjectInfo, ObjectSource
from ..storage.objects.store import ObjectsRefusedError

ROOTS = ("music", "stories")
METADATA = "metadata.json"
MOST_FOLDERS = 1_000
"""Below each root."""
EMPTY_S = 1.0
"""Where there is nothing yet, a request looks again whether there is: somebody may just have put it
there."""
TRY_AGAIN_S = 5.0
log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class FolderRead:
    """What one folder's metadata held."""

    etag: str
    titles: tuple[Title, ...] = ()
    problems: tuple[str, ...] = ()
    """A sentence each; what they are about is left out, and the rest serves."""


@dataclass(slots=True)
class CatalogueReader:
    """Reads ``music/<language>`` and ``stories/<category>``, and keeps the newest catalogue.

    Args:
        objects: Where they are.
        refresh_s: After so long it is looked whether a folder has changed; 0 for never.
    """

    objects: ObjectSource
    refresh_s: float
    folders: dict[str, FolderRead] = field(default_factory=dict[str, FolderRead])
    """By name, as they were read last."""
    _newest: Catalogue | None = None
    _read_at_s: float = 0.0
    _reading: "asyncio.Task[Catalogue] | None" = None

    async def prepare(self) -> None:
        """Read it before the first request; where it cannot be read now, that request tries."""
        try:
            await self.current()
        except (OSError, ObjectsRefusedError) as error:
            log.warning("no catalogue yet", error=str(error))

    async def current(self) -> Catalogue:
        """Return the newest catalogue; where it is time for another, that is read meanwhile.

        Raises:
            ObjectsUnreachableError, ObjectsRefusedError: the first one cannot be read.
        """
        if self._newest is None or (not len(self._newest) and self._is_time(EMPTY_S)):
            return await self.refresh()
        if self.refresh_s and self._is_time(self.refresh_s):
            self._read_at_s = monotonic()  # one looks for all
            self._reading = asyncio.create_task(self._read_beside())
        return self._newest

    def _is_time(self, after_s: float) -> bool:
        return monotonic() - self._read_at_s >= after_s

    async def refresh(self) -> Catalogue:
        """Look at every folder now; raises as `current`. What did not change is not read again."""
        found = await self._folders()
        read = {name: await self._folder(name) for name in found}
        self._read_at_s = monotonic()
        folders = {name: one for name, one in read.items() if one is not None}
        if self._newest is None or folders != self.folders:
            self._tell_problems(folders)
            titles = [title for one in folders.values() for title in one.titles]
            self._newest = await asyncio.to_thread(Catalogue, titles)
            self.folders = folders
            if folders:
                log.info("catalogue read", folders=len(folders), titles=len(titles))
        return self._newest

    async def _read_beside(self) -> Catalogue:
        try:
            return await self.refresh()
        except (OSError, ObjectsRefusedError) as error:
            log.warning("the catalogue stays as it is", error=str(error))
            self._read_at_s = monotonic() - self.refresh_s + TRY_AGAIN_S
            assert self._newest is not None
            return self._newest

    async def _folders(self) -> Sequence[str]:
        found: list[str] = []
        for root in ROOTS:
            names = await self.objects.folders(root, MOST_FOLDERS)
            found += [f"{root}/{name}" for name in names]
        return found

    async def _folder(self, name: str) -> FolderRead | None:
        """Return what a folder holds, None where it has no metadata."""
        path = f"{name}/{METADATA}"
        known = self.folders.get(name)
        try:
            info = await self.objects.stat(path)
        except ObjectsRefusedError as error:  # of this one, such as a link out of the folder
            kept = known.titles if known is not None else ()
            return FolderRead("", kept, (str(error),))
        if info is None:
            return None
        if known is not None and known.etag == info.etag:
            return known
        try:
            raw = await self._whole(path, info)
            titles, problems = await asyncio.to_thread(read_metadata, name, raw)
        except (MetadataError, ObjectChangedError) as error:
            kept = known.titles if known is not None else ()
            return FolderRead(info.etag, kept, (str(error),))
        return FolderRead(info.etag, titles, problems)

    async def _whole(self, path: str, info: ObjectInfo) -> bytes:
        if info.size_bytes > MAX_METADATA_BYTES:
            raise MetadataError(f"{path} has {info.size_bytes:,} bytes: split it, 64 MB are read")
        data = bytearray()
        while len(data) < info.size_bytes:
            end = min(len(data) + MOST_READ_BYTES, info.size_bytes)
            data += await self.objects.read(path, len(data), end, etag=info.etag)
        return bytes(data)

    def _tell_problems(self, folders: dict[str, FolderRead]) -> None:
        for name, folder in folders.items():
            if folder.problems and folder != self.folders.get(name):
                first, more = folder.problems[0], len(folder.problems) - 1
                log.warning("left out of the catalogue", folder=name, problem=first, more=more)

    async def close(self) -> None:
        """End what is being read."""
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)
