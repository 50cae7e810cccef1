"""Objects in S3, or in any store that speaks its API."""

from typing import Any

from botocore.exceptions import ClientError

from .names import cache_control_of, check_name, check_prefix, content_type_of
from .s3_client import S3Client, S3Settings, error_code
from .store import StoredObject

__all__ = ["S3Objects", "S3Settings"]

_MISSING = {"404", "NoSuchKey", "NotFound", "NoSuchBucket"}
_MADE_MEANWHILE = {"BucketAlreadyOwnedByYou", "BucketAlreadyExists"}
_PROBE = "_writable"


class S3Objects:
    """`storage.objects.store.Objects` in one bucket, which is made when missing.

    Raises:
        ObjectsRefusedError: the endpoint or the region is invalid.
    """

    def __init__(self, settings: S3Settings) -> None:
        self._settings = settings
        self._client = S3Client(settings)
        self._lead = f"{settings.prefix}/" if settings.prefix else ""

    def _key(self, name: str) -> str:
        return self._lead + check_name(name)

    async def prepare(self) -> None:
        await self._client.run(f"find the bucket {self._settings.bucket!r}", self._make_bucket)
        # a key may have the right to look and not to write; no session should be the first to tell
        await self.put(_PROBE, b"", content_type_of(_PROBE))

    def _make_bucket(self) -> None:
        bucket, region = self._settings.bucket, self._settings.region
        try:
            self._client.boto.head_bucket(Bucket=bucket)
        except ClientError as error:
            if error_code(error) not in _MISSING:
                raise
        else:
            return
        # the one region that may not be named (CreateBucket, LocationConstraint)
        elsewhere = {"CreateBucketConfiguration": {"LocationConstraint": region}}
        try:
            self._client.boto.create_bucket(
                Bucket=bucket, **({} if region == "us-east-1" else elsewhere)
            )
        except ClientError as error:
            if error_code(error) not in _MADE_MEANWHILE:  # several workers start at once
                raise

    async def put(self, name: str, data: bytes, content_type: str) -> None:
        key = self._key(name)
        await self._client.run(
            f"store {key}",
            lambda: self._client.boto.put_object(
                Bucket=self._settings.bucket,
                Key=key,
                Body=data,
                ContentType=content_type,
                CacheControl=cache_control_of(name),
            ),
        )

    async def get(self, name: str) -> StoredObject | None:
        key = self._key(name)

        def read() -> StoredObject | None:
            try:
                answer: Any = self._client.boto.get_object(Bucket=self._settings.bucket, Key=key)
            except ClientError as error:
                if error_code(error) in _MISSING:
                    return None
                raise
            data: bytes = answer["Body"].read()
            kind = answer.get("ContentType") or content_type_of(name)
            return StoredObject(data, kind, str(answer["ETag"]))

        return await self._client.run(f"read {key}", read)

    async def names(self, prefix: str) -> list[str]:
        check_prefix(prefix)

        def walk() -> list[str]:
            pages = self._client.boto.get_paginator("list_objects_v2").paginate(
                Bucket=self._settings.bucket, Prefix=self._lead + prefix
            )
            keys = (str(item["Key"]) for page in pages for item in page.get("Contents", []))
            names = (key.removeprefix(self._lead) for key in keys)
            return sorted(name for name in names if name != _PROBE)

        return await self._client.run(f"list {self._lead}{prefix}", walk)

    async def delete(self, name: str) -> None:
        key = self._key(name)
        await self._client.run(
            f"delete {key}",
            lambda: self._client.boto.delete_object(Bucket=self._settings.bucket, Key=key),
        )

    def url(self, name: str) -> str:
        key = self._key(name)
        if self._settings.public_url:
            return f"{self._settings.public_url.rstrip('/')}/{key}"
        endpoint = (
            self._settings.where if self._settings.endpoint_url else "https://s3.amazonaws.com"
        )
        return f"{endpoint.rstrip('/')}/{self._settings.bucket}/{key}"

    async def close(self) -> None:
        await self._client.close()
