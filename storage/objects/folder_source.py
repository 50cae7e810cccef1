"""People's files in a folder, which reads never leave."""

import asyncio
import errno
import hashlib
import os
import stat
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from .names import check_source_name, is_source_name
from .source import ObjectInfo, changed, check_range
from .store import ObjectsRefusedError, ObjectsUnreachableError

_MISSING = {errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG, errno.ELOOP, errno.ENXIO}
_OPEN = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
"""Never waits, as opening a named pipe otherwise would until somebody writes to it."""


class FolderSource:
    """`storage.objects.source.ObjectSource` over regular files below one folder.

    A symbolic link is followed where it stays in the folder. The ETag is made of a file's size,
    modification time (ns) and inode: a file that is replaced has another one, and so has one that
    is written to, unless within one tick of the file system's clock and to the same size.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def stat(self, name: str) -> ObjectInfo | None:
        check_source_name(name)
        return await asyncio.to_thread(self._stat, name)

    async def folders(self, name: str, most: int) -> list[str]:
        check_source_name(name)
        return await asyncio.to_thread(self._folders, name, most)

    async def read(self, name: str, start: int, end: int, *, etag: str) -> bytes:
        check_source_name(name)
        check_range(start, end)
        return await asyncio.to_thread(self._read, name, start, end, etag)

    async def close(self) -> None:
        """Do nothing: files are closed after each read."""

    def _stat(self, name: str) -> ObjectInfo | None:
        with self._opened(name) as file:
            return None if file is None else _info(file)

    def _folders(self, name: str, most: int) -> list[str]:
        root = os.path.realpath(self._folder)
        path = os.path.realpath(Path(root, name))
        if os.path.commonpath((root, path)) != root:
            return []
        try:
            with os.scandir(path) as entries:
                # a link that leads out of the folder is refused when a file behind it is opened
                found = [one.name for one in entries if one.is_dir() and is_source_name(one.name)]
        except OSError as error:
            if error.errno in _MISSING:
                return []
            raise _explained(error, Path(path)) from error
        return sorted(found)[:most]

    def _read(self, name: str, start: int, end: int, etag: str) -> bytes:
        with self._opened(name) as file:
            if file is None or _info(file).etag != etag:
                raise changed(name)
            data = bytearray()
            while piece := os.pread(file, end - start - len(data), start + len(data)):
                data += piece
            if _info(file).etag != etag:  # written to meanwhile
                raise changed(name)
            return bytes(data)

    @contextmanager
    def _opened(self, name: str) -> Generator[int | None]:
        """Yield the descriptor of a regular file, None where there is none by that name."""
        descriptor: int | None = None
        try:
            descriptor = self._open(name)
            regular = descriptor is not None and stat.S_ISREG(os.fstat(descriptor).st_mode)
            yield descriptor if regular else None
        except OSError as error:
            raise _explained(error, self._folder / name) from error
        finally:
            if descriptor is not None:
                os.close(descriptor)

    def _open(self, name: str) -> int | None:
        root = os.path.realpath(self._folder)
        path = os.path.realpath(Path(root, name))
        if os.path.commonpath((root, path)) != root:
            raise ObjectsRefusedError(
                f"{name!r} leads out of the folder of audio files: put the file into the folder "
                "instead of the symbolic link"
            )
        if not Path(root).is_dir():
            raise ObjectsRefusedError(
                f"there is no folder {self._folder}: make it, or name another"
            )
        try:
            return _open_below(root, Path(path).relative_to(root).parts)
        except OSError as error:
            if error.errno in _MISSING:
                return None
            raise


def _open_below(root: str, parts: tuple[str, ...]) -> int:
    """Open a file by its parts and follow no link, as one may have been made since we looked."""
    descriptor = os.open(root, _OPEN | os.O_DIRECTORY)
    for number, part in enumerate(parts, start=1):
        within = descriptor
        try:
            flags = _OPEN | (os.O_DIRECTORY if number < len(parts) else 0)
            descriptor = os.open(part, flags, dir_fd=within)
        finally:
            os.close(within)
    return descriptor


def _info(descriptor: int) -> ObjectInfo:
    status = os.fstat(descriptor)
    identity = f"{status.st_size} {status.st_mtime_ns} {status.st_ino}"
    digest = hashlib.sha256(identity.encode()).hexdigest()[:32]
    return ObjectInfo(status.st_size, f'"{digest}"')


def _explained(error: OSError, path: Path) -> Exception:
    message = f"cannot read {path}: {error.strerror or error}"
    if error.errno in (errno.EACCES, errno.EPERM):
        return ObjectsRefusedError(f"{message}; check who may read the folder and its files")
    return ObjectsUnreachableError(message)
