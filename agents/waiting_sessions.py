"""Which sessions wait for their admission, as the log alone tells."""

from collections.abc import AsyncGenerator

from ..codecs.records import Admission, Item, Segment, Session
from ..storage.foreign_streams import usable_span
from .journal import STEP_ENTRIES, Journal


async def waiting_sessions(journal: Journal) -> AsyncGenerator[tuple[str, int]]:
    """Yield sessions with items that nobody has admitted, and when they were accepted (Unix ms)."""
    items, admitted = journal.of(Item), journal.of(Admission)
    segments = journal.of(Segment)
    async for session, accepted_ms in _accepted(journal):
        if (await admitted.state(session)).closed or (await segments.state(session)).closed:
            continue
        if (await items.state(session)).next:
            yield session, accepted_ms


async def _accepted(journal: Journal) -> AsyncGenerator[tuple[str, int]]:
    for number in range(journal.partitions):
        place = (Session.TOPIC, number)
        span = await usable_span(journal.log, *place)
        if span is None:
            continue
        position = span.first
        while entries := (await journal.log.read({place: position}, limit=STEP_ENTRIES)).get(place):
            for entry in entries:
                yield (entry.key or b"").decode(errors="replace"), entry.timestamp_ms
            position = entries[-1].offset + 1
