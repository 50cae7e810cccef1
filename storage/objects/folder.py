"""Objects in a folder, under the same contract as those in S3."""

import asyncio
import errno
import hashlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from .names import check_name, check_prefix, content_type_of
from .store import ObjectsRefusedError, ObjectsUnreachableError, StoredObject

_LASTING = {errno.EACCES, errno.EPERM, errno.EROFS, errno.EEXIST, errno.ENOTDIR, errno.EISDIR}
"""Errors that last until somebody changes the folder; others, such as a full disk, may pass."""

TRIES = 20
"""Of making a folder that others remove at the same time."""


class FolderObjects:
    """`storage.objects.store.Objects` as files below one folder.

    A put is a rename, so no reader sees half of an object.

    Args:
        folder: Where they are.
        synced: True survives a power cut, once a put has returned, and costs a sync of the disk.
    """

    def __init__(self, folder: Path, *, synced: bool = False) -> None:
        self._folder = folder
        self._synced = synced

    async def prepare(self) -> None:
        def make() -> None:
            self._folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=self._folder):
                pass

        try:
            await asyncio.to_thread(make)
        except OSError as error:
            raise ObjectsRefusedError(
                f"cannot write to the folder {self._folder}: {error.strerror}; "
                "choose another with RHAPSODE_MEDIA, or RHAPSODE_ARCHIVE for the archive"
            ) from None

    async def put(self, name: str, data: bytes, content_type: str) -> None:
        path = self._folder / check_name(name)
        try:
            await asyncio.to_thread(_replace, path, data, synced=self._synced)
        except OSError as error:
            raise _explained(error, "write", path) from error

    async def get(self, name: str) -> StoredObject | None:
        path = self._folder / check_name(name)
        try:
            data = await asyncio.to_thread(path.read_bytes)
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
            return None
        except OSError as error:
            raise _explained(error, "read", path) from error
        etag = hashlib.sha256(data).hexdigest()[:32]
        return StoredObject(data, content_type_of(name), f'"{etag}"')

    async def names(self, prefix: str) -> list[str]:
        within = check_prefix(prefix).rpartition("/")[0]

        def walk() -> list[str]:
            paths = _files(self._folder / within)
            names = (path.relative_to(self._folder).as_posix() for path in paths)
            return sorted(name for name in names if name.startswith(prefix))

        try:
            return await asyncio.to_thread(walk)
        except OSError as error:
            raise _explained(error, "list", self._folder) from error

    async def delete(self, name: str) -> None:
        path = self._folder / check_name(name)
        try:
            await asyncio.to_thread(_remove, path, self._folder)
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
            return
        except OSError as error:
            raise _explained(error, "delete", path) from error

    def url(self, name: str) -> str:
        return (self._folder / check_name(name)).absolute().as_uri()

    async def close(self) -> None:
        """Do nothing: files are closed after each call."""


def _files(folder: Path) -> Iterator[Path]:
    """Yield the objects' files; files that are being written have hidden names."""

    def trouble(error: OSError) -> None:
        if not isinstance(error, FileNotFoundError | NotADirectoryError):
            raise error  # a folder that went away meanwhile has no objects

    for path, _, names in os.walk(folder, onerror=trouble):
        yield from (Path(path, name) for name in names if not name.startswith("."))


def _explained(error: OSError, what: str, path: Path) -> Exception:
    message = f"cannot {what} {path}: {error.strerror or error}"
    if error.errno in _LASTING:
        return ObjectsRefusedError(f"{message}; check who owns the folder and what is in it")
    return ObjectsUnreachableError(message)


def _remove(path: Path, within: Path) -> None:
    """Remove a file, and the folders above it that it leaves empty."""
    path.unlink()
    for folder in path.parents:
        if folder == within:
            return
        try:
            folder.rmdir()
        except OSError:  # there is more in it, or another was quicker
            return


def _begin(folder: Path) -> tuple[int, str]:
    """Open a file with a hidden name in the folder, which is made where missing."""
    for _ in range(TRIES):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            return tempfile.mkstemp(dir=folder, prefix=".")
        except FileNotFoundError:
            continue  # whoever removed the last object there has removed the folder
        except FileExistsError:
            if folder.exists() and not folder.is_dir():
                raise  # else it was removed while pathlib looked what is in the way
    raise OSError(errno.EAGAIN, "the folder is removed again and again", str(folder))


def _replace(path: Path, data: bytes, *, synced: bool) -> None:
    handle, temporary = _begin(path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            if synced:
                file.flush()
                os.fsync(file.fileno())
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    if synced:
        for folder in (path.parent, path.parent.parent):  # the name, and that of a new folder
            handle = os.open(folder, os.O_RDONLY)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)
