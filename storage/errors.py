"""What the log refuses, and when it is not there."""


class LogError(Exception):
    """Root of what the log refuses.

    * `GapError`: a batch starts beyond the end of its sequence
    * `OverlapError`: a batch starts before the end of its sequence and ends after it
    * `ClosedError`: a batch lies beyond a sequence's end mark
    * `FencedError`: a newer generation owns the partition, or the member was evicted
    * `PartitionsMismatchError`: a topic stands with another number of partitions
    * `UnreachableError` (an ``OSError``): the server does not answer, or not yet; try again
    * `UnusableServerError`: the server answers but cannot serve: too old, no rights, no memory
    """


class GapError(LogError):
    """A batch starts beyond the end of its sequence: something before it was never written."""


class OverlapError(LogError):
    """A batch overlaps the end of its sequence: it was cut otherwise than what stands there."""


class ClosedError(LogError):
    """A batch lies beyond the end mark of its sequence."""


class FencedError(LogError):
    """A newer owner has claimed the partition; drop everything of the old generation."""


class PartitionsMismatchError(LogError):
    """A topic is declared with another number of partitions than it has."""


class UnusableServerError(LogError):
    """The server answers but cannot hold the log; the message says what to do."""


class UnreachableError(OSError):
    """The server does not answer; worth another try."""
