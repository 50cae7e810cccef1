"""The client of the fork server: processes that run ``rhapsode``, started at once."""

import asyncio
import contextlib
import ctypes
import json
import os
import signal
import socket
import sys
from collections import deque
from collections.abc import Mapping
from typing import Any, Self

import psutil
import structlog

PROGRAM = "rhapsode.ops.fork_server"
MAX_MESSAGE_BYTES = 1_000_000
FORKS_WITHIN_S = 15.0
"""After its start, which loads; a server that takes longer, and no processor, is frozen, and is
replaced."""
STARVED_S = 0.1
"""Of a processor's time in ``FORKS_WITHIN_S``: what takes more is not frozen, only slow."""
LOADED_S = 30.0
"""Of a processor's time from the start on: nothing here takes so long but a bug."""
TOLD_WITHIN_S = 1.0
ENDS_WITHIN_S = 5.0
PR_SET_PDEATHSIG = 1
"""prctl(2)."""
log = structlog.get_logger()

# resolved before any fork: a child may not take the loader's lock
_prctl: Any = ctypes.CDLL(None).prctl


def die_with_parent() -> None:
    """Have the kernel send SIGTERM to this process when its parent is gone, however that went."""
    _prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


class Forked:
    """A process that the fork server has forked.

    Its end is seen, and signals reach it, by a descriptor of it (pidfd_open(2)) rather than by the
    server, which may be frozen, or gone.
    """

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.returncode: int | None = None
        """As that of ``subprocess.Popen``; None while it runs."""
        self._over = asyncio.Event()
        self._told_within_s = TOLD_WITHIN_S
        self._loop = asyncio.get_running_loop()
        try:
            self._descriptor = os.pidfd_open(pid)
        except ProcessLookupError:  # it has ended already, as it will be told
            self._descriptor = -1
        else:
            self._loop.add_reader(self._descriptor, self._ended)

    async def wait(self) -> int:
        """Wait for its end; return its status."""
        await self._over.wait()
        assert self.returncode is not None
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Send it a signal, unless it has ended."""
        if self._descriptor >= 0:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._descriptor, number)

    def end_with(self, status: int) -> None:
        """Take note of its end."""
        self._close()
        if self.returncode is None:
            self.returncode = status
            self._over.set()

    def is_orphaned(self) -> None:
        """End it, in bounds: the server that it was forked by is gone, and tells nothing of it."""
        self._told_within_s = 0.0
        self.send_signal(signal.SIGTERM)
        self._loop.call_later(ENDS_WITHIN_S, self.send_signal, signal.SIGKILL)

    def _ended(self) -> None:
        self._close()
        # the server tells how, unless it cannot
        self._loop.call_later(self._told_within_s, self.end_with, -signal.SIGTERM)

    def _close(self) -> None:
        if self._descriptor >= 0:
            self._loop.remove_reader(self._descriptor)
            os.close(self._descriptor)
            self._descriptor = -1


class ForkServer:
    """Starts processes by a fork server, which is started again where it is gone.

    A context: to enter it starts the server, which then loads beside the caller; to leave it ends
    the server, and what it forked.
    """

    def __init__(self) -> None:
        self._process: asyncio.subprocess.Process | None = None
        self._socket: socket.socket | None = None
        self._asked: deque[asyncio.Future[Forked]] = deque()
        self._running: dict[int, Forked] = {}
        self._starting = asyncio.Lock()
        self._watching: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        await self._connected()
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._socket is not None:
            self._lost()
        if self._process is None:
            return
        try:
            async with asyncio.timeout(TOLD_WITHIN_S):  # it has nothing to finish
                await self._process.wait()
        except TimeoutError:
            self._process.kill()
            await self._process.wait()
        if self._watching is not None:
            await self._watching

    async def fork(
        self, arguments: tuple[str, ...], environment: Mapping[str, str], output: int
    ) -> Forked:
        """Start a process.

        Args:
            arguments: of ``rhapsode``.
            environment: all of it.
            output: the descriptor of its standard output and error; still the caller's to close.

        Raises:
            OSError: the system has no process or memory for it, or the fork server has just ended.
        """
        connection = await self._connected()
        request = json.dumps({"arguments": arguments, "environment": dict(environment)})
        socket.send_fds(connection, [request.encode()], [output])
        answer: asyncio.Future[Forked] = asyncio.get_running_loop().create_future()
        self._asked.append(answer)
        try:
            return await self._answered(answer, connection)
        finally:
            answer.cancel()

    async def _answered(self, answer: asyncio.Future[Forked], connection: socket.socket) -> Forked:
        used_s = self._used_s()
        while True:
            try:
                async with asyncio.timeout(FORKS_WITHIN_S):
                    return await asyncio.shield(answer)
            except TimeoutError:
                before_s, used_s = used_s, self._used_s()
                if before_s + STARVED_S < used_s < LOADED_S:
                    log.info("the machine is busy: waiting for the fork server", took_s=used_s)
                    continue
                if self._process is not None and self._socket is connection:
                    log.warning("the fork server does not answer, ending it", pid=self._process.pid)
                    self._process.kill()
                raise OSError("the fork server does not answer") from None

    def _used_s(self) -> float:
        """Return how much of a processor's time the server has taken."""
        try:
            taken = psutil.Process(self._process.pid if self._process else -1).cpu_times()
        except (psutil.Error, ValueError):
            return 0.0
        return taken.user + taken.system

    async def _connected(self) -> socket.socket:
        async with self._starting:
            return self._socket or await self._start()

    async def _start(self) -> socket.socket:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.setblocking(False)
        with theirs:
            try:
                self._process = await asyncio.create_subprocess_exec(
                    sys.executable,
                    "-m",
                    PROGRAM,
                    str(theirs.fileno()),
                    # a process that has but one thread can be forked; numpy starts a pool otherwise
                    env=os.environ | {"OPENBLAS_NUM_THREADS": "1"},
                    stdin=asyncio.subprocess.DEVNULL,
                    pass_fds=[theirs.fileno()],
                    preexec_fn=die_with_parent,
                )
            except BaseException:
                ours.close()
                raise
        self._socket = ours
        asyncio.get_running_loop().add_reader(ours, self._read)
        self._watching = asyncio.create_task(self._watch(self._process, ours))
        return ours

    async def _watch(self, process: asyncio.subprocess.Process, connection: socket.socket) -> None:
        """Let go of a server that is gone, though a process that has just been forked holds on.

        It has the server's end of the socket until it has become what was asked for, and it may be
        frozen until then.
        """
        await process.wait()
        while self._socket is connection:
            if not self._read():
                self._lost()

    def _read(self) -> bool:
        """Take note of what the server tells; return whether it told something."""
        assert self._socket is not None
        try:
            message = self._socket.recv(MAX_MESSAGE_BYTES)
        except BlockingIOError:
            return False
        except OSError:
            message = b""
        if message:
            self._note(json.loads(message))
        else:
            self._lost()
        return True

    def _note(self, told: dict[str, Any]) -> None:
        if "ended" in told:
            self._running.pop(told["ended"]).end_with(told["status"])
            return
        answer = self._asked.popleft()
        if "error" in told:
            _fail(answer, told["error"])
            return
        forked = self._running[told["forked"]] = Forked(told["forked"])
        if answer.done():
            forked.send_signal(signal.SIGTERM)  # who asked no longer waits
        else:
            answer.set_result(forked)

    def _lost(self) -> None:
        """Let go of a server that is gone; its processes end with it, in bounds."""
        assert self._socket is not None
        asyncio.get_running_loop().remove_reader(self._socket)
        self._socket.close()
        self._socket = None
        while self._asked:
            _fail(self._asked.popleft(), "the fork server has ended")
        for forked in self._running.values():
            forked.is_orphaned()
        self._running.clear()


def _fail(answer: asyncio.Future[Forked], reason: str) -> None:
    if not answer.done():
        answer.set_exception(OSError(reason))
