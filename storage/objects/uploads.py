"""Bringing people's files to where they are read from: a folder, or a bucket."""

import asyncio
import filecmp
import hashlib
import os
import secrets
import shutil
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

from botocore.exceptions import ClientError

from .names import check_source_name, content_type_of
from .s3_client import S3Client, S3Settings, error_code
from .store import ObjectsRefusedError

MOST_FILE_BYTES = 5_000_000_000
"""Of one request (Amazon S3, PutObject): a song has some millions."""
LEFT_FOR_S = 600.0
"""A file that is still being copied was written to since."""
_MISSING = {"404", "NoSuchKey", "NotFound"}


class Uploads(Protocol):
    """Where files are brought to; raises what `storage.objects.source.ObjectSource` does."""

    async def has(self, name: str, file: Path) -> bool:
        """Tell whether the object is there with the bytes of the file."""
        ...

    async def put(self, name: str, file: Path) -> None:
        """Store a file's bytes under a name: whoever reads it finds the old ones or the new."""
        ...

    async def close(self) -> None:
        """Close every connection."""
        ...


class FolderUploads:
    """`Uploads` to a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def has(self, name: str, file: Path) -> bool:
        there = self._folder / check_source_name(name)

        def same() -> bool:
            return there.is_file() and filecmp.cmp(there, file, shallow=False)

        return await asyncio.to_thread(same)

    async def put(self, name: str, file: Path) -> None:
        await asyncio.to_thread(self._copy, self._folder / check_source_name(name), file)

    def _copy(self, there: Path, file: Path) -> None:
        try:
            there.parent.mkdir(parents=True, exist_ok=True)
            for left in there.parent.glob(".*.new"):  # by one that was killed
                with suppress(FileNotFoundError):  # another one is here, too
                    if left.stat().st_mtime < time.time() - LEFT_FOR_S:
                        left.unlink()
            new = there.with_name(f".{secrets.token_hex(8)}.new")
            try:
                shutil.copyfile(file, new)
                with new.open("rb") as written:
                    os.fsync(written.fileno())
                new.replace(there)
            finally:
                new.unlink(missing_ok=True)
        except OSError as error:
            raise ObjectsRefusedError(f"cannot write {there}: {error.strerror}") from error

    async def close(self) -> None:
        """Do nothing: no connection is held."""


class S3Uploads:
    """`Uploads` to a bucket, which has to be there.

    What was stored by one request has the MD5 of its bytes as its ETag, unless the store encrypts
    it with a key of a key service: then each file is brought again.

    Raises:
        ObjectsRefusedError: the endpoint or the region is invalid.
    """

    def __init__(self, settings: S3Settings) -> None:
        self._settings = settings
        self._client = S3Client(settings)

    async def has(self, name: str, file: Path) -> bool:
        key = check_source_name(name)

        def same() -> bool:
            try:
                answer: Any = self._client.boto.head_object(Bucket=self._settings.bucket, Key=key)
            except ClientError as error:
                if error_code(error) in _MISSING:
                    return False
                raise
            if int(answer["ContentLength"]) != file.stat().st_size:
                return False
            with file.open("rb") as opened:
                digest = hashlib.file_digest(
                    opened, lambda: hashlib.md5(usedforsecurity=False)
                ).hexdigest()
            return str(answer["ETag"]).strip('"') == digest

        return await self._client.run(f"look at {key}", same)

    async def put(self, name: str, file: Path) -> None:
        key = check_source_name(name)

        def store() -> None:
            if file.stat().st_size > MOST_FILE_BYTES:
                raise ObjectsRefusedError(f"{file} has more than 5 GB: cut it into parts")
            with file.open("rb") as opened:
                self._client.boto.put_object(
                    Bucket=self._settings.bucket,
                    Key=key,
                    Body=opened,
                    ContentType=content_type_of(name),
                )

        await self._client.run(f"store {key}", store)

    async def close(self) -> None:
        await self._client.close()
