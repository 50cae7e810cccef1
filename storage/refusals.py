"""What the log refuses, and when it is not there."""


class LogError(Exception):
    """Root of what the log refuses.

    * `GapError`: a placement starts beyond the end of its line
    * `OverlapError`: a placement starts before the end of its line and ends after it
    * `ClosedError`: a placement lies beyond a line's end mark
    * `FencedError`: a newer generation owns the partition, or the member was evicted
    * `PartitionsMismatchError`: a topic stands with another number of partitions
    * `UnreachableError` (an ``OSError``): the server does not answer, or not yet; try again
    * `UnusableServerError`: the server answers but cannot serve: too old, no rights, no memory
    """


class GapError(LogError):
    """A placement starts beyond the end of its line: something before it was never written."""


class OverlapError(LogError):
    """A placement overlaps the end of its line: it was cut otherwise than what stands there."""


class ClosedError(LogError):
    """A placement lies beyond the end mark of its line."""


class FencedError(LogError):
    """A newer owner has claimed the partition; drop everything of the old generation."""


class PartitionsMismatchError(LogError):
    """A topic is declared with another number of partitions than it has."""


class UnusableServerError(LogError):
    """The server answers but cannot hold the log; the message says what to do."""


class UnreachableError(OSError):
    """The server does not answer; worth another try."""
