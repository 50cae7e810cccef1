"""What came out, held against what went in: contiguous ids, partition by partition."""

from collections.abc import Iterable
from dataclasses import dataclass, field

FEW = 20
"""Of what is lost that is told one by one."""


@dataclass(slots=True)
class Passage:
    """The ids of one source partition, 0 and up, in the order in which they came out."""

    delivered: int = 0
    doubled: int = 0
    """Deliveries of an id that had come before: at least once allows them."""
    late: list[int] = field(default_factory=list[int])
    """Ids that first came behind one that is higher."""
    _seen: set[int] = field(default_factory=set[int])
    _highest: int = -1

    def take(self, number: int) -> None:
        """Count one delivery."""
        self.delivered += 1
        if number in self._seen:
            self.doubled += 1
            return
        self._seen.add(number)
        if number < self._highest:
            self.late.append(number)
        self._highest = max(self._highest, number)

    def lost(self, sent: int) -> list[int]:
        """Return which of the ids below ``sent`` never came."""
        return [number for number in range(sent) if number not in self._seen]


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a stream of records came through."""

    sent: int
    lost: int
    doubled: int
    reordered: int
    first_lost: tuple[str, ...] = field(default=(), compare=False)
    """The first few of those, as source partition and id."""
    first_late: tuple[str, ...] = field(default=(), compare=False)
    """The first few that came out of order."""

    @property
    def held(self) -> bool:
        """Whether at-least-once was kept: nothing lost, no first delivery out of order."""
        return not (self.lost or self.reordered)


def judged(sent: dict[int, int], came: Iterable[tuple[int, int]]) -> Verdict:
    """Return the verdict on what came.

    Args:
        sent: How many ids went into each source partition.
        came: Source partition and id of each delivery, in the order of the log.
    """
    passages = {partition: Passage() for partition in sent}
    for partition, number in came:
        passages[partition].take(number)
    lost = [
        f"{partition}/{number}"
        for partition, passage in passages.items()
        for number in passage.lost(sent[partition])
    ]
    late = [
        f"{partition}/{number}"
        for partition, passage in passages.items()
        for number in passage.late
    ]
    return Verdict(
        sum(sent.values()),
        len(lost),
        sum(passage.doubled for passage in passages.values()),
        len(late),
        tuple(lost[:FEW]),
        tuple(late[:FEW]),
    )
