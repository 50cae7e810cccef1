"""Which server the log is on, and which part of it is ours."""

from dataclasses import dataclass, field
from urllib.parse import urlsplit

from ..errors import UnusableServerError
from ..names import check_namespace

CONNECT_TIMEOUT_S = 3.0
COMMAND_TIMEOUT_S = 10.0
SCHEMES = ("redis", "rediss", "valkey", "valkeys", "unix")


@dataclass(frozen=True, slots=True)
class RedisSettings:
    """A server and a namespace on it.

    Raises:
        UnusableServerError: the URL is invalid, or its scheme is not redis, rediss, valkey,
            valkeys or unix.
        ValueError: the namespace is invalid.
    """

    url: str = field(repr=False)
    """Such as ``redis://user:password@host:6379/0``, ``rediss://…`` or ``unix:///path``."""
    namespace: str = "rhapsode"
    connect_timeout_s: float = CONNECT_TIMEOUT_S
    command_timeout_s: float = COMMAND_TIMEOUT_S
    """Also what a blocking read may take beyond the time it was asked to wait."""

    def __post_init__(self) -> None:
        check_namespace(self.namespace)
        # neither message may repeat the URL: what cannot be parsed may be a password
        try:
            parts = urlsplit(self.url)
            scheme, _ = parts.scheme, parts.port
        except ValueError:
            raise UnusableServerError(
                "the log's URL cannot be parsed: it looks like redis://user:password@host:6379/0"
            ) from None
        if scheme not in SCHEMES:
            raise UnusableServerError(
                "the log's URL has an unknown scheme: use redis://, rediss:// or unix://"
            )

    @property
    def safe_url(self) -> str:
        """The URL without user, password and options, fit for a message."""
        parts = urlsplit(self.url)
        port = f":{parts.port}" if parts.port else ""
        return f"{parts.scheme}://{parts.hostname or ''}{port}{parts.path}"

    @property
    def client_url(self) -> str:
        """The URL with a scheme that redis-py knows."""
        scheme, separator, rest = self.url.partition("://")
        return scheme.replace("valkey", "redis") + separator + rest
