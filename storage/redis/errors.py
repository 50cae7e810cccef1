"""What errors of Redis mean to the log: try again, or tell the user what to do."""

from redis.exceptions import (
    AuthenticationError,
    AuthorizationError,
    BusyLoadingError,
    ClusterDownError,
    ClusterError,
    MovedError,
    NoPermissionError,
    NoScriptError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    ResponseError,
    TryAgainError,
)
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from ..errors import UnreachableError, UnusableServerError

_NOT_YET = (BusyLoadingError, ReadOnlyError, ClusterDownError, TryAgainError, NoScriptError)
_NOT_YET_WORDS = ("BUSY", "LOADING", "MASTERDOWN", "MISCONF", "NOREPLICAS", "READONLY", "TRYAGAIN")
_SILENT = (RedisConnectionError, RedisTimeoutError)
_REFUSED = (AuthenticationError, AuthorizationError, NoPermissionError)
_REFUSED_WORDS = ("NOPERM", "NOAUTH", "WRONGPASS", "can't run this command", "can't access")
_TOO_OLD_WORDS = ("invalid stream id", "unknown command", "unknown redis command")


def foreign_entry(where: str, key: str) -> UnusableServerError:
    """Return what is to be said when somebody wrote ids of their own to a log's stream."""
    return UnusableServerError(
        f"{where}: the stream {key} holds an entry that is none of ours, such as a bare XADD * "
        "gives. Foreign programs write to the ingress key <namespace>:in:<topic>. Rename that "
        "stream away (RENAMENX) and replay what you need from it"
    )


def failed_probe(word: bytes, why: bytes, where: str) -> UnusableServerError:
    """Return what is to be said about the answer of ``probe.lua``."""
    said = why.decode(errors="replace")
    if word == b"EVICTS":
        return UnusableServerError(
            f"{where} throws keys away when memory is short (maxmemory-policy {said}): set it to "
            "noeviction"
        )
    return UnusableServerError(
        f"{where} cannot hold the log ({said}): Redis 7.0 or newer, or Valkey, is needed"
    )


def explained(error: RedisError | OSError, where: str) -> Exception:
    """Return the log's error for the client's; ``where`` is a URL without its password."""
    if isinstance(error, UnreachableError):
        return error
    if type(error) is RedisConnectionError and isinstance(error.__cause__, RedisError):
        error = error.__cause__  # what the server said to our greeting; the client wraps it
    text = str(error)
    if isinstance(error, _REFUSED) or any(word in text for word in _REFUSED_WORDS):
        return UnusableServerError(
            f"{where} refuses us ({text}): check user, password and ACL rights in the URL"
        )
    if isinstance(error, _NOT_YET) or text.startswith(_NOT_YET_WORDS):
        return UnreachableError(f"{where} is not ready: {text}")
    if isinstance(error, _SILENT):
        return UnreachableError(f"{where} does not answer: {text}")
    if isinstance(error, OSError):
        return UnreachableError(f"{where} does not answer: {error.strerror or error}")
    return UnusableServerError(_unusable(error, text, where))


def _unusable(error: RedisError, text: str, where: str) -> str:
    if isinstance(error, OutOfMemoryError) or text.startswith("OOM"):
        return f"{where} is out of memory: raise its maxmemory, or trim topics"
    if any(word in text.lower() for word in _TOO_OLD_WORDS):
        return (
            f"{where} cannot hold the log ({text}): Redis 7.0 or newer, or Valkey, is needed, "
            "with XADD, XTRIM, EVALSHA and SCRIPT LOAD allowed"
        )
    if isinstance(error, MovedError | ClusterError):
        return f"{where} is a node of a Cluster ({text}): give the URL of a server that is none"
    if isinstance(error, ResponseError):
        return f"{where} refused a command: {text}"
    return f"{where} was not understood: {text}"
