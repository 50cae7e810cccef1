"""Waiting for a condition, with a deadline, in place of sleeps."""

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from itertools import count

TURNS = 50
"""Of the event loop before a waiter begins to sleep: most of what runs in memory is done by then."""

Predicate = Callable[[], object | Awaitable[object]]


async def until(predicate: Predicate, deadline_s: float = 10.0) -> None:
    """Return once the predicate, which may be a coroutine function, holds."""
    end = time.monotonic() + deadline_s
    for turn in count():
        holds = predicate()
        if inspect.isawaitable(holds):
            holds = await holds
        if holds:
            return
        assert time.monotonic() < end, f"not so within {deadline_s} s"
        await asyncio.sleep(0 if turn < TURNS else 0.002)
