"""A process that has loaded everything and forks the others, so that they start at once.

To load what a worker needs takes over a second of a processor, most of what it takes to replace
one that was killed. This process loads it once; it runs no thread and no event loop, which do not
survive a fork (fork(2)), and does nothing but what its one client asks.

Over a ``SOCK_SEQPACKET`` socket, in JSON, ``{"arguments": [...], "environment": {...}}`` together
with a descriptor has it fork a process that runs ``rhapsode`` with these arguments, in this
environment and with that descriptor as its output. The answer, in the order of the requests, is
``{"forked": PID}`` or ``{"error": REASON}``. Of each process that ends it tells
``{"ended": PID, "status": STATUS}``, the status as in ``subprocess.Popen.returncode``. It ends, and
its processes with it, when its client closes the socket.
"""

import contextlib
import gc
import json
import os
import select
import signal
import socket
import sys
from types import FrameType
from typing import Any

import setproctitle

from .cli.app import main
from .run.forking import die_with_parent

MAX_REQUEST_BYTES = 1_000_000


class Server:
    """Serves one client until that closes the socket."""

    def __init__(self, client: socket.socket) -> None:
        self._client = client
        self._ended_here, self._ends = os.pipe()

    def serve(self) -> list[str] | None:
        """Fork as asked; return the arguments in a process that was forked, None at the end."""
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the others, and they end us
        signal.signal(signal.SIGCHLD, _wake)
        for end in (self._ended_here, self._ends):
            os.set_blocking(end, False)
        signal.set_wakeup_fd(self._ends, warn_on_full_buffer=False)
        while True:
            ready, _, _ = select.select([self._client, self._ended_here], [], [])
            if self._ended_here in ready:
                os.read(self._ended_here, 4096)
                self._tell_who_ended()
            if self._client in ready:
                message, descriptors, _, _ = socket.recv_fds(self._client, MAX_REQUEST_BYTES, 1)
                if not message:
                    return None
                asked = json.loads(message)
                if self._fork(asked, descriptors[0]):
                    return asked["arguments"]

    def _fork(self, asked: dict[str, Any], output: int) -> bool:
        """Return whether this is the process that was forked."""
        server = os.getpid()
        try:
            forked = os.fork()
        except OSError as error:  # no memory, or no process left
            self._tell({"error": error.strerror})
            os.close(output)
            return False
        if forked:
            os.close(output)
            self._tell({"forked": forked})
            return False
        self._become(asked, output, server)
        return True

    def _become(self, asked: dict[str, Any], output: int, server: int) -> None:
        """Leave behind what is the server's."""
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        die_with_parent()
        if os.getppid() != server:  # it died before this could be told of it
            os._exit(0)
        self._client.close()
        os.close(self._ended_here)
        os.close(self._ends)
        os.dup2(output, 1)
        os.dup2(output, 2)
        os.close(output)
        os.environ.clear()
        os.environ.update(asked["environment"])
        setproctitle.setproctitle(
            " ".join((sys.executable, "-m", __package__ or "", *asked["arguments"]))
        )

    def _tell_who_ended(self) -> None:
        with contextlib.suppress(ChildProcessError):
            while True:
                pid, status = os.waitpid(-1, os.WNOHANG)
                if not pid:
                    return
                self._tell({"ended": pid, "status": os.waitstatus_to_exitcode(status)})

    def _tell(self, message: dict[str, Any]) -> None:
        with contextlib.suppress(ConnectionError):  # who has gone need not be told
            self._client.send(json.dumps(message).encode())


def _wake(_number: int, _frame: FrameType | None) -> None:
    """Do nothing: a signal that is handled is told of through the wakeup descriptor."""


def _run() -> None:
    setproctitle.getproctitle()  # it has to find its place before anything is moved there
    gc.collect()
    gc.freeze()  # or each collection of a forked process would copy what is shared
    arguments = Server(socket.socket(fileno=int(sys.argv[1]))).serve()
    if arguments is not None:
        sys.argv[1:] = arguments
        main()


if __name__ == "__main__":
    _run()
