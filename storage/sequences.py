"""Sequences: what is appended at a position, once, whoever appends it and however often."""

from collections.abc import Mapping
from dataclasses import dataclass, field

MOST_POSITION = 1 << 53
"""Positions are exact up to here, on the server too (Lua counts in doubles)."""


def scope_of(sequence: str) -> str:
    """Return what a sequence belongs to: its name up to the first slash.

    In a partition number, all sequences of a scope, of all topics, are kept and forgotten together.
    """
    return sequence.partition("/")[0]


@dataclass(frozen=True, slots=True)
class SequenceBatch:
    """Entries that take the positions ``[start, end)`` of a sequence, visible all or none.

    Where the batch stops short of its sequence's end it is already stored, and nothing of it is
    written. Where it starts at the end it is appended. All else is refused; `Log.append_at` says
    with which error.
    """

    topic: str
    sequence: str
    start: int
    end: int
    """May equal ``start`` only for a bare end mark, which takes no position."""
    key: bytes
    values: tuple[bytes, ...]
    """One entry each, at least one."""
    last: bool = False
    """True closes the sequence: nothing may follow."""
    by_start: bool = False
    """True judges the batch by ``start`` alone: it is already stored where it starts before the
    end of its sequence, whatever its ``end``. For writers that are not deterministic, such as
    voices: a chunk spoken twice has two lengths, and the first one stays."""
    continues: bool = False
    """True refuses the batch where nothing of its scope is known: a late writer must not begin
    again what was forgotten."""

    def __post_init__(self) -> None:
        if not 0 <= self.start <= self.end <= MOST_POSITION:
            raise ValueError(
                f"[{self.start}, {self.end}) is no range of positions of {self.sequence!r}: "
                f"0 <= start <= end <= {MOST_POSITION} must hold"
            )
        if "|" in self.sequence:
            raise ValueError(f"the name of sequence {self.sequence!r} has a '|' in it")
        if not self.values:
            raise ValueError(f"[{self.start}, {self.end}) of {self.sequence!r} has no entry")
        if self.is_bare and not self.last:
            # it would leave no trace in its sequence, so a second append would write it again
            raise ValueError(
                f"the empty range at {self.start} of {self.sequence!r} must be its last batch"
            )

    @property
    def is_bare(self) -> bool:
        """Whether the batch takes no position, as a bare end mark does."""
        return self.start == self.end


@dataclass(frozen=True, slots=True)
class SequenceState:
    """Where a sequence ends."""

    next: int = 0
    """Position after the last one taken; 0 for an unknown sequence."""
    closed: bool = False
    """True once a last batch was appended."""
    forgotten: bool = False
    """True where the scope was forgotten, for as long as that is known."""


@dataclass(frozen=True, slots=True)
class ScopeState:
    """What is known of a scope in one partition number."""

    sequences: Mapping[tuple[str, str], SequenceState] = field(
        default_factory=dict[tuple[str, str], SequenceState]
    )
    """By topic and name of the sequence."""
    archive: str = ""
    """What `Log.note_archived` noted last."""
    batches: int = 0
    """Batches that are not archived yet."""
