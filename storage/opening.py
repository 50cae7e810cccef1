"""From a URL to a log and its consumer groups."""

from .log import Groups, Log
from .memory.groups import MemoryGroups
from .memory.log import MemoryLog
from .redis.connection import RedisConnection, RedisSettings
from .redis.groups import RedisGroups
from .redis.log import RedisLog


def open_log(url: str, namespace: str) -> tuple[Log, Groups]:
    """Return a log and its groups; connections are made at first use.

    ``memory://`` gives a log that ends with the process; for other schemes see `RedisSettings`.

    Raises:
        UnusableServerError: the URL is invalid or has an unknown scheme.
        ValueError: the namespace is invalid.
    """
    if url.startswith("memory://"):
        log = MemoryLog()
        return log, MemoryGroups(log)
    connection = RedisConnection(RedisSettings(url, namespace))
    return RedisLog(connection), RedisGroups(connection)
