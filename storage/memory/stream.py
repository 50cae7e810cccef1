"""A partition in memory."""

from bisect import bisect_left
from collections import deque
from dataclasses import dataclass, field
from operator import attrgetter

from ..entries import Entry

_offset_of = attrgetter("offset")


@dataclass(slots=True)
class Stream:
    """Entries by offset, of which compaction may have removed some."""

    entries: list[Entry] = field(default_factory=list[Entry])
    next: int = 0
    """Offset of the next entry."""
    newest: dict[bytes, int] = field(default_factory=dict[bytes, int])
    """By key, the offset of its newest entry of those that were compacted."""
    tombstones: deque[tuple[float, int, bytes]] = field(
        default_factory=deque[tuple[float, int, bytes]]
    )
    """When it was appended (ms), at which offset, for which key."""

    @property
    def first(self) -> int:
        """Offset of the first entry that is kept."""
        return self.entries[0].offset if self.entries else self.next

    def index(self, offset: int) -> int:
        """Return where the first entry at or after an offset is."""
        return bisect_left(self.entries, offset, key=_offset_of)

    def append(self, entry: Entry) -> None:
        """Add an entry, whose offset is the next one."""
        self.entries.append(entry)
        self.next = entry.offset + 1

    def compact(self, now_ms: float) -> None:
        """Remove what the last entry supersedes."""
        entry = self.entries[-1]
        if entry.key is None:
            return
        self._remove(self.newest.get(entry.key, entry.offset))
        self.newest[entry.key] = entry.offset
        if entry.value is None:
            self.tombstones.append((now_ms, entry.offset, entry.key))

    def drop_tombstones(self, before_ms: float) -> None:
        """Remove tombstones from before a time, unless one is the last entry."""
        while self.tombstones:
            appended_ms, offset, key = self.tombstones[0]
            if appended_ms > before_ms or offset == self.next - 1:
                return
            self.tombstones.popleft()
            if self.newest.get(key) == offset:
                del self.newest[key]
                self._remove(offset)

    def trim(self, before: int) -> None:
        """Remove entries below an offset, and what is known of their keys."""
        del self.entries[: self.index(before)]
        self.newest = {key: offset for key, offset in self.newest.items() if offset >= before}

    def lose(self, start: int) -> None:
        """Lose what follows an offset, as a killed server may."""
        del self.entries[self.index(start) :]
        self.next = min(self.next, start)
        self.newest = {key: offset for key, offset in self.newest.items() if offset < start}
        self.tombstones = deque(one for one in self.tombstones if one[1] < start)

    def _remove(self, offset: int) -> None:
        at = self.index(offset)
        if at < len(self.entries) - 1 and self.entries[at].offset == offset:
            del self.entries[at]
