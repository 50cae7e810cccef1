"""The producer: batches of records to the log, and no failed send forgotten."""

import asyncio
from collections.abc import Mapping
from itertools import count
from typing import Any, cast

from faust.exceptions import ImproperlyConfigured, ProducerSendError
from faust.transport import base
from faust.types.tuples import TP, RecordMetadata
from mode import Service

from ...storage.log import NewEntry, partition_of
from .link import Link
from .patience import Patience

MAX_BATCH = 200
"""Records in one append: one server-side function runs for all of them."""


def headers_as_pairs(headers: Any) -> tuple[tuple[str, bytes], ...]:
    """Return Faust's headers, a mapping or pairs, as pairs of name and bytes."""
    if not headers:
        return ()
    pairs = headers.items() if isinstance(headers, Mapping) else headers
    return tuple(
        (str(name), value if isinstance(value, bytes) else str(value).encode())
        for name, value in pairs
    )


class Producer(base.Producer):
    """Appends what the app sends, in order per partition, many records to a call."""

    def __post_init__(self) -> None:
        if self.app.conf.producer_threaded:
            raise ImproperlyConfigured("producer_threaded is of no use on redis://: leave it off")
        self._queue: asyncio.Queue[tuple[TP, NewEntry, asyncio.Future[RecordMetadata]]] = (
            asyncio.Queue(maxsize=10_000)
        )
        self._queued = 0
        self._settled = 0
        self._progress = asyncio.Condition()
        self._failure: BaseException | None = None
        self._round_robin = count()
        self._patience = Patience(lambda: self.app.should_stop)

    @property
    def _link(self) -> Link:
        return cast("Link", self.transport)

    async def create_topic(
        self, topic: str, partitions: int, replication: int, **kwargs: Any
    ) -> None:
        """Declare the topic; what Kafka asks beyond its partitions has no meaning here."""
        await self._patience.ask(self._link.declare, topic, partitions)

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
            await self._patience.ask(self._link.declare, topic)
        tp = self.key_partition(topic, key) if partition is None else TP(topic, partition)
        entry = NewEntry(
            key=key,
            value=value,
            headers=headers_as_pairs(headers),
            timestamp_ms=None if timestamp is None else int(timestamp * 1000),
        )
        sent: asyncio.Future[RecordMetadata] = asyncio.get_running_loop().create_future()
        self._queued += 1
        await self._queue.put((tp, entry, sent))
        return sent

    async def send_and_wait(self, *args: Any, **kwargs: Any) -> RecordMetadata:
        """Append the record and return its partition and offset."""
        return await (await self.send(*args, **kwargs))

    @Service.task
    async def _append(self) -> None:
        while True:  # until cancelled: what is queued at a stop is still sent
            batch = [await self._queue.get()]
            while len(batch) < MAX_BATCH and not self._queue.empty():
                batch.append(self._queue.get_nowait())
            by_partition: dict[TP, list[tuple[NewEntry, asyncio.Future[RecordMetadata]]]] = {}
            for tp, entry, sent in batch:
                by_partition.setdefault(tp, []).append((entry, sent))
            for tp, group in by_partition.items():
                await self._append_to(tp, group)
            async with self._progress:
                self._settled += len(batch)
                self._progress.notify_all()

    async def _append_to(
        self, tp: TP, group: list[tuple[NewEntry, asyncio.Future[RecordMetadata]]]
    ) -> None:
        try:
            # what did arrive, though its reply did not, is stored twice: at least once
            first = await self._patience.ask(
                self._link.log.append, tp.topic, tp.partition, [entry for entry, _ in group]
            )
        except Exception as error:  # noqa: BLE001 - handed to every sender, and to the next commit
            self._failure = error
            for _, sent in group:
                if not sent.done():
                    sent.set_exception(ProducerSendError(str(error)))
                    sent.exception()  # seen here: the next commit raises it again
            return
        for offset, (entry, sent) in enumerate(group, start=first):
            if not sent.done():
                seconds = None if entry.timestamp_ms is None else entry.timestamp_ms / 1000
                sent.set_result(
                    RecordMetadata(
                        topic=tp.topic,
                        partition=tp.partition,
                        topic_partition=tp,
                        offset=offset,
                        timestamp=seconds,
                        timestamp_type=0,
                    )
                )

    async def flush(self) -> None:
        """Wait until all that was sent before this call is stored, or has failed."""
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
        """Send what is queued, then stop."""
        await super().on_stop()
        await self._settle()

    async def _settle(self) -> None:
        # a barrier up to this moment: under constant load the queue never is empty
        barrier = self._queued
        async with self._progress:
            await self._progress.wait_for(lambda: self._settled >= barrier)

    def supports_headers(self) -> bool:
        """Say that headers travel."""
        return True
