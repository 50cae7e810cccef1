"""Batches for tests of sequences."""

from rhapsode.storage.log import Log, SequenceBatch


def batch(
    start: int,
    end: int,
    *values: bytes,
    sequence: str = "s",
    topic: str = "t",
    last: bool = False,
    by_start: bool = False,
) -> SequenceBatch:
    """Return a batch whose one value, unless others are given, is its start."""
    return SequenceBatch(
        topic=topic,
        sequence=sequence,
        start=start,
        end=end,
        key=sequence.encode(),
        values=values or (b"%d" % start,),
        last=last,
        by_start=by_start,
    )


async def values_in(
    log: Log, start: int, end: int | None = None, *, sequence: str = "s", limit: int | None = None
) -> list[bytes | None]:
    """Return the values that a read of a sequence in partition 0 of ``t`` finds."""
    entries = await log.read_sequence("t", 0, sequence, start, end, limit=limit)
    return [entry.value for entry in entries]
