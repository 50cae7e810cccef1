"""Objects in a folder, with the same promises as S3."""

import asyncio
import hashlib
import os
import tempfile
from pathlib import Path

from .object_names import check_name, content_type_of
from .objects import ObjectsRefusedError, ObjectsUnreachableError, StoredObject


class FolderObjects:
    """Objects as files below one folder; a put is a rename, so no reader sees half of one."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

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
                "choose another with RHAPSODE_MEDIA or --media"
            ) from None

    async def put(self, name: str, data: bytes, content_type: str) -> None:
        path = self._folder / check_name(name)
        try:
            await asyncio.to_thread(_replace, path, data)
        except PermissionError as error:
            raise ObjectsRefusedError(f"cannot write {path}: {error.strerror}") from None
        except OSError as error:
            raise ObjectsUnreachableError(f"cannot write {path}: {error.strerror}") from error

    async def get(self, name: str) -> StoredObject | None:
        path = self._folder / check_name(name)
        try:
            data = await asyncio.to_thread(path.read_bytes)
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
            return None
        except OSError as error:
            raise ObjectsUnreachableError(f"cannot read {path}: {error.strerror}") from error
        etag = hashlib.sha256(data).hexdigest()[:32]
        return StoredObject(data, content_type_of(name), f'"{etag}"')

    async def names(self, prefix: str) -> list[str]:
        def walk() -> list[str]:
            files = (path for path in self._folder.rglob("*") if path.is_file())
            names = (path.relative_to(self._folder).as_posix() for path in files)
            return sorted(
                name
                for name in names
                if name.startswith(prefix) and not name.rpartition("/")[2].startswith(".")
            )

        return await asyncio.to_thread(walk)

    async def delete(self, name: str) -> None:
        path = self._folder / check_name(name)
        await asyncio.to_thread(path.unlink, missing_ok=True)

    def url(self, name: str) -> str:
        return (self._folder / check_name(name)).absolute().as_uri()

    async def close(self) -> None:
        """Hold nothing open."""


def _replace(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
