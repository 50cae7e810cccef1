"""Sends that failed: what failed is told at the next commit, and here once in ten seconds."""

import asyncio
import logging
from time import monotonic

from faust.types.tuples import FutureMessage

from .patience import TELL_EVERY_S


def _set_exception_seen(self: FutureMessage, exception: type | BaseException) -> None:
    """Fail, as seen: whoever sends without waiting, as agents do, would leave a traceback each."""
    asyncio.Future.set_exception(self, exception)
    self.exception()


class _OneOfMany(logging.Filter):
    """Passes one of Faust's warnings of failed sends in ten seconds: it has one for each record."""

    _told_s = float("-inf")

    def filter(self, record: logging.LogRecord) -> bool:
        """Tell whether the record is logged."""
        if not record.getMessage().startswith("_on_published error"):
            return True
        if monotonic() - self._told_s < TELL_EVERY_S:
            return False
        self._told_s = monotonic()
        return True


_FILTER = _OneOfMany()


def tell_failed_sends_once() -> None:
    """Give all that this process sends this behaviour."""
    FutureMessage.set_exception = _set_exception_seen
    logging.getLogger("faust.topics").addFilter(_FILTER)
