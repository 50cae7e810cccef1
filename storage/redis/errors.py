"""What errors of Redis mean to the log: try again, or tell the user what to do."""

from redis.exceptions import (
    AskError,
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

from ..errors import FencedError, ForeignStreamError, UnreachableError, UnusableServerError

_NOT_READY = (BusyLoadingError, ReadOnlyError, ClusterDownError, TryAgainError, NoScriptError)
_NOT_READY_WORDS = (
    "BUSY",
    "LOADING",
    "MASTERDOWN",
    "MISCONF",
    "NOREPLICAS",
    "READONLY",
    "TRYAGAIN",
    "UNBLOCKED",
)
_NO_ANSWER = (RedisConnectionError, RedisTimeoutError)
_REFUSED = (AuthenticationError, AuthorizationError, NoPermissionError)
_REFUSED_WORDS = ("NOPERM", "NOAUTH", "WRONGPASS", "can't run this command", "can't access")
_TOO_OLD_WORDS = ("invalid stream id", "unknown command", "unknown redis command")


def fenced_error(owner: bytes) -> FencedError:
    """Return the error for a fence that a script refused; there may be no owner."""
    if owner:
        return FencedError(f"generation {int(owner)} owns the partition")
    return FencedError(
        "nobody has claimed the partition: its claims went with the log they were in"
    )


def foreign_entry_error(where: str, key: str) -> UnusableServerError:
    """Return the error for a log's stream that a foreign program wrote ids of its own to."""
    return ForeignStreamError(
        f"{where}: the stream {key} holds an entry that the log did not write, such as a bare "
        "XADD * makes, and stands still. `rhapsode mend` puts such entries aside. Foreign programs "
        "write to the ingress key <namespace>:in:<topic>"
    )


def probe_error(word: bytes, reason: bytes, where: str) -> UnusableServerError:
    """Return the error for a reply of ``probe.lua`` other than ``OK``."""
    text = reason.decode(errors="replace")
    if word == b"EVICTS":
        return UnusableServerError(
            f"{where} evicts keys when memory is short (maxmemory-policy {text}): set it to "
            "noeviction"
        )
    return UnusableServerError(
        f"{where} cannot hold the log ({text}): Redis 7.0 or newer, or Valkey, is needed"
    )


def translated(error: RedisError | OSError, where: str) -> Exception:
    """Return the log's error for the client's; ``where`` is a URL without its password."""
    if isinstance(error, UnreachableError):
        return error
    if type(error) is RedisConnectionError and isinstance(error.__cause__, RedisError):
        error = error.__cause__  # what the server replied to the client's greeting
    text = str(error)
    if isinstance(error, _REFUSED) or any(word in text for word in _REFUSED_WORDS):
        return UnusableServerError(
            f"{where} denies access ({text}): check user, password and ACL rights in the URL"
        )
    if (passes := _passing(error, text)) is not None:
        return UnreachableError(f"{where} {passes}")
    if "WRONGTYPE" in text:
        return ForeignStreamError(
            f"{where}: a key of the log holds something else ({text}). Put back what was there"
        )
    return UnusableServerError(_unusable(error, text, where))


def _passing(error: Exception, text: str) -> str | None:
    if isinstance(error, OutOfMemoryError) or text.startswith("OOM"):
        # what is trimmed makes room, and so does who raises the limit
        keep_less = "keep less (RHAPSODE_KEEP_LOG_MB, RHAPSODE_KEEP_LOG_HOURS)"
        return f"is out of memory: raise its maxmemory, or {keep_less}"
    if type(error) is AskError:
        return f"is not ready: slot {error.slot_id} moves to another server"
    if isinstance(error, _NOT_READY) or text.startswith(_NOT_READY_WORDS):
        return f"is not ready: {text}"
    if isinstance(error, _NO_ANSWER):
        return f"does not answer: {text}"
    if isinstance(error, OSError):
        return f"does not answer: {error.strerror or error}"
    return None


def _unusable(error: Exception, text: str, where: str) -> str:
    if any(word in text.lower() for word in _TOO_OLD_WORDS):
        return (
            f"{where} cannot hold the log ({text}): Redis 7.0 or newer, or Valkey, is needed, "
            "with XADD, XTRIM, EVALSHA and SCRIPT LOAD allowed"
        )
    if "cluster support disabled" in text:
        return f"{where} is no node of a Cluster: name it by redis://host:port"
    if isinstance(error, MovedError | ClusterError):
        return f"{where} is a node of a Cluster ({text}): name it by redis+cluster://host:port"
    if isinstance(error, ResponseError):
        return f"{where} refused a command: {text}"
    return f"{where} sent a reply that cannot be understood: {text}"
