"""Offsets that are committed a while after what was before them is done."""

from collections import deque
from collections.abc import Collection, Mapping
from time import monotonic

from faust.types import TP


class LateCommits:
    """What is done, and is to be committed once it has been done for a while.

    On a Cluster the outputs of a record may be on another master than the offset that says that it
    is done, and be lost with that master's end. As long as the offset is not committed the record
    comes again, whoever has its partition then, and its outputs are made again where they are
    missing. Consumers that leave alone what they have written already do so always; others commit
    as soon as replicas have what they sent, so that nothing comes again that need not.

    Args:
        after_s: Longer than it takes to notice that a master lost its end; 0 commits at once.
    """

    def __init__(self, after_s: float) -> None:
        self._after_s = after_s
        self._done: deque[tuple[float, Mapping[TP, int]]] = deque()

    def __bool__(self) -> bool:
        return bool(self._done)

    def note(self, offsets: Mapping[TP, int]) -> None:
        """Note up to where everything is done by now."""
        if offsets:
            self._done.append((monotonic(), offsets))

    def due(self, replicated_s: float = 0.0) -> dict[TP, int]:
        """Return, once, what is to be committed now.

        Args:
            replicated_s: Of what was noted until then (monotonic) replicas have the outputs.
        """
        until_s = max(monotonic() - self._after_s, replicated_s)
        offsets: dict[TP, int] = {}
        while self._done and self._done[0][0] <= until_s:
            offsets |= self._done.popleft()[1]
        return offsets

    def newest(self, tp: TP) -> int:
        """Return up to where a partition is done and not committed, 0 where that is not known."""
        return max((offsets.get(tp, 0) for _, offsets in self._done), default=0)

    def keep(self, partitions: Collection[TP]) -> None:
        """Forget what is of other partitions: somebody else commits it."""
        kept = (
            (at_s, {tp: offset for tp, offset in offsets.items() if tp in partitions})
            for at_s, offsets in self._done
        )
        self._done = deque((at_s, offsets) for at_s, offsets in kept if offsets)
