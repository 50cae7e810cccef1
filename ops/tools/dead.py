"""Dead letters: what was given up and why, and saying the sessions they ended once more."""

from dataclasses import dataclass

import msgspec
import structlog

from ...agents.journal import Journal
from ...codecs.encoding import MalformedError, decode
from ...codecs.records import DeadLetter, Item
from ...storage.foreign_streams import usable_span
from ..sessions import new_session_id

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Letter:
    """A dead letter, and where it is."""

    partition: int
    offset: int
    timestamp_ms: int
    record: DeadLetter

    @property
    def name(self) -> str:
        """What commands call it."""
        return f"{self.partition}/{self.offset}"

    def as_json(self) -> dict[str, object]:
        """Return what a list tells of it: the reason's first line."""
        letter = self.record
        return {
            "letter": self.name,
            "time_ms": self.timestamp_ms,
            "stage": letter.stage,
            "session": letter.session,
            "topic": letter.topic,
            "partition": letter.partition,
            "offset": letter.offset,
            "reason": letter.reason.partition("\n")[0],
        }


async def newest(journal: Journal, limit: int) -> list[Letter]:
    """Return the newest dead letters, newest first."""
    found: list[Letter] = []
    for number in range(journal.partitions):
        span = await usable_span(journal.log, DeadLetter.TOPIC, number)
        if span is None:
            continue
        start = max(span.first, span.next - limit)
        found += await _read(journal, number, start, limit)
    return sorted(found, key=lambda letter: letter.timestamp_ms, reverse=True)[:limit]


async def find(journal: Journal, name: str) -> Letter:
    """Return the letter of this name.

    Raises:
        MalformedError: there is none.
    """
    partition, _, offset = name.partition("/")
    if all(part.isascii() and part.isdecimal() and len(part) < 16 for part in (partition, offset)):
        number, at = int(partition), int(offset)
        if number < journal.partitions:
            letters = await _read(journal, number, at, 1)
            if letters and letters[0].offset == at:
                return letters[0]
    raise MalformedError(f"there is no dead letter {name[:80]!r}: 'rhapsode dead ls' lists them")


async def _read(journal: Journal, partition: int, start: int, limit: int) -> list[Letter]:
    place = (DeadLetter.TOPIC, partition)
    letters: list[Letter] = []
    for each in (await journal.log.read({place: start}, limit=limit)).get(place, []):
        try:
            record = decode(each.value or b"", DeadLetter)
        except MalformedError as error:  # whoever may write there must not hide the others
            log.warning("not a dead letter, ignored", offset=each.offset, error=str(error))
            continue
        letters.append(Letter(partition, each.offset, each.timestamp_ms, record))
    return letters


async def say_again(journal: Journal, session: str) -> str:
    """Begin a new session with the description and the items of one; return its id.

    A session that was given up has ended, and its log tells so for good: so what was asked for is
    made anew, under another id. An open session is closed behind the items it has.

    Raises:
        UnknownSessionError: there is no such session.
    """
    again = new_session_id()
    description = await journal.describe(session)
    await journal.append(msgspec.structs.replace(description.record, session=again))
    parts: list[Item] = []
    position, last = 0, False
    async for item in journal.of(Item).stream(session):
        if parts and parts[0].seq != item.seq:
            await journal.append(*parts)  # the parts of one position are stored together
            parts = []
        parts.append(msgspec.structs.replace(item, session=again))
        position, last = item.end, item.last
    if parts:
        await journal.append(*parts)
    if not last:
        await journal.append(Item(session=again, seq=position, kind="end", last=True))
    return again


async def drop(journal: Journal, letter: Letter) -> int:
    """Remove a letter and those of its partition that are older; return how many that were."""
    before = (await journal.log.span(DeadLetter.TOPIC, letter.partition)).first
    first = await journal.log.trim(DeadLetter.TOPIC, letter.partition, letter.offset + 1)
    return first - before
