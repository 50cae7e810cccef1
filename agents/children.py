"""Child processes that answer one request at a time, within limits: for native code that can die.

Requests and answers are bytes behind their length, over a socket that only the two have. A child
ends when its parent does, since the socket ends then.
"""

import asyncio
import ctypes
import os
import resource
import signal
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from time import monotonic, sleep
from typing import Self

import psutil

WATCH_S = 0.05
"""How often a child that works is looked at."""
MAX_MESSAGE_BYTES = 64_000_000
END_S = 2.0
PARENT_WATCH_S = 0.5
PR_SET_PDEATHSIG = 1
_LENGTH = struct.Struct(">I")
_FROM_OUTSIDE = frozenset((signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP))


class ChildDiedError(Exception):
    """A child died over a request, or was killed because it went beyond a limit."""

    def __init__(self, reason: str, *, from_outside: bool = False) -> None:
        super().__init__(reason)
        self.from_outside = from_outside
        """True where somebody else killed it: nothing is wrong with the request."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What one request may use; a child that goes beyond it is killed."""

    cpu_s: float
    """Processor time rather than time, of which a busy machine gives little."""
    memory_bytes: int
    """Resident set size of the whole child."""
    stuck_s: float = 30.0
    """Without any use of the processor."""


class Child:
    """A child process; whoever holds it has one request under way at most."""

    def __init__(
        self,
        process: "subprocess.Popen[bytes]",
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        self._process = process
        self._reader = reader
        self._writer = writer
        self._usage = psutil.Process(process.pid)
        self._killed_for = ""

    @classmethod
    async def start(cls, module: str) -> Self:
        """Start ``python -m module FD``, a program that ends in `serve`."""
        ours, theirs = socket.socketpair()
        try:
            # not in a thread: the child would be taken for an orphan when that thread ends
            process = _start(module, theirs.fileno())
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()
        try:
            reader, writer = await asyncio.open_connection(sock=ours, limit=MAX_MESSAGE_BYTES)
        except BaseException:
            process.kill()
            process.wait()
            ours.close()
            raise
        return cls(process, reader, writer)

    @property
    def pid(self) -> int:
        """Process id."""
        return self._process.pid

    def memory_bytes(self) -> int:
        """Return its resident set size, 0 where it is dead."""
        try:
            return self._usage.memory_info().rss
        except psutil.Error:
            return 0

    async def ask(self, request: bytes, limits: Limits) -> bytes:
        """Return the child's answer. Where this is cancelled, the child has to be closed.

        Raises:
            ChildDiedError: the child is dead; where it went beyond a limit, by us.
        """
        watch = asyncio.create_task(self._watch(limits))
        try:
            self._writer.write(_LENGTH.pack(len(request)) + request)
            await self._writer.drain()
            return await _message(self._reader)
        except (asyncio.IncompleteReadError, ConnectionError):
            raise await self._death() from None
        finally:
            watch.cancel()

    async def _watch(self, limits: Limits) -> None:
        begun_s = used_s = self._cpu_s()
        progress_s = monotonic()
        while not self._killed_for:
            await asyncio.sleep(WATCH_S)
            cpu_s, memory = self._cpu_s(), self.memory_bytes()
            if cpu_s > used_s:
                used_s, progress_s = cpu_s, monotonic()
            if memory > limits.memory_bytes:
                self._kill(f"it took {memory / 1e6:.0f} MB of memory")
            elif cpu_s - begun_s > limits.cpu_s:
                self._kill(f"it worked for more than {limits.cpu_s:.0f} s")
            elif monotonic() - progress_s > limits.stuck_s:
                self._kill(f"it did nothing for {limits.stuck_s:.0f} s")

    def _cpu_s(self) -> float:
        try:
            times = self._usage.cpu_times()
        except psutil.Error:
            return 0.0
        return times.user + times.system

    def _kill(self, reason: str) -> None:
        self._killed_for = reason
        self._process.kill()

    async def _death(self) -> ChildDiedError:
        status = await self._ended()
        if self._killed_for:
            return ChildDiedError(f"{self._killed_for} and was killed")
        if status < 0:
            name = signal.Signals(-status).name
            return ChildDiedError(f"it died of {name}", from_outside=-status in _FROM_OUTSIDE)
        return ChildDiedError(f"it ended with status {status}")

    async def _ended(self) -> int:
        self._writer.close()
        try:
            return await asyncio.to_thread(self._process.wait, END_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return await asyncio.to_thread(self._process.wait)

    async def close(self) -> None:
        """End the child, which may be at work."""
        if self._process.returncode is None:
            self._process.kill()
        await self._ended()


def _start(module: str, fd: int) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(  # noqa: S603 - this interpreter, and a module of ours
        [sys.executable, "-m", module, str(fd)],
        pass_fds=(fd,),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        start_new_session=True,  # or Ctrl-C would end it under a parent that is still stopping
    )


async def _message(reader: asyncio.StreamReader) -> bytes:
    (length,) = _LENGTH.unpack(await reader.readexactly(_LENGTH.size))
    if length > MAX_MESSAGE_BYTES:
        raise ConnectionError(f"a message of {length} bytes is over {MAX_MESSAGE_BYTES}")
    return await reader.readexactly(length)


async def serve(fd: int, answer: Callable[[bytes], Awaitable[bytes]]) -> None:
    """Answer the parent's requests one by one; the process ends with its parent."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # what kills it is no news, and large
    _end_with_parent()
    reader, writer = await asyncio.open_connection(
        sock=socket.socket(fileno=fd), limit=MAX_MESSAGE_BYTES
    )
    while True:
        try:
            request = await _message(reader)
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        reply = await answer(request)
        writer.write(_LENGTH.pack(len(reply)) + reply)
        try:
            await writer.drain()
        except ConnectionError:
            return


def _end_with_parent() -> None:
    """See that the process ends when its parent does, whatever is at work.

    Idle it sees its socket end. At work it may hold the event loop, or even the interpreter: Linux
    kills it (prctl(2), ``PR_SET_PDEATHSIG``), elsewhere a thread does where it can.
    """
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            sleep(PARENT_WATCH_S)
        os._exit(0)

    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    threading.Thread(target=watch, name="parent-watch", daemon=True).start()
