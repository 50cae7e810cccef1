"""A child process that does not outlive us."""

import ctypes
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

STOP_S = 1.0
"""How long the child may take to end before it is killed; what it has answered is in its file."""
PR_SET_PDEATHSIG = 1
"""prctl(2)."""

# resolved before any fork: a child may not take the loader's lock
_prctl: Any = ctypes.CDLL(None).prctl if sys.platform == "linux" else None


class Child:
    """A process that gets SIGTERM when its starter ends, however that ends (on Linux).

    Elsewhere it outlives a starter that was killed by SIGKILL.
    """

    def __init__(self, command: list[str], output: Path, descriptor: int) -> None:
        """Start the process; it appends to ``output`` and inherits ``descriptor``.

        Raises:
            OSError: the command cannot be run.
        """
        self._command = command
        self._output = output
        self._descriptor = descriptor
        self._ended = threading.Event()
        self._process = self._spawned()

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    @property
    def runs(self) -> bool:
        """Whether the process still runs."""
        return self._process.poll() is None

    def stop(self) -> None:
        """Ask the process to end and wait for it; kill it where it does not end in time."""
        if self.runs:
            self._process.terminate()
            try:
                self._process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._ended.set()

    def _spawned(self) -> subprocess.Popen[bytes]:
        # the kernel sends the signal when the *thread* that forked ends: one lives with the child
        started = threading.Event()
        outcome: list[subprocess.Popen[bytes] | OSError] = []

        def keep() -> None:
            try:
                outcome.append(self._forked())
            except OSError as error:
                outcome.append(error)
            started.set()
            if not isinstance(outcome[0], OSError):
                self._ended.wait()

        threading.Thread(target=keep, name="child-parent", daemon=True).start()
        started.wait()
        (result,) = outcome
        if isinstance(result, OSError):
            raise result
        return result

    def _forked(self) -> subprocess.Popen[bytes]:
        parent = os.getpid()

        def die_with_parent() -> None:
            if _prctl is not None:
                _prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
                if os.getppid() != parent:  # it ended before we asked
                    os._exit(1)

        with self._output.open("ab") as output:
            return subprocess.Popen(  # noqa: S603 - our own binary and configuration
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                # Ctrl-C is ours to handle: the server must outlive those who still write
                start_new_session=True,
                pass_fds=(self._descriptor,),
                preexec_fn=die_with_parent,  # noqa: PLW1509 - only system calls, no locks taken
            )
