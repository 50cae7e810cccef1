"""How a process ends: asked by a signal, its tasks cancelled until they are gone, in bounds."""

import asyncio
import faulthandler
import os
import signal
import sys
import threading
from typing import Any

import structlog

STOP_S = 4.0
"""A worker that takes longer is ended: what it did is in the log, and the rest is done again."""
AGAIN_S = 0.5
"""A task still there after so long has lost its cancellation."""
STUCK_STATUS = 70
"""EX_SOFTWARE of sysexits.h."""
log = structlog.get_logger()


def stop_signal() -> asyncio.Event:
    """Return an event that SIGTERM and SIGINT set from now on."""
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    return stopping


async def cancel_the_rest() -> None:
    """Cancel every task but this one, again and again until they are gone.

    Once is not enough: ``asyncio.wait_for`` before Python 3.12 drops a cancellation that comes
    while its result is ready and not yet taken, and clients we use await in it.
    """
    this = asyncio.current_task()
    while tasks := [task for task in asyncio.all_tasks() if task is not this]:
        for task in tasks:
            task.cancel()
        done, _ = await asyncio.wait(tasks, timeout=AGAIN_S)
        for task in done:
            if not task.cancelled() and (error := task.exception()) is not None:
                log.warning("a task failed while stopping", task=task.get_name(), error=repr(error))


def end_within(seconds: float = STOP_S) -> None:
    """End this process in so many seconds unless it has ended by itself; tell what kept it.

    A thread does it, so that neither a task that ignores its cancellation, nor a loop that is
    blocked, nor a thread that the interpreter waits for at its end keeps the process.
    """
    loop = asyncio.get_running_loop()
    timer = threading.Timer(seconds, _end, (loop, seconds))
    timer.daemon = True
    timer.name = "stop-bound"
    timer.start()


def _end(loop: asyncio.AbstractEventLoop, seconds: float) -> None:
    tasks: set[asyncio.Task[Any]] = set() if loop.is_closed() else asyncio.all_tasks(loop)
    log.error(
        "did not stop in time, ending at once",
        seconds=seconds,
        tasks=[f"{task.get_name()}: {' > '.join(awaiting(task.get_coro()))}" for task in tasks],
    )
    faulthandler.dump_traceback(sys.stderr, all_threads=True)
    sys.stderr.flush()
    os._exit(STUCK_STATUS)


def awaiting(coroutine: Any) -> list[str]:
    """Return where a suspended coroutine is, outermost first, as ``file:line function``."""
    places: list[str] = []
    while coroutine is not None:
        frame = next(
            (
                found
                for name in ("cr_frame", "ag_frame", "gi_frame")
                if (found := getattr(coroutine, name, None)) is not None
            ),
            None,
        )
        if frame is not None:
            file = os.path.basename(frame.f_code.co_filename)  # noqa: PTH119 - a name is enough
            places.append(f"{file}:{frame.f_lineno} {frame.f_code.co_name}")
        coroutine = next(
            (
                found
                for name in ("cr_await", "ag_await", "gi_yieldfrom")
                if (found := getattr(coroutine, name, None)) is not None
            ),
            None,
        )
    return places
