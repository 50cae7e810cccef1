"""An append-only file whose end was cut off in the middle of a transaction.

Redis (8.2.3, and older) and Valkey before its pull request 4342 (2026) leave what is whole of that
transaction in the file, without its end. What is written from then on follows it, and the next
start takes it for one transaction with that: what was dropped is there again, in places that were
given to others meanwhile. A file that is written anew has none of it.
"""

import time
from pathlib import Path

from ..errors import LogError
from .blocking_connection import BlockingConnection
from .calls import info_field
from .settings import RedisSettings

CUT_OFF = b"Truncating the AOF"
"""What a server says as it drops the end of its file."""
REWRITES_S = 60.0
POLL_S = 0.05


class NotRewrittenError(Exception):
    """The file could not be written anew; the message says why."""


def was_cut_off(log: Path, before_bytes: int) -> bool:
    """Return whether a server says, behind so many bytes of its log, that its file was cut off."""
    with log.open("rb") as said:
        said.seek(before_bytes)
        return CUT_OFF in said.read()


def rewrite(url: str) -> None:
    """Have the server write its append-only file anew, and wait for that.

    Raises:
        NotRewrittenError: it did not, or not within a minute.
    """
    connection = BlockingConnection(RedisSettings(url), "", REWRITES_S)
    end_s = time.monotonic() + REWRITES_S
    try:
        connection.command("BGREWRITEAOF")
        while info_field(told := _persistence(connection), "aof_rewrite_in_progress") != "0":
            if time.monotonic() > end_s:
                raise NotRewrittenError(f"not within {REWRITES_S:.0f} s")
            time.sleep(POLL_S)  # the server tells nobody when it has done it
        if info_field(told, "aof_last_bgrewrite_status") != "ok":
            raise NotRewrittenError("the server's log says why")
    except (OSError, LogError) as error:
        raise NotRewrittenError(str(error)) from None
    finally:
        connection.close()


def _persistence(connection: BlockingConnection) -> bytes:
    told: bytes = connection.command("INFO", "persistence")
    return told
