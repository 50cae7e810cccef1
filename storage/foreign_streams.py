"""A partition whose stream somebody else wrote to stands still, alone: all others go on."""

import structlog

from .entries import Span
from .errors import ForeignStreamError
from .log import Log

log = structlog.get_logger()


async def usable_span(on: Log, topic: str, partition: int) -> Span | None:
    """Return which offsets a partition holds; None where its stream cannot be used, which is said.

    Who reads it from 0 among others passes it over until somebody has mended it; it is new then.

    Raises:
        UnreachableError: the log is out of reach.
    """
    try:
        return await on.span(topic, partition)
    except ForeignStreamError as error:
        log.warning("a partition stands still", topic=topic, partition=partition, why=str(error))
        return None


async def first_to_read(on: Log, topic: str, partition: int) -> int:
    """Return the first offset that a reader of all of a partition asks for."""
    span = await usable_span(on, topic, partition)
    return span.first if span else 0


async def next_to_read(on: Log, topic: str, partition: int) -> int:
    """Return the first offset that a reader of what is new in a partition asks for."""
    span = await usable_span(on, topic, partition)
    return span.next if span else 0
