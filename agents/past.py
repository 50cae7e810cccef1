"""What the log has let go of: trimmed records, and whole sessions that it has forgotten."""

from collections import OrderedDict
from time import monotonic

from ..codecs.records import SequenceRecord, Session, key_of_sequence
from ..storage.log import Entry, Log, partition_of, scope_of
from .archive import Archive, Head

KEPT_HEADS = 1_000
KEPT_ALIVE = 10_000
ALIVE_S = 30.0
"""For so long a session that the log knew a moment ago is not asked for again."""


class Past:
    """Reads the archive where the log does not have it any more.

    All methods may raise what the log and the archive do.
    """

    def __init__(self, log: Log, partitions: int, archive: Archive) -> None:
        self.archive = archive
        self._log = log
        self._partitions = partitions
        self._heads: OrderedDict[str, Head] = OrderedDict()
        self._alive: OrderedDict[str, float] = OrderedDict()

    def saw(self, session: str) -> None:
        """Note that the log knows the session, where it is not known to have forgotten it."""
        if session in self._heads:
            return
        self._alive[session] = monotonic()
        self._alive.move_to_end(session)
        if len(self._alive) > KEPT_ALIVE:
            self._alive.popitem(last=False)

    async def head(self, session: str, *, surely: bool = False) -> Head | None:
        """Return what the log knew of a session that it has forgotten; None where it knows it.

        ``surely`` where the log has just said that it does not know the session.
        """
        known = self._heads.get(session)
        if known is not None:
            self._heads.move_to_end(session)
            return known
        if not surely and monotonic() - self._alive.get(session, -ALIVE_S) < ALIVE_S:
            return None
        partition = partition_of(session.encode(), self._partitions)
        if (await self._log.sequence_state(Session.TOPIC, partition, session)).closed:
            self.saw(session)
            return None
        head = await self.archive.head(session)
        if head is not None:
            self._heads[session] = head
            if len(self._heads) > KEPT_HEADS:
                self._heads.popitem(last=False)
        return head

    async def entries(
        self,
        kind: type[SequenceRecord],
        sequence: str,
        start: int,
        end: int | None,
        limit: int | None,
    ) -> list[Entry]:
        """Return archived entries, as `Archive.read`; none where nothing is archived."""
        session = scope_of(sequence)
        partition = partition_of(key_of_sequence(kind, sequence).encode(), self._partitions)
        newest = await self._log.archived(partition, session)
        if not newest:
            head = await self.head(session, surely=True)
            kept = head.entry(kind.TOPIC, sequence, start) if head and end == start + 1 else None
            if kept is not None:
                return [kept]
            newest = head.pieces.get(partition, "") if head else ""
        if not newest:
            return []
        return await self.archive.read(newest, kind.TOPIC, sequence, start, end, limit)
