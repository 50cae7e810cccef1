"""Sends that failed: each is told once, by Faust's warning, and at the next commit."""

import asyncio

from faust.types.tuples import FutureMessage


def _set_exception_seen(self: FutureMessage, exception: type | BaseException) -> None:
    """Fail, as seen: whoever sends without waiting, as agents do, would leave a traceback each."""
    asyncio.Future.set_exception(self, exception)
    self.exception()


def tell_failed_sends_once() -> None:
    """Give all that this process sends this behaviour."""
    FutureMessage.set_exception = _set_exception_seen
