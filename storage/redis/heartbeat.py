"""The heartbeats of a process's members of groups on a server, in one thread of their own."""

import asyncio
import threading
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Generic, TypeVar

from ..errors import UnreachableError, UnusableServerError
from ..groups import Beat

STOP_S = 0.2
"""How long `Heartbeat.stop` waits for a beat under way, which ends by itself later."""

UNHURRIED = 3
"""A member that is alone has nobody to tell that it lives: it beats as many times less often."""
SHARE_OF_LEASE = 0.2
"""But so often in a lease."""

OnBeat = Callable[[Beat | BaseException], None]
Result = Beat | BaseException
Q = TypeVar("Q")


@dataclass(frozen=True, slots=True)
class Round:
    """What all members of a process were told at one time."""

    results: Sequence[Result]
    unhurried: bool = False
    """Whether each is alone in a group that stands: it only waits for others to come."""


@dataclass(eq=False)
class _Member(Generic[Q]):
    question: Q
    on_beat: OnBeat
    loop: asyncio.AbstractEventLoop
    told: Result | None = None
    stopped: bool = False

    def tell(self, result: Result) -> bool:
        """Report what is news; False where the loop is closed: nobody is left to report to."""
        if result == self.told:
            return not self.loop.is_closed()
        self.told = result
        try:
            self.loop.call_soon_threadsafe(self._report, result)
        except RuntimeError:
            return False
        return True

    def _report(self, result: Result) -> None:
        if not self.stopped:
            self.on_beat(result)


class Heartbeats(Generic[Q]):
    """Renews the leases of members from one OS thread, over a connection of its own.

    Code that keeps the event loop busy for longer than a lease must not lose the lease. (Compiled
    code that holds the interpreter lock for that long still would.) All members beat together, as
    each round trip wakes this process and the server: the thread lives as long as it has members.

    Args:
        connect: for as long as the thread lives, returns what asks for all members at once: given
            their questions, it returns in the same order what each is told, or its error.
        interval_s: between two beats of a member.
        unhurried_s: the same, while none has to tell anybody that it lives.
    """

    def __init__(
        self,
        connect: Callable[[], AbstractContextManager[Callable[[Sequence[Q]], Round]]],
        interval_s: float,
        unhurried_s: float,
    ) -> None:
        self._connect = connect
        self._interval_s = interval_s
        self._unhurried_s = unhurried_s
        self._members: list[_Member[Q]] = []
        self._lock = threading.Lock()
        self._news = threading.Event()
        self._thread: threading.Thread | None = None

    def add(self, question: Q, on_beat: OnBeat) -> "Heartbeat[Q]":
        """Return the heartbeat of one more member, which is not started yet."""
        return Heartbeat(self, question, on_beat)

    def enter(self, member: _Member[Q]) -> None:
        with self._lock:
            self._members.append(member)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)
                self._thread.start()
        self._news.set()

    def leave(self, member: _Member[Q]) -> None:
        thread = self._drop(member)
        if thread is not None:
            self._news.set()
            thread.join(STOP_S)

    def _drop(self, member: _Member[Q]) -> threading.Thread | None:
        """Forget a member; return the thread where that has none any more."""
        with self._lock:
            if member in self._members:
                self._members.remove(member)
            return None if self._members else self._thread

    def _run(self) -> None:
        with self._connect() as ask:
            while True:
                self._news.clear()
                members = self._present()
                if not members:
                    return
                try:
                    told = ask([member.question for member in members])
                except (UnreachableError, UnusableServerError) as error:
                    told = Round([error] * len(members))
                for member, result in zip(members, told.results, strict=True):
                    if not member.tell(result):
                        self._drop(member)
                self._news.wait(self._unhurried_s if told.unhurried else self._interval_s)

    def _present(self) -> list[_Member[Q]]:
        """Return the members; where there are none the thread ends, and the next has another."""
        with self._lock:
            if not self._members and self._thread is threading.current_thread():
                self._thread = None
            return list(self._members)


class Heartbeat(Generic[Q]):
    """`storage.groups.Heartbeat` of one member."""

    def __init__(self, beats: Heartbeats[Q], question: Q, on_beat: OnBeat) -> None:
        self._beats = beats
        self._question = question
        self._on_beat = on_beat
        self._member: _Member[Q] | None = None

    def start(self) -> None:
        """Beat from now on; a heartbeat is started once."""
        self._member = _Member(self._question, self._on_beat, asyncio.get_running_loop())
        self._beats.enter(self._member)

    def stop(self) -> None:
        if self._member is not None:
            self._member.stopped = True
            self._beats.leave(self._member)
