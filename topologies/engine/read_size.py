"""How many entries of each partition one read may ask for, so that it brings about a megabyte."""

from collections.abc import Collection

from ...storage.log import Entry

READ_BYTES = 1_000_000
"""About how much one read may bring; records of audio are large, and come in bursts."""
MOST_ENTRIES = 500
_UNKNOWN_BYTES = 64_000.0


class ReadSize:
    """Learns the size of each topic's entries from what was read."""

    def __init__(self) -> None:
        self._mean_bytes: dict[str, float] = {}

    def entries(self, places: Collection[tuple[str, int]]) -> int:
        """Return how many entries of each partition of a topic to ask for; of unknown ones few."""
        largest = max(self._mean_bytes.get(topic, _UNKNOWN_BYTES) for topic, _ in places)
        return max(1, min(MOST_ENTRIES, int(READ_BYTES / (largest * len(places)))))

    def measure(self, topic: str, entries: list[Entry]) -> None:
        """Take the entries of a read into account; larger ones at once, smaller ones slowly."""
        size = sum(len(entry.value or b"") for entry in entries) / len(entries) + 100
        mean = self._mean_bytes.get(topic, size)
        self._mean_bytes[topic] = max(size, 0.9 * mean + 0.1 * size)
