"""Records that no retry can mend: kept whole, with where they were and why."""

import structlog

from ..codecs.encoding import encode
from ..codecs.records import DeadLetter, check_session
from ..storage.log import Log, NewEntry
from .delivery import Delivery

MOST_VALUE_BYTES = 32_000
MOST_REASON_CHARS = 8_000
"""A traceback is a few thousand; its end tells most."""
log = structlog.get_logger()


async def dead_letter(log_: Log, stage: str, session: str, delivery: Delivery, reason: str) -> None:
    """Append a delivery to ``dead-letter``, in the partition it came from."""
    log.warning(
        "record dead-lettered",
        stage=stage,
        session=session,
        topic=delivery.topic,
        partition=delivery.partition,
        offset=delivery.offset,
        reason=reason.partition("\n")[0],
    )
    letter = DeadLetter(
        session=_valid(session),
        stage=stage,
        topic=delivery.topic,
        partition=delivery.partition,
        offset=delivery.offset,
        reason=_bounded(reason),
        value=(delivery.value or b"")[:MOST_VALUE_BYTES],
    )
    entry = NewEntry(key=delivery.key, value=encode(letter))
    await log_.append(DeadLetter.TOPIC, delivery.partition, [entry])


def _bounded(reason: str) -> str:
    """Return a reason with its first line and its end."""
    first, _, rest = reason.partition("\n")
    return f"{first[:1_000]}\n{rest[-MOST_REASON_CHARS:]}" if rest else first[:MOST_REASON_CHARS]


def _valid(session: str) -> str:
    """Return a session id, empty where it is none: the record may be broken in any way."""
    try:
        return check_session(session)
    except ValueError:
        return ""
