"""How long records of a Faust topic are kept: ``app.topic(..., retention=...)``."""

from collections.abc import Iterable, Mapping
from math import inf
from time import time
from typing import Any

from faust.types import TP
from mode.utils.times import want_seconds

from ...storage.foreign_streams import usable_span
from ...storage.log import Log

HEARD_KEPT_S = 60.0


class TopicRetention:
    """Trims what is older than its topic's retention, as Kafka's ``retention.ms`` has it.

    By the records' timestamps and this worker's clock. What the app has yet to commit stays, and so
    does all of a compacted topic, whose keys bound it, but for changelogs of windows that expire.
    """

    def __init__(self) -> None:
        self._kept_s: dict[str, float] = {}
        self._sources: set[str] = set()

    def note(self, topic: str, retention: Any, *, compacting: bool) -> None:
        """Note what a topic was declared with; ``retention`` is Faust's seconds, or None."""
        if retention is not None and not compacting:
            self._kept_s[topic] = float(want_seconds(retention))

    def note_sources(self, channels: Iterable[Any]) -> None:
        """Note what the app reads, which Faust does not declare."""
        for channel in channels:
            for topic in getattr(channel, "topics", ()):
                self.note(topic, channel.retention, compacting=bool(channel.compacting))
                if channel.acks:  # else nobody commits it, as with a changelog
                    self._sources.add(topic)

    def note_tables(self, tables: Iterable[Any]) -> None:
        """Note changelogs of windowed tables: what belongs to windows that expired is not needed.

        A change belongs to a window that ends its whole length later, at most.
        """
        for table in tables:
            window = table.window
            if window is None or window.expires is None:
                continue
            length_s = getattr(window, "size", None)
            if length_s is None:
                length_s = window.before + window.after
            topic = table.changelog_topic.get_topic_name()
            self._kept_s[topic] = float(want_seconds(window.expires)) + float(length_s)

    async def trim(
        self, log: Log, group: str, partitions: Mapping[str, int], owned: Iterable[TP]
    ) -> None:
        """Trim the partitions whose number a member owns in any topic: of each somebody does.

        Raises:
            UnreachableError: the log is out of reach.
        """
        numbers = {tp.partition for tp in owned}
        for topic, kept_s in self._kept_s.items():
            for number in sorted(numbers & set(range(partitions.get(topic, 0)))):
                before: float = inf
                if topic in self._sources:  # whoever has the partition now
                    before = await log.committed(group, topic, number) or 0
                await _trim(log, TP(topic, number), kept_s, before)


async def trim_heard(log: Log, heard: Mapping[TP, int]) -> None:
    """Trim a process's own replies up to offsets that it has read: nobody else reads them.

    Those of the last minute stay: upstream hears the first ones again.

    Raises:
        UnreachableError: the log is out of reach.
    """
    for tp, offset in heard.items():
        await _trim(log, tp, HEARD_KEPT_S, offset)


async def _trim(log: Log, tp: TP, kept_s: float, before: float = inf) -> None:
    """Trim what is older than that, up to an offset."""
    span = await usable_span(log, tp.topic, tp.partition)
    if span is None:
        return
    old = await log.offset_at(tp.topic, tp.partition, int(1000 * (time() - kept_s)))
    if (until := int(min(old, before))) > span.first:
        await log.trim(tp.topic, tp.partition, until)
