"""What a session has said already: typed reading of its lines in the log."""

from dataclasses import dataclass
from typing import Generic, TypeVar

from ..codecs.encoding import unpack
from ..codecs.records import SequenceRecord, key_of_sequence
from ..storage.log import Log, SequenceState, partition_of

R = TypeVar("R", bound=SequenceRecord)


@dataclass(frozen=True, slots=True)
class History(Generic[R]):
    """The lines of one topic.

    A stage that (re)starts in the middle of a session finds its cursor here, not in a state of
    its own: the log's end of its output line says what it has done.
    """

    log: Log
    kind: type[R]
    partitions: int

    def partition(self, line: str) -> int:
        """Return the partition that holds the line."""
        return partition_of(key_of_sequence(self.kind, line).encode(), self.partitions)

    async def state(self, line: str) -> SequenceState:
        """Return how far the line goes."""
        return await self.log.sequence_state(self.kind.TOPIC, self.partition(line), line)

    async def records(self, line: str, start: int, end: int | None = None) -> list[R]:
        """Return the records that touch ``[start, end)``, in order; to the end of the line if None.

        Raises:
            MalformedError: something else stands on the line.
        """
        entries = await self.log.read_sequence(
            self.kind.TOPIC, self.partition(line), line, start, end
        )
        return [unpack(entry.value or b"", self.kind) for entry in entries]

    async def last(self, line: str) -> R | None:
        """Return the line's last record, None if there is none yet."""
        state = await self.state(line)
        records = await self.records(line, max(0, state.next - 1))
        return records[-1] if records else None
