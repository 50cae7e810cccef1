"""Scopes in memory: the sequences of each, what of them is archived, and what is forgotten."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from ..errors import LogError
from ..names import check_topic
from ..sequences import ScopeState, SequenceBatch, SequenceState, scope_of
from .sequences import StoredSequence, forgotten, is_stored, overlap


@dataclass(slots=True)
class _Scope:
    sequences: dict[tuple[str, str], StoredSequence] = field(
        default_factory=dict[tuple[str, str], StoredSequence]
    )
    """By topic and name."""
    archive: str = ""
    refused_until_ms: int | None = None
    """Appends are refused until then: the scope was forgotten."""


class Scopes:
    """What is known of sequences, by partition number and scope."""

    def __init__(self, clock_ms: Callable[[], int]) -> None:
        self._clock_ms = clock_ms
        self._scopes: dict[tuple[int, str], _Scope] = {}

    def _get(self, partition: int, scope: str) -> _Scope | None:
        known = self._scopes.get((partition, scope))
        if known is None or known.refused_until_ms is None:
            return known
        if known.refused_until_ms > self._clock_ms():
            return known
        del self._scopes[partition, scope]
        return None

    def sequence(self, partition: int, topic: str, sequence: str) -> StoredSequence | None:
        """Return a sequence, None if nothing was appended to it."""
        known = self._get(partition, scope_of(sequence))
        return known.sequences.get((topic, sequence)) if known else None

    def is_forgotten(self, partition: int, scope: str) -> bool:
        """Return whether appends to the scope are refused."""
        known = self._get(partition, scope)
        return known is not None and known.refused_until_ms is not None

    def judge(
        self, partition: int, batches: Sequence[SequenceBatch], *, together: bool
    ) -> list[bool]:
        """Return for each batch whether it is new; raises as `Log.append_at`."""
        ends: dict[tuple[str, str], SequenceState] = {}
        begun: set[str] = set()
        new: list[bool] = []
        for batch in batches:
            where, scope = (check_topic(batch.topic), batch.sequence), scope_of(batch.sequence)
            known = self._get(partition, scope)
            if where not in ends:
                stored = known.sequences.get(where) if known else None
                ends[where] = (
                    SequenceState(stored.next, stored.closed) if stored else SequenceState()
                )
            if not _is_open(known, batch, begun) and not _is_surely_stored(batch, ends[where]):
                raise forgotten(batch, ends[where])
            new.append(not is_stored(batch, ends[where]))
            if new[-1]:
                ends[where] = SequenceState(batch.end, batch.last)
                begun.add(scope)
        if together and any(new) and not all(new):
            stored_one = batches[new.index(False)]
            raise overlap(stored_one, ends[stored_one.topic, stored_one.sequence])
        return new

    def add(self, partition: int, batch: SequenceBatch, first: int, last: int) -> None:
        """Record that a batch was written to the offsets ``first`` to ``last``."""
        scope = self._scopes.setdefault((partition, scope_of(batch.sequence)), _Scope())
        sequence = scope.sequences.setdefault((batch.topic, batch.sequence), StoredSequence())
        sequence.append(batch, first, last)

    def state(self, partition: int, scope: str) -> ScopeState:
        """Return what is known of a scope."""
        known = self._get(partition, scope)
        if known is None:
            return ScopeState()
        states = {
            where: SequenceState(one.next, one.closed) for where, one in known.sequences.items()
        }
        batches = sum(len(one.batches) for one in known.sequences.values())
        return ScopeState(states, known.archive, batches)

    def note_archived(
        self, partition: int, scope: str, expected: str, name: str, below: Mapping[str, int]
    ) -> bool:
        """Note what is archived, as `Log.note_archived`."""
        known = self._get(partition, scope)
        if not known or known.refused_until_ms is not None or known.archive != expected:
            return False
        known.archive = name
        for (topic, _), sequence in known.sequences.items():
            sequence.drop(below.get(topic, 0))
        return True

    def forget(self, partition: int, scope: str, refuse_s: float) -> None:
        """Drop a scope, and refuse appends to it for so long."""
        self._scopes.pop((partition, scope), None)
        if refuse_s > 0:
            until_ms = self._clock_ms() + int(refuse_s * 1000)
            self._scopes[partition, scope] = _Scope(refused_until_ms=until_ms)


def _is_open(scope: _Scope | None, batch: SequenceBatch, begun: set[str]) -> bool:
    if scope is None:
        return not batch.continues or scope_of(batch.sequence) in begun
    return scope.refused_until_ms is None


def _is_surely_stored(batch: SequenceBatch, sequence: SequenceState) -> bool:
    try:
        return is_stored(batch, sequence)
    except LogError:
        return False
