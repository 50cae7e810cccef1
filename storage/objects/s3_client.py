"""Requests to S3 on threads of their own, and what S3's errors mean to us."""

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

from .store import ObjectsRefusedError, ObjectsUnreachableError

T = TypeVar("T")
CONNECT_TIMEOUT_S = 3.0
READ_TIMEOUT_S = 10.0
MOST_CALLS = 16
"""Requests under way at once, on threads of their own: a store that hangs must not take the
threads that encode and speak."""
_TRY_AGAIN = {
    "InternalError",
    "OperationAborted",
    "RequestTimeout",
    "ServiceUnavailable",
    "SlowDown",
    "Throttling",
}
_NOT_REACHED = (NoConnectionError, HTTPClientError, IncompleteReadError)
_REASONS: tuple[tuple[type[BotoCoreError], str], ...] = (
    (ConnectTimeoutError, f"no connection within {CONNECT_TIMEOUT_S:.0f} s"),
    (EndpointConnectionError, "nobody listens there"),
    (ReadTimeoutError, f"no answer within {READ_TIMEOUT_S:.0f} s"),
    (ConnectionClosedError, "it closed the connection"),
)


@dataclass(frozen=True, slots=True)
class S3Settings:
    """Which bucket, where, and with whose rights."""

    bucket: str
    endpoint_url: str | None = None
    """None for AWS itself."""
    region: str = "us-east-1"
    access_key_id: str | None = None
    """None leaves it to the usual AWS chain: environment, profile, instance."""
    secret_access_key: str | None = field(default=None, repr=False)
    prefix: str = "hls"
    """First part of the key of every object that we store; empty for none."""
    public_url: str | None = None
    """Where clients read objects, such as a CDN; None for the endpoint itself."""

    @property
    def where(self) -> str:
        """The endpoint without user and password, fit for a message."""
        if not self.endpoint_url:
            return "AWS"
        parts = urlsplit(self.endpoint_url)
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


class S3Client:
    """A boto3 client whose requests run on threads of their own.

    Raises:
        ObjectsRefusedError: the endpoint or the region is invalid.
    """

    def __init__(self, settings: S3Settings) -> None:
        self._settings = settings
        self._threads = ThreadPoolExecutor(MOST_CALLS, thread_name_prefix="s3")
        try:
            self.boto: Any = _boto_client(settings)
            """The client itself; call it in `run` only, as it blocks."""
        except (BotoCoreError, ValueError):
            # their message, and so ours, would repeat a password in the URL
            raise ObjectsRefusedError(
                f"RHAPSODE_S3_ENDPOINT_URL or the region {settings.region!r} is no S3 endpoint: "
                "it looks like http://127.0.0.1:9000"
            ) from None

    async def run(self, what: str, call: Callable[[], T]) -> T:
        """Run a function that makes requests; ``what`` it does completes "S3 cannot ...".

        Raises:
            ObjectsUnreachableError: S3 does not answer or asks to try again.
            ObjectsRefusedError: it refuses; the message says what to do.
        """
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, call)
        except ClientError as error:
            raise self._answered(error, what) from error
        except _NOT_REACHED as error:
            reason = next((why for kind, why in _REASONS if isinstance(error, kind)), None)
            raise ObjectsUnreachableError(
                f"S3 at {self._settings.where} cannot {what} ({reason or type(error).__name__}): "
                "start it, or check RHAPSODE_S3_ENDPOINT_URL"
            ) from error
        except BotoCoreError as error:
            raise ObjectsRefusedError(
                f"S3 cannot {what}: {error}; check the RHAPSODE_S3_ settings"
            ) from error

    def _answered(self, error: ClientError, what: str) -> Exception:
        code, status = error_code(error), error_status(error)
        where, bucket = self._settings.where, self._settings.bucket
        if code in _TRY_AGAIN or status == 429 or status >= 500:
            return ObjectsUnreachableError(f"S3 at {where} cannot {what} now: {code or status}")
        return ObjectsRefusedError(
            f"S3 at {where} refuses to {what} ({code or status}): check the access key, its "
            f"rights and the bucket {bucket!r}"
        )

    async def close(self) -> None:
        """Close every connection; requests under way are not waited for."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        self.boto.close()


def _boto_client(settings: S3Settings) -> Any:
    if urlsplit(settings.endpoint_url or "https:").scheme not in ("http", "https"):
        raise ValueError("the S3 API is spoken over HTTP")
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
            # stages retry by session; this one is for a connection that went stale
            retries={"total_max_attempts": 2, "mode": "standard"},
            s3={"addressing_style": "path" if settings.endpoint_url else "auto"},
            # stores other than AWS know no streaming checksum trailers
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
        ),
    )


def error_code(error: ClientError) -> str:
    """Return S3's code for an error, such as ``NoSuchKey``; a HEAD request has the status only."""
    answer: Any = error.response
    return str(answer.get("Error", {}).get("Code", ""))


def error_status(error: ClientError) -> int:
    """Return the HTTP status of an error, 0 where there was none."""
    answer: Any = error.response
    return int(answer.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
