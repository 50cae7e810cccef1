"""The consumer: reads owned partitions from stored offsets and commits what is done, no further."""

import asyncio
from collections import deque
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any, cast

from faust.types import TP, Message
from faust.types.tuples import ConsumerMessage
from mode import Service

from ...storage.log import (
    Entry,
    LogError,
    TopicPartition,
    TruncatedError,
    UnreachableError,
)
from .flow import keep_on_resume
from .in_flight import InFlight
from .link import OWN_REPLIES
from .lost_tables import LostTablesError
from .membership import Membership
from .patience import COMPLAINTS
from .positions import Fetched
from .producer import Producer
from .read_size import ReadSize
from .retention import trim_heard

RETENTION_LOOK_S = 30.0
"""Between two looks for records that are older than their topic's retention."""
LONGEST_READ_S = 10.0
"""How long a read waits for a record; it ends sooner where a partition is to be read as well."""


class Consumer(InFlight):
    """A member of the app's consumer group on the log.

    Unlike upstream it keeps, for each partition, the messages it delivered, in order, and commits
    up to the first that is not acknowledged: a slow message is never passed over. What was read is
    delivered only if the partition has not been sought since (`Positions`).
    """

    consumer_stopped_errors = (asyncio.CancelledError,)

    def __post_init__(self) -> None:
        super().__post_init__()
        keep_on_resume(self.app.flow_control)
        self._read_size = ReadSize()
        self.membership = Membership(self)

    async def on_stop(self) -> None:
        """Commit what is done and leave the group at once."""
        await super().on_stop()
        await self.membership.leave()

    @Service.task
    async def _belong(self) -> None:
        await self.membership.run()

    @Service.task
    async def _retain(self) -> None:
        retention = cast("Producer", self.app.producer).retention
        while not self.should_stop:
            await self.sleep(RETENTION_LOOK_S)
            if self.should_stop:  # which ends the sleep
                return
            retention.note_sources(list(self.app.topics))
            retention.note_tables(cast("Any", self.app.tables).values())
            link = self._link
            try:
                await retention.trim(link.log, self.app.conf.id, link.partitions, self._owned)
                await trim_heard(link.log, self._heard())
            except (LogError, UnreachableError) as error:
                COMPLAINTS.say("nothing trimmed", error)

    def _heard(self) -> dict[TP, int]:
        """Return how far this process has read its own replies."""
        replies = (tp for tp in self._owned if tp.topic.startswith(OWN_REPLIES))
        return {tp: self._read_offset.get(tp) or 0 for tp in replies}

    # -- what is read

    async def _wait_next_records(
        self,
        timeout: float,  # noqa: ASYNC109 - Faust's name
    ) -> tuple[dict[TP, list[Fetched]], set[TP]]:
        # upstream sleeps a whole second where every partition's stream is full for the moment
        if not self.flow_active:
            await self.wait(cast("Any", self.can_resume_flow))
        active = self._get_active_partitions()
        if active:
            return await self._getmany(active, timeout), active
        self._room.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(LONGEST_READ_S):
                await self._room.wait()
        return {}, active

    def on_buffer_drop(self, tp: TP) -> None:
        """Read on from a partition whose stream has room again."""
        super().on_buffer_drop(tp)
        self._read_anew()

    def resume_partitions(self, tps: Iterable[TP]) -> None:
        """Read on from partitions that were paused."""
        super().resume_partitions(tps)
        self._read_anew()

    async def _read(
        self, positions: Mapping[TopicPartition, int]
    ) -> dict[TopicPartition, list[Entry]]:
        """Wait for records from the positions; none where other partitions are to be read too."""
        limit = self._read_size.entries(positions)
        reading = asyncio.ensure_future(
            self._link.log.read(
                positions, limit=limit, timeout_s=LONGEST_READ_S, epoch=self._log_epoch
            )
        )
        self._reading = reading
        try:
            return await reading
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            return {}
        finally:
            self._reading = None

    async def _getmany(
        self,
        active_partitions: set[TP] | None,
        timeout: float,  # noqa: ASYNC109 - Faust's name
    ) -> dict[TP, list[Fetched]]:
        wanted = self._owned if active_partitions is None else active_partitions & self._owned
        positions = {
            (tp.topic, tp.partition): position
            for tp in wanted
            if (position := self._positions.get(tp)) is not None
        }
        if not positions:
            await asyncio.sleep(0.01)
            return {}
        if self._link.log.epoch != self._log_epoch:
            await self._begin_anew()
            return {}
        epochs = {TP(*place): self._positions.epoch(TP(*place)) for place in positions}
        generation = self.app.consumer_generation_id
        try:
            found = await self._read(positions)
        except UnreachableError as error:
            COMPLAINTS.say("log out of reach", error)
            await asyncio.sleep(0.2)
            return {}
        except TruncatedError:
            return {}  # the next call begins anew
        records: dict[TP, list[Fetched]] = {}
        for place, entries in found.items():
            tp = TP(*place)
            records[tp] = [Fetched(entry, epochs[tp], generation) for entry in entries]
            self._highwaters[tp] = max(self._highwaters.get(tp, 0), entries[-1].offset + 1)
            self._read_size.measure(tp.topic, entries)
        return records

    async def handled_again_from(self, tp: TP) -> int | None:
        """Return from where on a partition's records come again after a loss; None if they do not.

        They do from what is committed on, to whoever has the partition then: what they lead to is
        sent again in its order.
        """
        is_ours = tp in self._owned | self._given_up and tp not in self._read_offset_beside
        if self.app.client_only or not is_ours:
            return None
        return await self._committed(tp) or 0

    async def _begin_anew(self) -> None:
        """Take it up from what is committed: what was read or made since may be lost."""
        self.log.error("the server lost its last writes: beginning anew from what is committed")
        try:
            await self._see_to_loss()
        except LostTablesError as error:
            await self.crash(error)
            return
        if self.app.client_only:  # who asked in vain asks again
            topics = {tp.topic for tp in self._owned}
            self._owned.clear()
            await self._follow(topics)
        else:
            self._positions.revoke()
            self.membership.rejoin()

    def _to_message(self, tp: TP, record: Fetched) -> ConsumerMessage:
        entry = record.entry
        return ConsumerMessage(
            tp.topic,
            tp.partition,
            entry.offset,
            entry.timestamp_ms / 1000,
            0,
            list(entry.headers),
            entry.key,
            entry.value,
            None,
            None,
            None,
            tp,
            generation_id=record.generation,
        )

    async def _drain_messages(self, fetcher: Any) -> None:
        try:
            await self._drain(fetcher)
        except asyncio.CancelledError:
            # upstream takes a cancellation in the middle of a rebalance for a crash, a stop's too
            if not (self.app.should_stop or self.should_stop or fetcher.should_stop):
                raise

    async def _drain(self, fetcher: Any) -> None:
        # upstream wraps every message in four tasks, and seeks back to what is committed where the
        # flow was stopped, over records still in flight; here a read moves nothing
        while not (self.should_stop or fetcher.should_stop):
            records, active = await self._wait_next_records(1.0)
            for number, (tp, fetched) in enumerate(self.scheduler.iterate(records), start=1):
                if self.should_stop or fetcher.should_stop:
                    return
                if not (self.flow_active and self.app.flow_control.is_active()):
                    await asyncio.sleep(0.01)  # streams would skip it; it is read again
                    break
                if tp in active or tp in self._buffered_partitions:
                    await self._deliver(tp, fetched)
                if number % 100 == 0:
                    await asyncio.sleep(0)
            await asyncio.sleep(0)

    async def _deliver(self, tp: TP, fetched: Fetched) -> None:
        if not self._positions.expects(tp, fetched):
            return
        self.app.monitor.track_tp_end_offset(tp, self.highwater(tp))
        message = self._to_message(tp, fetched)
        if not self.app.topics.acks_enabled_for(tp.topic):
            message.acked = True  # it is never committed
            self._read_offset_beside[tp] = message.offset + 1
            in_flight = deque[Message]()  # of its own, which nobody commits from
        else:
            in_flight = self._delivered.setdefault(tp, deque())
        in_flight.append(message)
        if not await self._handed_over(tp, message):
            in_flight.remove(message)
            return
        self._to_commit.set()
        if not message.refcount and not message.acked:
            message.acked = True  # nobody subscribes to it, or it could not be decoded
        self._positions.delivered(tp, fetched)
        self._read_offset[tp] = message.offset + 1

    async def _handed_over(self, tp: TP, message: ConsumerMessage) -> bool:
        """Give a message to its streams; False where the flow was suspended meanwhile."""
        if tp not in self._buffered_partitions and self.app.flow_control.is_active():
            await self.callback(message)
            return True
        handed_over = False

        async def hand_over() -> None:
            nonlocal handed_over
            await self.callback(message)
            handed_over = True

        await self.wait_first(hand_over(), self.suspend_flow.wait())
        return handed_over
