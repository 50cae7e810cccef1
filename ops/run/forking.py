"""The client of the fork server: processes that run ``rhapsode``, started at once."""

import asyncio
import ctypes
import json
import os
import signal
import socket
import sys
from collections import deque
from collections.abc import Mapping
from typing import Any, Self

PROGRAM = "rhapsode.ops.fork_server"
MAX_MESSAGE_BYTES = 1_000_000
PR_SET_PDEATHSIG = 1
"""prctl(2)."""

# resolved before any fork: a child may not take the loader's lock
_prctl: Any = ctypes.CDLL(None).prctl


def die_with_parent() -> None:
    """Have the kernel send SIGTERM to this process when its parent is gone, however that went."""
    _prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


class Forked:
    """A process that the fork server has forked."""

    def __init__(self, pid: int, server: "ForkServer") -> None:
        self.pid = pid
        self.returncode: int | None = None
        """As that of ``subprocess.Popen``; None while it runs."""
        self._server = server
        self._ended = asyncio.Event()

    async def wait(self) -> int:
        """Wait for its end; return its status."""
        await self._ended.wait()
        assert self.returncode is not None
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Send it a signal, unless it has ended."""
        self._server.signal(self.pid, number)

    def has_ended(self, status: int) -> None:
        """Take note of its end."""
        self.returncode = status
        self._ended.set()


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

    async def __aenter__(self) -> Self:
        await self._connected()
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._socket is not None:
            self._lost()
        if self._process is not None:
            await self._process.wait()

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
        return await answer

    def signal(self, pid: int, number: int) -> None:
        """Send a signal to a process that was forked, if it still runs."""
        if pid not in self._running:
            return
        try:
            if self._socket is None:
                os.kill(pid, number)
            else:
                # by the server, which knows that the number is not another's by now
                self._socket.send(json.dumps({"pid": pid, "signal": number}).encode())
        except OSError:
            return  # the server has just ended, and its processes with it

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
        return ours

    def _read(self) -> None:
        assert self._socket is not None
        try:
            message = self._socket.recv(MAX_MESSAGE_BYTES)
        except BlockingIOError:
            return
        except OSError:
            message = b""
        if not message:
            self._lost()
            return
        told = json.loads(message)
        if "ended" in told:
            self._running.pop(told["ended"]).has_ended(told["status"])
            return
        answer = self._asked.popleft()
        if "error" in told:
            _fail(answer, told["error"])
            return
        forked = self._running[told["forked"]] = Forked(told["forked"], self)
        if answer.done():
            forked.send_signal(signal.SIGTERM)  # who asked no longer waits
        else:
            answer.set_result(forked)

    def _lost(self) -> None:
        """Let go of a server that is gone; its processes are being ended, and are watched."""
        assert self._socket is not None
        asyncio.get_running_loop().remove_reader(self._socket)
        self._socket.close()
        self._socket = None
        while self._asked:
            _fail(self._asked.popleft(), "the fork server has ended")
        for pid in tuple(self._running):
            self._watch(pid)

    def _watch(self, pid: int) -> None:
        """Wait for the end of a process that is no longer anybody's whom we know."""
        loop = asyncio.get_running_loop()

        def ended() -> None:
            self._running.pop(pid).has_ended(-signal.SIGTERM)

        try:
            descriptor = os.pidfd_open(pid)
        except OSError:  # it is gone
            ended()
            return

        def over() -> None:
            loop.remove_reader(descriptor)
            os.close(descriptor)
            ended()

        loop.add_reader(descriptor, over)


def _fail(answer: asyncio.Future[Forked], reason: str) -> None:
    if not answer.done():
        answer.set_exception(OSError(reason))
