"""Which server the log is on, and which part of it is ours."""

from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from ..errors import UnusableServerError
from ..names import check_namespace

CONNECT_TIMEOUT_S = 3.0
COMMAND_TIMEOUT_S = 10.0
SCHEMES = ("redis", "rediss", "valkey", "valkeys", "unix")
MANAGED = "+sentinel"
"""Behind a scheme: Sentinels name the server."""
PARTED = "+cluster"
"""Behind a scheme: each partition is on one of a Cluster's servers."""
SENTINEL_PORT = 26379
PORT = 6379


@dataclass(frozen=True, slots=True)
class RedisSettings:
    """A server and a namespace on it.

    Raises:
        UnusableServerError: the URL is invalid, or its scheme is not redis, rediss, valkey,
            valkeys or unix, or one of the first four with ``+sentinel`` or ``+cluster``.
        ValueError: the namespace is invalid.
    """

    url: str = field(repr=False)
    """Such as ``redis://user:password@host:6379/0``, ``rediss://…`` or ``unix:///path``; with
    Sentinels ``redis+sentinel://user:password@host:26379,host:26379/service/0``, where user and
    password are the server's; theirs are ``?sentinel_username=…&sentinel_password=…``; with a
    Cluster ``redis+cluster://user:password@host:6379,host:6379``, some of its nodes."""
    namespace: str = "rhapsode"
    connect_timeout_s: float = CONNECT_TIMEOUT_S
    command_timeout_s: float = COMMAND_TIMEOUT_S
    """Also what a blocking read may take beyond the time it was asked to wait."""
    sentinels: tuple[tuple[str, int], ...] = field(init=False, default=())
    """Host and port of each; empty where the URL names the server itself."""
    nodes: tuple[tuple[str, int], ...] = field(init=False, default=())
    """Host and port of some nodes of a Cluster; empty where there is none."""
    service: str = field(init=False, default="")
    """What the Sentinels call the server."""

    def __post_init__(self) -> None:
        check_namespace(self.namespace)
        # neither message may repeat the URL: what cannot be parsed may be a password
        try:
            parts = urlsplit(self.url)
            scheme = parts.scheme
            if scheme.endswith(MANAGED):
                sentinels = _hosts(parts.netloc, SENTINEL_PORT)
                object.__setattr__(self, "sentinels", sentinels)
                object.__setattr__(self, "service", _service(parts.path))
            elif scheme.endswith(PARTED):
                object.__setattr__(self, "nodes", _hosts(parts.netloc, PORT))
            else:
                _ = parts.port
        except ValueError:
            raise UnusableServerError(
                "the log's URL cannot be parsed: it looks like redis://user:password@host:6379/0, "
                "or, with Sentinels, redis+sentinel://host:26379,host:26379/service, or, with a "
                "Cluster, redis+cluster://host:6379,host:6379"
            ) from None
        plain = scheme.removesuffix(MANAGED).removesuffix(PARTED)
        if plain not in SCHEMES or (plain == "unix" and scheme != plain):
            raise UnusableServerError(
                "the log's URL has an unknown scheme: use redis://, rediss:// or unix://, or "
                "redis+sentinel:// or redis+cluster://"
            )
        if self.nodes and parts.path.strip("/") not in {"", "0"}:
            raise UnusableServerError(
                f"{self.safe_url}: a Cluster has one database, leave the path of its URL empty"
            )

    @property
    def safe_url(self) -> str:
        """The URL without user, password and options, fit for a message."""
        parts = urlsplit(self.url)
        if self.sentinels or self.nodes:
            return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
        port = f":{parts.port}" if parts.port else ""
        return f"{parts.scheme}://{parts.hostname or ''}{port}{parts.path}"

    @property
    def client_url(self) -> str:
        """The URL with a scheme that redis-py knows; of no host in particular where it finds it."""
        scheme, separator, rest = self.url.partition("://")
        scheme = scheme.removesuffix(MANAGED).removesuffix(PARTED).replace("valkey", "redis")
        if not (self.sentinels or self.nodes):
            return scheme + separator + rest
        parts = urlsplit(self.url)
        user, at, _ = parts.netloc.rpartition("@")
        database = "/".join(parts.path.split("/")[2:]) if self.sentinels else ""
        return f"{scheme}://{user}{at}master/{database}?{parts.query}"


def _service(path: str) -> str:
    """Return what Sentinels call the server.

    Raises:
        ValueError: it is missing.
    """
    service = unquote(path.removeprefix("/").partition("/")[0])
    if not service:
        raise ValueError(path)
    return service


def _hosts(netloc: str, port: int) -> tuple[tuple[str, int], ...]:
    """Return host and port of each; the latter may be left out.

    Raises:
        ValueError: a port is no port, or a host is missing.
    """
    found: list[tuple[str, int]] = []
    for word in netloc.rpartition("@")[2].split(","):
        one = urlsplit(f"//{word}")
        if not one.hostname:
            raise ValueError(word)
        found.append((one.hostname, one.port or port))
    return tuple(found)
