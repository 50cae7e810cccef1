"""Objects in S3, MinIO or any store that speaks S3."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from .object_names import cache_control_of, check_name, content_type_of
from .objects import ObjectsRefusedError, ObjectsUnreachableError, StoredObject

T = TypeVar("T")
_MISSING = {"404", "NoSuchKey", "NotFound", "NoSuchBucket"}
_TRY_AGAIN = {"500", "502", "503", "504", "SlowDown", "RequestTimeout", "InternalError"}


@dataclass(frozen=True, slots=True)
class S3Settings:
    """Where the bucket is and who we are there."""

    bucket: str
    endpoint_url: str | None = None
    """None for AWS itself."""
    region: str = "us-east-1"
    access_key_id: str | None = None
    """None leaves it to the usual AWS chain: environment, profile, instance."""
    secret_access_key: str | None = field(default=None, repr=False)
    prefix: str = "hls"
    """Part of every key, before the session; empty for none."""
    public_url: str | None = None
    """Where clients read objects, such as a CDN; None for the endpoint itself."""


class S3Objects:
    """Objects in one bucket; the bucket is made when missing."""

    def __init__(self, settings: S3Settings) -> None:
        self._settings = settings
        session = boto3.session.Session()
        self._client: Any = session.client(
            "s3",
            endpoint_url=settings.endpoint_url,
            region_name=settings.region,
            aws_access_key_id=settings.access_key_id,
            aws_secret_access_key=settings.secret_access_key,
            config=Config(
                connect_timeout=3,
                read_timeout=20,
                # our stages retry by session; a second retry inside would only hide the delay
                retries={"total_max_attempts": 2, "mode": "standard"},
                s3={"addressing_style": "path" if settings.endpoint_url else "auto"},
                # stores other than AWS know no streaming checksum trailers
                request_checksum_calculation="when_required",
                response_checksum_validation="when_required",
            ),
        )

    def _key(self, name: str) -> str:
        check_name(name)
        return f"{self._settings.prefix}/{name}" if self._settings.prefix else name

    async def _call(self, what: str, call: Callable[[], T]) -> T:
        try:
            return await asyncio.to_thread(call)
        except ClientError as error:
            code = str(error.response.get("Error", {}).get("Code", ""))
            if code in _TRY_AGAIN:
                raise ObjectsUnreachableError(f"S3 cannot {what} now: {code}") from error
            raise ObjectsRefusedError(
                f"S3 refuses to {what}: {code or error}; check the access key, its rights and the "
                f"bucket {self._settings.bucket!r}"
            ) from error
        except BotoCoreError as error:
            where = self._settings.endpoint_url or "AWS"
            raise ObjectsUnreachableError(f"S3 at {where} cannot {what}: {error}") from error

    async def prepare(self) -> None:
        bucket = self._settings.bucket

        def make() -> None:
            try:
                self._client.head_bucket(Bucket=bucket)
            except ClientError as error:
                if str(error.response.get("Error", {}).get("Code", "")) not in _MISSING:
                    raise
                self._client.create_bucket(Bucket=bucket)

        await self._call(f"make sure of the bucket {bucket!r}", make)

    async def put(self, name: str, data: bytes, content_type: str) -> None:
        key = self._key(name)
        await self._call(
            f"store {key}",
            lambda: self._client.put_object(
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
                answer = self._client.get_object(Bucket=self._settings.bucket, Key=key)
            except ClientError as error:
                if str(error.response.get("Error", {}).get("Code", "")) in _MISSING:
                    return None
                raise
            data: bytes = answer["Body"].read()
            kind = answer.get("ContentType") or content_type_of(name)
            return StoredObject(data, kind, str(answer["ETag"]))

        return await self._call(f"read {key}", read)

    async def names(self, prefix: str) -> list[str]:
        lead = f"{self._settings.prefix}/" if self._settings.prefix else ""

        def walk() -> list[str]:
            pages = self._client.get_paginator("list_objects_v2").paginate(
                Bucket=self._settings.bucket, Prefix=lead + prefix
            )
            return sorted(
                str(item["Key"]).removeprefix(lead)
                for page in pages
                for item in page.get("Contents", [])
            )

        return await self._call(f"list {prefix}", walk)

    async def delete(self, name: str) -> None:
        key = self._key(name)
        await self._call(
            f"delete {key}",
            lambda: self._client.delete_object(Bucket=self._settings.bucket, Key=key),
        )

    def url(self, name: str) -> str:
        key = self._key(name)
        if self._settings.public_url:
            return f"{self._settings.public_url.rstrip('/')}/{key}"
        endpoint = (self._settings.endpoint_url or "https://s3.amazonaws.com").rstrip("/")
        return f"{endpoint}/{self._settings.bucket}/{key}"

    async def close(self) -> None:
        self._client.close()
