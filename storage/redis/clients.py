"""Clients of the server that the settings name, of the master that Sentinels name, or of a node."""

from collections.abc import Awaitable, Callable
from typing import Any

import redis
import redis.asyncio
import redis.asyncio.sentinel
import redis.sentinel
from redis.asyncio.connection import parse_url
from redis.exceptions import RedisError

from ..errors import UnusableServerError
from .cluster_map import Address
from .settings import RedisSettings

MOST_CONNECTIONS = 10_000
"""Of one client; how many there are is bounded by what is under way."""
_SENTINEL_OPTIONS = ("sentinel_username", "sentinel_password")


def loop_client(
    settings: RedisSettings,
    greet: Callable[[Any], Awaitable[None]],
    address: Address | None = None,
) -> Any:
    """Return a client for an event loop, of a Cluster's node where it has an address.

    Each connection is greeted as it is made. Nothing has a time limit but connecting.
    """
    return _client(
        settings,
        address,
        redis.asyncio.Redis,
        redis.asyncio.sentinel.Sentinel,
        socket_connect_timeout=settings.connect_timeout_s,
        # ours, for the client's own is an `asyncio.wait_for`, which before Python 3.12 loses a
        # cancellation that comes while its result is ready
        socket_timeout=None,
        redis_connect_func=greet,
        max_connections=MOST_CONNECTIONS,
    )


async def close(client: Any) -> None:
    """Close a client for an event loop, with those of its Sentinels."""
    await client.aclose()
    manager = getattr(client.connection_pool, "sentinel_manager", None)
    for sentinel in manager.sentinels if manager is not None else ():
        await sentinel.aclose()


def thread_client(
    settings: RedisSettings,
    address: Address | None = None,
    *,
    connect_timeout_s: float,
    timeout_s: float,
    greet: Callable[[Any], None] | None = None,
) -> Any:
    """Return a client for a thread that waits for each reply, at most so long."""
    return _client(
        settings,
        address,
        redis.Redis,
        redis.sentinel.Sentinel,
        socket_connect_timeout=connect_timeout_s,
        socket_timeout=timeout_s,
        redis_connect_func=greet,
    )


def _client(
    settings: RedisSettings, address: Address | None, plain: Any, managing: Any, **options: Any
) -> Any:
    """Return a client whose replies are raw (RESP2) and that repeats no command."""
    options |= {"retry": None, "protocol": 2}
    _check(settings)
    if settings.sentinels:
        asked, credentials = _asked(settings)
        limits = {
            "socket_connect_timeout": settings.connect_timeout_s,
            "socket_timeout": settings.connect_timeout_s,
            "retry": None,
        }
        certificates = {name: value for name, value in asked.items() if name.startswith("ssl")}
        managed = managing(
            settings.sentinels,
            sentinel_kwargs={**credentials, **limits, **certificates},
            **asked,
            **options,
        )
        client = managed.master_for(settings.service)
    elif address is not None:
        host, port = address
        client = plain(host=host, port=port, **_asked(settings)[0], **options)
    else:
        client = plain.from_url(settings.client_url, **options)
    client.response_callbacks.clear()
    return client


def _check(settings: RedisSettings) -> None:
    """Raise `UnusableServerError` where the URL asks for what a connection does not know."""
    try:
        asked: dict[str, Any] = dict(parse_url(settings.client_url))
        for name in _SENTINEL_OPTIONS:
            asked.pop(name, None)
        asked.pop("connection_class", redis.asyncio.Connection)(**asked)
    except (TypeError, ValueError, RedisError) as error:
        # the client's own words name the option, and never its value
        raise UnusableServerError(
            f"the URL {settings.safe_url} has an option that is unknown, or a value that it cannot "
            f"have ({error}): see 'rhapsode settings'"
        ) from None


def _asked(settings: RedisSettings) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what the URL asks of connections to servers, and how to sign in at Sentinels."""
    asked: dict[str, Any] = dict(parse_url(settings.client_url))
    has_tls = asked.pop("connection_class", None) is not None
    for name in ("host", "port"):
        asked.pop(name, None)
    credentials = {
        name.removeprefix("sentinel_"): asked.pop(name)
        for name in _SENTINEL_OPTIONS
        if name in asked
    }
    return {**asked, **({"ssl": True} if has_tls else {})}, credentials
