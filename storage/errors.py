"""What the log refuses, and how it says that its server cannot be used."""

from collections.abc import Mapping


class LogError(Exception):
    """Root of what the log refuses.

    * `GapError`: a batch starts beyond the end of its sequence
    * `OverlapError`: a batch starts before the end of its sequence and ends after it
    * `ClosedError`: a batch comes after the last one of its sequence
    * `ForgottenError`, a `ClosedError`: its scope was forgotten, or never began
    * `TrimmedError`: the beginning of what was asked for is not stored any more
    * `TruncatedError`: what was read, or is to be committed, was lost with the server's last writes
    * `FencedError`: a newer generation owns the partition
    * `PartitionsMismatchError`: a topic exists with another number of partitions
    * `UnusableServerError`: the server answers but cannot serve: too old, no rights

    Apart from these, `UnreachableError` (an ``OSError``) means that the server does not answer, is
    not ready yet, or has no memory left: try again.
    """


class GapError(LogError):
    """A batch starts beyond the end of its sequence: what comes before it was never written."""


class OverlapError(LogError):
    """A batch overlaps the end of its sequence: it was cut differently from what is stored."""


class ClosedError(LogError):
    """A batch comes after the last one of its sequence."""


class ForgottenError(ClosedError):
    """A batch belongs to a scope that was forgotten, or that nothing began."""


class TrimmedError(LogError):
    """The beginning of what was asked for is not stored any more."""

    def __init__(self, sequence: str, start: int, first: int) -> None:
        super().__init__(f"{sequence} is stored from {first} on, not from {start}: it was trimmed")
        self.first = first
        """The first position that is stored, or where the sequence ends."""


class TruncatedError(LogError):
    """Entries that were read, or are to be committed, were lost with the server's last writes.

    Their offsets are given again, to other entries.
    """

    def __init__(self, starts: Mapping[tuple[str, int], int]) -> None:
        lost = ", ".join(f"{topic}/{number} from {at}" for (topic, number), at in starts.items())
        super().__init__(
            f"the server lost its last writes: entries that were read are gone ({lost})"
        )
        self.starts = starts
        """The first offset that was lost, by topic and partition: read on from there."""


class FencedError(LogError):
    """A newer generation has claimed the partition; drop everything of the older one."""


class PartitionsMismatchError(LogError):
    """A topic is declared with another number of partitions than it has."""


class UnusableServerError(LogError):
    """The server answers but cannot hold the log; the message says what to do."""


class ForeignStreamError(UnusableServerError):
    """One partition cannot be used: somebody else wrote to its stream; the others can."""


class UnreachableError(OSError):
    """The server does not answer or is not ready; try again."""


OUT_OF_REACH = (UnreachableError, ForeignStreamError)
"""Nothing is stored or read there for now: until the server answers, or somebody mends a stream."""

_REASONS: dict[type[LogError], str] = {
    GapError: "what comes before it was never written",
    OverlapError: "what is stored there was cut differently",
    ClosedError: "the last record there has `last`, so nothing can follow",
    ForgottenError: "it was forgotten, or was never begun",
}


def refused(kind: type[LogError], sequence: str, end: int, wanted: tuple[int, int]) -> LogError:
    """Return the error for a batch that does not continue its sequence, which has ``end``."""
    start, after = wanted
    return kind(f"{sequence} ends at {end}, the batch takes [{start}, {after}): {_REASONS[kind]}")
