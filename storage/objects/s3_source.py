"""People's files in a bucket of S3, or of any store that speaks its API."""

from typing import Any

from botocore.exceptions import ClientError

from .names import check_source_name, is_source_name
from .s3_client import S3Client, S3Settings, error_code, error_status
from .source import ObjectInfo, changed, check_range
from .store import ObjectsRefusedError, ObjectsUnreachableError

MOST_KEY_BYTES = 1024
"""Object keys (Amazon S3 User Guide, "Naming Amazon S3 objects")."""
_MISSING = {"404", "NoSuchKey", "NotFound"}


class S3Source:
    """`storage.objects.source.ObjectSource` in one bucket; ``prefix`` precedes every name.

    The ``prefix`` of the settings is that of objects we store, and is not used here.

    Raises:
        ObjectsRefusedError: the endpoint or the region is invalid.
        ValueError: the prefix is no relative path.
    """

    def __init__(self, settings: S3Settings, prefix: str = "") -> None:
        self._settings = settings
        self._client = S3Client(settings)
        self._lead = f"{check_source_name(prefix)}/" if prefix else ""

    async def stat(self, name: str) -> ObjectInfo | None:
        key = self._key(name)
        return await self._client.run(f"look at {key}", lambda: self._head(key))

    async def read(self, name: str, start: int, end: int, *, etag: str) -> bytes:
        key = self._key(name)
        check_range(start, end)

        def read() -> bytes | None:
            return self._range(key, start, end, etag) if start < end else self._empty(key, etag)

        data = await self._client.run(f"read {key}", read)
        if data is None:
            raise changed(name)
        return data

    async def folders(self, name: str, most: int) -> list[str]:
        lead = f"{self._key(name)}/"
        return await self._client.run(f"list {lead}", lambda: self._folders(lead, most))

    async def close(self) -> None:
        await self._client.close()

    def _key(self, name: str) -> str:
        return self._lead + check_source_name(name)

    def _head(self, key: str) -> ObjectInfo | None:
        if len(key.encode()) > MOST_KEY_BYTES:
            return None
        try:
            answer: Any = self._client.boto.head_object(Bucket=self._settings.bucket, Key=key)
        except ClientError as error:
            if error_code(error) in _MISSING:
                return None
            raise
        return ObjectInfo(int(answer["ContentLength"]), str(answer["ETag"]))

    def _folders(self, lead: str, most: int) -> list[str]:
        """Return what lies between a lead and the next slash (ListObjectsV2, CommonPrefixes)."""
        pages: Any = self._client.boto.get_paginator("list_objects_v2")
        found: list[str] = []
        for page in pages.paginate(Bucket=self._settings.bucket, Prefix=lead, Delimiter="/"):
            names = (
                one["Prefix"][len(lead) :].rstrip("/") for one in page.get("CommonPrefixes", ())
            )
            found += [name for name in names if is_source_name(name)]
            if len(found) >= most:
                break
        return sorted(found)[:most]

    def _empty(self, key: str, etag: str) -> bytes | None:
        info = self._head(key)
        return b"" if info is not None and info.etag == etag else None

    def _range(self, key: str, start: int, end: int, etag: str) -> bytes | None:
        """Return the bytes, None where the object has another ETag or does not exist."""
        try:
            answer: Any = self._client.boto.get_object(
                Bucket=self._settings.bucket,
                Key=key,
                IfMatch=etag,
                Range=f"bytes={start}-{end - 1}",
            )
        except ClientError as error:
            if error_code(error) in _MISSING or error_status(error) == 412:
                return None
            if error_status(error) == 416:  # the range starts at or after the object's end
                return self._empty(key, etag)
            raise
        with answer["Body"] as body:
            if str(answer["ETag"]) != etag:  # a server may not know If-Match
                return None
            if start and "ContentRange" not in answer:
                raise ObjectsRefusedError(
                    f"S3 at {self._settings.where} does not read ranges (RFC 9110, 14.2): "
                    "use another server"
                )
            wanted = min(end - start, int(answer["ContentLength"]))
            data: bytes = body.read(wanted)
        if len(data) < wanted:
            raise ObjectsUnreachableError(
                f"S3 at {self._settings.where} closed the connection while it sent {key}"
            )
        return data
