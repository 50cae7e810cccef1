"""Beginning a session whose id nobody has chosen."""

import msgspec
import structlog

from ..codecs.records import Session
from ..storage.errors import ForeignStreamError
from .sessions import Sessions, new_session_id

MOST_TRIES = 10
"""Of ids. With eight partitions, one of which stands still, all of them fail once in a billion."""
log = structlog.get_logger()


async def begin(sessions: Sessions, described: Session, text: str | None) -> Session:
    """Accept a session of one text, or open one where there is none; return its record.

    Where its partition stands still it begins under another id, in another partition.

    Raises:
        MalformedError, ConflictError, QuotaError: as `Sessions.start` and `Sessions.open`.
        UnreachableError: the log does not answer.
        ForeignStreamError: everything that was tried stands still.
    """
    tries_left = MOST_TRIES
    while True:
        try:
            return await _accepted(sessions, described, text)
        except ForeignStreamError as error:
            if sessions.quotas is not None:
                chars = len(text or "")
                await sessions.quotas.give_back(described.owner, described.session, chars)
            tries_left -= 1
            if not tries_left:
                raise
            log.warning("a session begins elsewhere", session=described.session, why=str(error))
            described = msgspec.structs.replace(described, session=new_session_id())


async def _accepted(sessions: Sessions, described: Session, text: str | None) -> Session:
    if text is None:
        return await sessions.open(described)
    return await sessions.start(text, described)
