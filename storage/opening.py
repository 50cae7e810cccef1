"""From a URL to a log, its consumer groups, admission, API keys and the index of sessions."""

from .access_keys import AccessKeys
from .admissions import Admissions
from .cursors import Cursors
from .log import Groups, Log
from .memory.access_keys import MemoryAccessKeys
from .memory.admissions import MemoryAdmissions
from .memory.cursors import MemoryCursors
from .memory.groups import MemoryGroups
from .memory.log import MemoryLog
from .memory.session_index import MemorySessionIndex
from .redis.access_keys import RedisAccessKeys
from .redis.admissions import RedisAdmissions
from .redis.connection import RedisConnection, RedisSettings
from .redis.cursors import RedisCursors
from .redis.groups import RedisGroups
from .redis.log import RedisLog
from .redis.session_index import RedisSessionIndex
from .session_index import SessionIndex


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


def open_admissions(url: str, namespace: str) -> Admissions:
    """Return the admission of a namespace; raises as `open_log`."""
    if url.startswith("memory://"):
        return MemoryAdmissions()
    return RedisAdmissions(RedisConnection(RedisSettings(url, namespace)))


def open_access_keys(url: str, namespace: str) -> AccessKeys:
    """Return the API keys of a namespace; raises as `open_log`."""
    if url.startswith("memory://"):
        return MemoryAccessKeys()
    return RedisAccessKeys(RedisConnection(RedisSettings(url, namespace)))


def open_cursors(url: str, namespace: str) -> Cursors:
    """Return the cursors of a namespace; raises as `open_log`."""
    if url.startswith("memory://"):
        return MemoryCursors()
    return RedisCursors(RedisConnection(RedisSettings(url, namespace)))


def open_session_index(url: str, namespace: str) -> SessionIndex:
    """Return the index of a namespace's sessions; raises as `open_log`."""
    if url.startswith("memory://"):
        return MemorySessionIndex()
    return RedisSessionIndex(RedisConnection(RedisSettings(url, namespace)))
