"""Records as the batches in which the log takes them."""

from collections.abc import Sequence

from ..codecs.encoding import encode
from ..codecs.records import SequenceRecord, Session
from ..storage.log import SequenceBatch


def batches(records: Sequence[SequenceRecord]) -> list[SequenceBatch]:
    """Return records as batches; neighbours at one position (a chunk's parts) become one."""
    made: list[SequenceBatch] = []
    for record in records:
        value = encode(record)
        previous = made[-1] if made else None
        if previous is not None and _share_position(previous, record):
            made[-1] = SequenceBatch(
                topic=previous.topic,
                sequence=previous.sequence,
                start=previous.start,
                end=previous.end,
                key=previous.key,
                values=(*previous.values, value),
                last=previous.last or record.last,
                by_start=previous.by_start,
                continues=previous.continues,
            )
            continue
        made.append(
            SequenceBatch(
                topic=record.TOPIC,
                sequence=record.sequence,
                start=record.start,
                end=record.end,
                key=record.key.encode(),
                values=(value,),
                last=record.last,
                by_start=record.JUDGED_BY_START,
                # where a session's sequences are spread, their partitions do not know it yet
                continues=not (record.KEYED_BY_SEQUENCE or isinstance(record, Session)),
            )
        )
    return made


def _share_position(batch: SequenceBatch, record: SequenceRecord) -> bool:
    return (
        (batch.topic, batch.sequence) == (record.TOPIC, record.sequence)
        and (batch.start, batch.end) == (record.start, record.end)
        and record.end > record.start
    )
