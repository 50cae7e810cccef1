"""Objects in S3, MinIO or any store that speaks S3."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, TypeVar
from urllib.parse import urlsplit

from boto3.session import Session
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionClosedError,
    ConnectTimeoutError,
    EndpointConnectionError,
    HTTPClientError,
    IncompleteReadError,
    ReadTimeoutError,
)
from botocore.exceptions import ConnectionError as NoConnectionError

from .names import cache_control_of, check_name, check_prefix, content_type_of
from .store import ObjectsRefusedError, ObjectsUnreachableError, StoredObject

T = TypeVar("T")
CONNECT_TIMEOUT_S = 3.0
READ_TIMEOUT_S = 10.0
MOST_CALLS = 16
"""Requests under way at once, on threads of their own: a store that hangs must not take the
threads that encode and speak."""
_MISSING = {"404", "NoSuchKey", "NotFound", "NoSuchBucket"}
_MADE_MEANWHILE = {"BucketAlreadyOwnedByYou", "BucketAlreadyExists"}
_TRY_AGAIN = {
    "InternalError",
    "OperationAborted",
    "RequestTimeout",
    "ServiceUnavailable",
    "SlowDown",
    "Throttling",
}
_NOT_REACHED = (NoConnectionError, HTTPClientError, IncompleteReadError)
_WHY: tuple[tuple[type[BotoCoreError], str], ...] = (
    (ConnectTimeoutError, f"no connection within {CONNECT_TIMEOUT_S:.0f} s"),
    (EndpointConnectionError, "nobody listens there"),
    (ReadTimeoutError, f"no answer within {READ_TIMEOUT_S:.0f} s"),
    (ConnectionClosedError, "it hung up"),
)
_PROBE = "_writable"


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

    @property
    def where(self) -> str:
        """The endpoint without user and password, fit for a message."""
        if not self.endpoint_url:
            return "AWS"
        parts = urlsplit(self.endpoint_url)
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


class S3Objects:
    """Objects in one bucket; the bucket is made when missing.

    Raises:
        ObjectsRefusedError: the endpoint or the region is none.
    """

    def __init__(self, settings: S3Settings) -> None:
        self._settings = settings
        self._threads = ThreadPoolExecutor(MOST_CALLS, thread_name_prefix="s3")
        try:
            self._client: Any = _client(settings)
        except (BotoCoreError, ValueError):
            # what they say would repeat a password in the URL, and so would we
            raise ObjectsRefusedError(
                f"RHAPSODE_S3_ENDPOINT_URL or the region {settings.region!r} is no S3 endpoint: "
                "it looks like http://127.0.0.1:9000"
            ) from None

    def _key(self, name: str) -> str:
        check_name(name)
        return f"{self._settings.prefix}/{name}" if self._settings.prefix else name

    async def _call(self, what: str, call: Callable[[], T]) -> T:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, call)
        except ClientError as error:
            raise self._answered(error, what) from error
        except _NOT_REACHED as error:
            why = next((why for kind, why in _WHY if isinstance(error, kind)), None)
            raise ObjectsUnreachableError(
                f"S3 at {self._settings.where} cannot {what} ({why or type(error).__name__}): "
                "start it, or check RHAPSODE_S3_ENDPOINT_URL"
            ) from error
        except BotoCoreError as error:
            raise ObjectsRefusedError(
                f"S3 cannot {what}: {error}; check the RHAPSODE_S3_ settings"
            ) from error

    def _answered(self, error: ClientError, what: str) -> Exception:
        code, status = _code(error), _status(error)
        where, bucket = self._settings.where, self._settings.bucket
        if code in _TRY_AGAIN or status == 429 or status >= 500:
            return ObjectsUnreachableError(f"S3 at {where} cannot {what} now: {code or status}")
        return ObjectsRefusedError(
            f"S3 at {where} refuses to {what} ({code or status}): check the access key, its "
            f"rights and the bucket {bucket!r}"
        )

    async def prepare(self) -> None:
        await self._call(f"make sure of the bucket {self._settings.bucket!r}", self._make_bucket)
        # who may look may not be allowed to write, which nobody should learn in mid-session
        await self.put(_PROBE, b"", content_type_of(_PROBE))

    def _make_bucket(self) -> None:
        bucket, region = self._settings.bucket, self._settings.region
        try:
            self._client.head_bucket(Bucket=bucket)
        except ClientError as error:
            if _code(error) not in _MISSING:
                raise
        else:
            return
        # the one region that may not be named (CreateBucket, LocationConstraint)
        elsewhere = {"CreateBucketConfiguration": {"LocationConstraint": region}}
        try:
            self._client.create_bucket(
                Bucket=bucket, **({} if region == "us-east-1" else elsewhere)
            )
        except ClientError as error:
            if _code(error) not in _MADE_MEANWHILE:  # several workers start at once
                raise

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
                if _code(error) in _MISSING:
                    return None
                raise
            data: bytes = answer["Body"].read()
            kind = answer.get("ContentType") or content_type_of(name)
            return StoredObject(data, kind, str(answer["ETag"]))

        return await self._call(f"read {key}", read)

    async def names(self, prefix: str) -> list[str]:
        check_prefix(prefix)
        lead = f"{self._settings.prefix}/" if self._settings.prefix else ""

        def walk() -> list[str]:
            pages = self._client.get_paginator("list_objects_v2").paginate(
                Bucket=self._settings.bucket, Prefix=lead + prefix
            )
            keys = (str(item["Key"]) for page in pages for item in page.get("Contents", []))
            return sorted(name for key in keys if (name := key.removeprefix(lead)) != _PROBE)

        return await self._call(f"list {lead}{prefix}", walk)

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
        endpoint = (
            self._settings.where if self._settings.endpoint_url else "https://s3.amazonaws.com"
        )
        return f"{endpoint.rstrip('/')}/{self._settings.bucket}/{key}"

    async def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._client.close()


def _client(settings: S3Settings) -> Any:
    if urlsplit(settings.endpoint_url or "https:").scheme not in ("http", "https"):
        raise ValueError("S3 speaks HTTP")
    session: Any = Session()
    return session.client(
        "s3",
        endpoint_url=settings.endpoint_url,
        region_name=settings.region,
        aws_access_key_id=settings.access_key_id,
        aws_secret_access_key=settings.secret_access_key,
        config=Config(
            connect_timeout=CONNECT_TIMEOUT_S,
            read_timeout=READ_TIMEOUT_S,
            max_pool_connections=MOST_CALLS,
            # our stages retry by session; this one is for a connection that went stale
            retries={"total_max_attempts": 2, "mode": "standard"},
            s3={"addressing_style": "path" if settings.endpoint_url else "auto"},
            # stores other than AWS know no streaming checksum trailers
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
        ),
    )


def _code(error: ClientError) -> str:
    answer: Any = error.response
    return str(answer.get("Error", {}).get("Code", ""))


def _status(error: ClientError) -> int:
    answer: Any = error.response
    return int(answer.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
