"""The one door to Redis: clients, scripts, and what its errors mean to us."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import redis
import redis.asyncio
from redis.exceptions import (
    AuthenticationError,
    AuthorizationError,
    BusyLoadingError,
    ClusterDownError,
    NoPermissionError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    ResponseError,
)
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from .keys import Keys
from .log import UnreachableError, UnusableServerError

CONNECT_TIMEOUT_S = 3.0
COMMAND_TIMEOUT_S = 10.0
LUA = Path(__file__).parent / "lua"
SCHEMES = ("redis", "rediss", "valkey", "unix")


@dataclass(frozen=True, slots=True)
class RedisSettings:
    """Which server and which part of it."""

    url: str
    namespace: str = "rhapsode"

    @property
    def safe_url(self) -> str:
        """The URL without user and password, fit for a message."""
        parts = urlsplit(self.url)
        host = parts.hostname or ""
        port = f":{parts.port}" if parts.port else ""
        return f"{parts.scheme}://{host}{port}{parts.path}"

    @property
    def client_url(self) -> str:
        """The URL as redis-py knows it.

        Raises:
            UnusableServerError: its scheme is none of redis, rediss, valkey, unix.
        """
        scheme = urlsplit(self.url).scheme
        if scheme not in SCHEMES:
            raise UnusableServerError(
                f"{scheme or self.url!r} is no log: use redis://, rediss:// or unix://"
            )
        return self.url.replace("valkey://", "redis://", 1)


def _explained(error: RedisError, where: str) -> Exception:
    if isinstance(error, AuthenticationError | AuthorizationError | NoPermissionError):
        return UnusableServerError(
            f"{where} refuses us: {error}; check user, password and ACL rights in the URL"
        )
    if isinstance(error, BusyLoadingError | ReadOnlyError | ClusterDownError):
        return UnreachableError(f"{where} is not ready: {error}")
    if isinstance(error, RedisConnectionError | RedisTimeoutError):
        return UnreachableError(f"{where} does not answer: {error}")
    if isinstance(error, OutOfMemoryError):
        return UnreachableError(f"{where} is out of memory: give it more, or trim topics")
    text = str(error)
    if "smaller than the target stream top item" in text or "equal or smaller" in text:
        return UnusableServerError(
            f"{where}: somebody wrote to a log stream with a bare XADD *; foreign programs write to "
            "the ingress key <namespace>:in:<topic>. Trim or remove that stream"
        )
    if "Invalid stream ID" in text or "unknown command" in text.lower():
        return UnusableServerError(
            f"{where} is too old for the log ({text}): Redis 7.0 or newer, or Valkey, is needed"
        )
    if text.startswith(("MISCONF", "LOADING", "TRYAGAIN", "MASTERDOWN")):
        return UnreachableError(f"{where} is not ready: {text}")
    return error


class RedisConnection:
    """Clients of one server, their scripts loaded by digest."""

    def __init__(self, settings: RedisSettings) -> None:
        self.settings = settings
        self.keys = Keys(settings.namespace)
        self.client: Any = redis.asyncio.Redis.from_url(
            settings.client_url,
            socket_connect_timeout=CONNECT_TIMEOUT_S,
            socket_timeout=COMMAND_TIMEOUT_S,
            retry=None,
        )
        # a blocking read is silent on purpose; redis-py's default time-out would end it
        self.blocking: Any = redis.asyncio.Redis.from_url(
            settings.client_url,
            socket_connect_timeout=CONNECT_TIMEOUT_S,
            socket_timeout=None,
            retry=None,
        )
        self._scripts = {
            path.stem: self.client.register_script(path.read_text())
            for path in sorted(LUA.glob("*.lua"))
        }

    @asynccontextmanager
    async def explained(self) -> AsyncIterator[None]:
        """Turn the client's errors into the log's.

        Raises:
            UnreachableError: the server does not answer or is not ready.
            UnusableServerError: it answers but cannot serve us.
        """
        try:
            yield
        except RedisError as error:
            explained = _explained(error, self.settings.safe_url)
            if explained is error:
                raise
            raise explained from error
        except OSError as error:
            raise UnreachableError(
                f"{self.settings.safe_url} does not answer: {error.strerror or error}"
            ) from error

    async def run(self, script: str, keys: Sequence[str], arguments: Sequence[Any]) -> Any:
        """Run a server-side function; it is sent again where the server has forgotten it."""
        async with self.explained():
            return await self._scripts[script](keys=list(keys), args=list(arguments))

    async def close(self) -> None:
        """Close every connection."""
        await asyncio.gather(self.client.aclose(), self.blocking.aclose())


def is_response_error(error: BaseException) -> bool:
    """Say whether the server answered with an error of the command itself."""
    return isinstance(error, ResponseError)
