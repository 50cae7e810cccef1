"""The producer: batches of records to the log, and no failed send forgotten."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import count
from typing import Any, cast

from faust.exceptions import ImproperlyConfigured, ProducerSendError
from faust.streams import current_event
from faust.transport import base
from faust.types.tuples import TP, RecordMetadata
from mode import Service

from ...storage.log import Compaction, Fence, FencedError, NewEntry, partition_of
from .link import Link
from .recently_sent import Sending
from .resending import MAX_BATCH, Resending
from .retention import TopicRetention

REPLY_TO = "Faust-Ag-ReplyTo"
"""Header of a question to an agent."""
LONGEST_LOOK_S = 2.0
"""At the end of a process, or of a generation: whether what it sent last is still there."""


def headers_as_pairs(headers: Any) -> tuple[tuple[str, bytes], ...]:
    """Return Faust's headers, a mapping or pairs, as pairs of name and bytes."""
    if not headers:
        return ()
    pairs = headers.items() if isinstance(headers, Mapping) else headers
    return tuple(
        (str(name), value if isinstance(value, bytes) else str(value).encode())
        for name, value in pairs
    )


@dataclass(frozen=True, slots=True)
class _Queued:
    """A record on its way to the log, and who waits for it."""

    tp: TP
    fence: Fence | None
    sending: Sending
    sent: asyncio.Future[RecordMetadata]

    def fail(self, error: BaseException) -> None:
        if not self.sent.done():
            self.sent.set_exception(ProducerSendError(str(error)))
            self.sent.exception()  # seen here: a failure is raised again at the next commit

    def settle(self, offset: int) -> None:
        if self.sent.done():
            return
        timestamp_ms = self.sending.entry.timestamp_ms
        self.sent.set_result(
            RecordMetadata(
                topic=self.tp.topic,
                partition=self.tp.partition,
                topic_partition=self.tp,
                offset=offset,
                timestamp=None if timestamp_ms is None else timestamp_ms / 1000,
                timestamp_type=0,
            )
        )


def _source() -> tuple[TP, int] | None:
    """Return where the event lies that is being handled."""
    event = current_event()
    return None if event is None else (event.message.tp, event.message.offset)


class Producer(base.Producer):
    """Appends what the app sends, in order per partition, many records to a call."""

    def __post_init__(self) -> None:
        if self.app.conf.producer_threaded:
            raise ImproperlyConfigured("producer_threaded is of no use on redis://: leave it off")
        self._queue: asyncio.Queue[_Queued] = asyncio.Queue(maxsize=10_000)
        self._queued = 0
        self._settled = 0
        self._progress = asyncio.Condition()
        self._failure: BaseException | None = None
        self._round_robin = count()
        self.retention = TopicRetention()
        self._resending = Resending(self._link, self._handled_again_from)

    @property
    def _link(self) -> Link:
        return cast("Link", self.transport)

    @property
    def partitions(self) -> dict[str, int]:
        """Topics known to exist, with their number of partitions."""
        return self._link.partitions

    async def create_topic(
        self, topic: str, partitions: int, replication: int, **kwargs: Any
    ) -> None:
        """Declare the topic; of what Kafka asks beyond, retention has a meaning here."""
        await self._link.patience.ask(self._link.declare, topic, partitions)
        self.retention.note(
            topic, kwargs.get("retention"), compacting=bool(kwargs.get("compacting"))
        )

    def key_partition(self, topic: str, key: bytes | None) -> TP:
        """Return where a key goes: by hash, or in turn without one."""
        partitions = self._link.partitions.get(topic) or self.app.conf.topic_partitions
        number = (
            next(self._round_robin) % partitions if key is None else partition_of(key, partitions)
        )
        return TP(topic, number)

    async def send(
        self,
        topic: str,
        key: bytes | None,
        value: bytes | None,
        partition: int | None,
        timestamp: float | None,
        headers: Any,
        *,
        transactional_id: str | None = None,
    ) -> "asyncio.Future[RecordMetadata]":
        """Queue the record; the future gets its offset once it is stored."""
        if topic not in self._link.partitions:
            await self._link.patience.ask(self._link.declare, topic)
        tp = self.key_partition(topic, key) if partition is None else TP(topic, partition)
        entry = NewEntry(
            key=key,
            value=value,
            headers=headers_as_pairs(headers),
            timestamp_ms=None if timestamp is None else int(timestamp * 1000),
        )
        sent: asyncio.Future[RecordMetadata] = asyncio.get_running_loop().create_future()
        self._queued += 1
        fence = self._fence(topic, headers)
        sending = Sending(entry, _source() if fence is not None else None)
        await self._queue.put(_Queued(tp, fence, sending, sent))
        return sent

    def _fence(self, topic: str, headers: Any) -> Fence | None:
        """Return the right to send what belongs to an event or to a table.

        A worker that was thought dead and wakes up must not write between what its successor
        writes. What is sent beside events is nobody else's to send, and needs no right; nor does a
        question, as whoever asked would wait for ever.
        """
        if current_event() is None:
            if topic not in self.app.tables.changelog_topics:
                return None
        elif REPLY_TO in dict(headers or ()):
            return None
        generation = self.app.consumer_generation_id
        return cast("Any", self.app.consumer).fence_of(generation) if generation else None

    def _compaction(self, topic: str) -> Compaction | None:
        """Say how a changelog is compacted, so that a table is rebuilt from one entry a key.

        Upstream leaves out the changelogs of sets: these hold what was added and taken away.
        """
        if topic not in self.app.tables.changelog_topics:
            return None
        tables = cast("Any", self.app.tables).values()
        compacted = any(
            table.changelog_topic.get_topic_name() == topic and table.changelog_topic.compacting
            for table in tables
        )
        return Compaction() if compacted else None

    async def send_and_wait(self, *args: Any, **kwargs: Any) -> RecordMetadata:
        """Append the record and return its partition and offset."""
        return await (await self.send(*args, **kwargs))

    @Service.task
    async def _append(self) -> None:
        while True:  # until cancelled: what is queued at a stop is still sent
            batch = [await self._queue.get()]
            while len(batch) < MAX_BATCH and not self._queue.empty():
                batch.append(self._queue.get_nowait())
            groups: dict[tuple[TP, Fence | None], list[_Queued]] = {}
            for one in batch:
                groups.setdefault((one.tp, one.fence), []).append(one)
            for (tp, fence), group in groups.items():
                await self._append_to(tp, fence, group)
            async with self._progress:
                self._settled += len(batch)
                self._progress.notify_all()

    async def _append_to(self, tp: TP, fence: Fence | None, group: list[_Queued]) -> None:
        try:
            first = await self._resending.append(
                tp,
                [one.sending for one in group],
                fence=fence,
                compaction=self._compaction(tp.topic),
                # changelogs are where what led to them is, and are lost with its commits
                keep=tp.topic not in self.app.tables.changelog_topics,
            )
        except Exception as error:  # noqa: BLE001 - handed to every sender, and to the next commit
            if not isinstance(error, FencedError):
                self._failure = error
            # fenced, its event is another's: that one sends it
            for one in group:
                one.fail(error)
            return
        for offset, one in enumerate(group, start=first):
            one.settle(offset)

    async def _handled_again_from(self, tp: TP) -> int | None:
        return await cast("Any", self.app.consumer).handled_again_from(tp)

    async def send_again(self) -> None:
        """Store again what was lost, where nobody else does (`Resending`)."""
        await self._resending.send_again()

    @Service.task
    async def _watch_what_was_sent(self) -> None:
        await self._resending.watch()

    def hurry(self) -> None:
        """Bound how long is waited for what is being sent, where the app is stopping."""
        self._link.patience.hurry()

    async def flush(self) -> None:
        """Wait until all that was sent before this call is stored, or has failed."""
        self.hurry()
        await self.buffer.flush()
        await self._settle()

    def check_sent(self) -> None:
        """Make sure that nothing was lost on the way; upstream only logs it.

        Raises:
            ProducerSendError: a send has failed since the last call, so nothing that led to it may
                be committed.
        """
        failure, self._failure = self._failure, None
        if failure is not None:
            raise ProducerSendError(f"a record could not be appended: {failure}") from failure

    async def on_stop(self) -> None:
        """Send what is queued, and what was lost meanwhile, then stop."""
        await super().on_stop()
        await self._settle()
        await self._resending.see_that_it_stands(self._link.patience.at_most(LONGEST_LOOK_S))

    async def is_replicated(self) -> bool:
        """Return whether replicas have what was sent, as far as there are any."""
        return await self._resending.is_replicated()

    async def hand_over(self) -> None:
        """Have what was sent last stand before another worker sends what follows it.

        On a Cluster what a master has not told its replica is lost with it: sent again behind what
        another has sent meanwhile, it would be out of order.
        """
        if self._link.log.ends_apart:
            half_s = self.app.conf.broker_rebalance_timeout / 2
            # what commits late writes past its producer, too
            every = range(self.app.conf.topic_partitions if self._link.commits_late_s else 0)
            await self._resending.see_that_it_stands(min(LONGEST_LOOK_S, half_s), every)

    async def _settle(self) -> None:
        # a barrier up to this moment: under constant load the queue never is empty
        barrier = self._queued
        async with self._progress:
            await self._progress.wait_for(lambda: self._settled >= barrier)

    def supports_headers(self) -> bool:
        """Say that headers travel."""
        return True
