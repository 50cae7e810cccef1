"""Faults of processes, of the server, of what lies between, and of the machine.

What sleeps here is the fault itself: it lasts for so long. Nothing is waited for by it.
"""

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from typing import Protocol

import psutil
import redis
from broker import Broker

from rhapsode.storage.redis.append_only_file import rewrite

from .proxy import Proxy

FREEZES_S = 13.0
"""Longer than a lease: who wakes up is a zombie."""
PAUSES_S = 3.0
STARVES_S = 6.0
DIES_S = 30.0
BUSY_LOOPS = 4
"""Beside everything, on as many processors as there are."""
OUT_OF_MEMORY_S = 4.0
LOSES_BYTES = (300, 900, 3_000, 100_000)
"""From one small write to about a second of audio with all that was made of it."""


class Workers(Protocol):
    """Worker processes that a fault may choose from."""

    def running(self) -> list[int]:
        """Return the process ids of workers that run."""
        ...

    def restart(self) -> None:
        """Start what is missing, where nothing else does."""
        ...

    def leave(self, choice: random.Random) -> None:
        """Have a worker leave as a deployment does, see that it ends well, and start another."""
        ...


Fault = Callable[[random.Random], None]


def killed(workers: Workers) -> Fault:
    """``kill -9``; the successor comes at once, or after a while."""

    def strike(choice: random.Random) -> None:
        _kill(choice.choice(workers.running()))
        time.sleep(choice.choice((0.0, 0.5, 2.0)))
        workers.restart()

    return strike


def _kill(pid: int) -> None:
    """Kill a process, and wait until it is dead: what runs still has no successor."""
    process = psutil.Process(pid)
    process.kill()
    end_s = time.monotonic() + DIES_S
    while not _is_dead(process):
        assert time.monotonic() < end_s, f"{pid} outlives SIGKILL for {DIES_S:.0f} s"
        time.sleep(0.01)  # between looks: most of them are no children of ours, to be waited for


def _is_dead(process: psutil.Process) -> bool:
    try:
        # it is a zombie before its last thread has ended, and cannot be waited for until then
        options = os.WEXITED | os.WNOHANG | os.WNOWAIT
        return os.waitid(os.P_PID, process.pid, options) is not None
    except ChildProcessError:  # another's
        try:
            return process.status() == psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return True


def fork_server_killed(find: Callable[[], int]) -> Fault:
    """``kill -9`` of what has forked all workers and the gateway, which end with it."""

    def strike(_: random.Random) -> None:
        _kill(find())

    return strike


def stopped_for(workers: Workers, seconds: float) -> Fault:
    """SIGSTOP, and SIGCONT after so long."""

    def strike(choice: random.Random) -> None:
        victim = choice.choice(workers.running())
        os.kill(victim, signal.SIGSTOP)
        try:
            time.sleep(seconds)
        finally:
            os.kill(victim, signal.SIGCONT)

    return strike


def left(workers: Workers) -> Fault:
    """A worker leaves, and another joins."""
    return workers.leave


def server_killed(broker: Broker) -> Fault:
    """The server dies, and comes back with what it had: every write was on disk."""

    def strike(choice: random.Random) -> None:
        broker.kill()
        time.sleep(choice.choice((0.0, 1.0, 3.0)))
        broker.start()

    return strike


def server_cut(broker: Broker) -> Fault:
    """The server dies, and comes back without the last of what it had acknowledged.

    Its operators then have it write its file anew, as `docs/log.md` tells: some servers leave the
    beginning of a transaction that was cut off in it.
    """

    def strike(choice: random.Random) -> None:
        broker.kill()
        broker.lose(choice.choice(LOSES_BYTES))
        time.sleep(choice.choice((0.0, 1.0)))
        broker.start()
        rewrite(broker.url)

    return strike


def out_of_memory(connect: "Callable[[], redis.Redis]") -> Fault:
    """The server has no room for another record."""

    def strike(_: random.Random) -> None:
        client = connect()
        client.config_set("maxmemory", "1mb")
        time.sleep(OUT_OF_MEMORY_S)
        client.config_set("maxmemory", "0")
        client.close()

    return strike


def cut(proxy: Proxy) -> Fault:
    """Every connection breaks, and none can be made for a while."""

    def strike(choice: random.Random) -> None:
        proxy.cut()
        time.sleep(choice.choice((0.0, 0.5, PAUSES_S)))
        proxy.mend()

    return strike


def stalled(proxy: Proxy) -> Fault:
    """Nothing comes through for a while, and connections stay."""

    def strike(choice: random.Random) -> None:
        proxy.stall()
        time.sleep(choice.choice((0.5, PAUSES_S)))
        proxy.mend()

    return strike


def starved() -> Fault:
    """Busy loops take the processor away."""

    def strike(_: random.Random) -> None:
        _starve()

    return strike


def killed_starved(workers: Workers) -> Fault:
    """``kill -9`` as busy loops take the processor away, and go on doing so."""

    def strike(choice: random.Random) -> None:
        threading.Thread(target=_starve, name="starving").start()
        _kill(choice.choice(workers.running()))
        workers.restart()

    return strike


def _starve() -> None:
    loops = [
        subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(BUSY_LOOPS)
    ]
    try:
        time.sleep(STARVES_S)
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()
