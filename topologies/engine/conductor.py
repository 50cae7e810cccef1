"""The conductor, which hands each record to the streams of its topic."""

from collections.abc import Iterable
from typing import Any, cast

from faust.transport import base
from faust.types import TP


class Conductor(base.Conductor):
    """Faust's conductor, quicker to see a new topic than its 45 seconds."""

    _resubscribe_sleep_lock_seconds: float = 0.2

    async def _update_indices(self) -> Iterable[str]:
        found: Iterable[str] = await super()._update_indices()
        # the stream of replies holds its last one for ever: nobody must wait for it to be done
        self._acking_topics -= {
            topic for topic in self._acking_topics if self._is_of_replies(topic)
        }
        return found

    def _is_of_replies(self, topic: str) -> bool:
        return topic.startswith(self.app.conf.reply_to_prefix)

    def add(self, topic: Any) -> None:
        """Register a topic; one whose partitions are read already gets their records from now on.

        Upstream takes it in at the next rebalance. And it listens to replies three seconds after
        the first question: they are read again from the first one then, by that stream alone.
        """
        super().add(topic)
        if topic.active_partitions is not None:
            return
        for tp, channels in self._tp_index.items():
            if tp.topic not in topic.topics:
                continue
            replies = self._is_of_replies(tp.topic) and topic.is_iterator
            if replies:
                self._topics -= channels - {topic}
                channels.clear()
            channels.add(topic)
            self._tp_to_callback[tp] = self._build_handler(tp, cast("Any", channels))
            if replies:
                cast("Any", self.app.consumer).read_again(tp)

    def take_beside(self, tps: Iterable[TP]) -> None:
        """Hand records of partitions that are read from now on to the streams of their topics."""
        for tp in tps:
            self._tp_index[tp] |= {topic for topic in self._topics if tp.topic in topic.topics}
        self._update_callback_map()
