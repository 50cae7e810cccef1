"""What a consumer owns: partitions, their positions, and Faust's questions about them."""

import asyncio
from abc import abstractmethod
from collections import deque
from collections.abc import Iterable, Mapping
from typing import Any, cast

from faust.transport import base
from faust.types import TP, Message

from ...storage.foreign_streams import usable_span
from ...storage.log import Fence, Span, TopicPartition
from .conductor import Conductor
from .late_commits import LateCommits
from .link import OWN_REPLIES, Link
from .lost_tables import LostTablesError
from .membership import Membership
from .positions import Positions
from .producer import Producer


class OwnedPartitions(base.Consumer):
    """The part of a consumer that partitions come to and go from."""

    membership: Membership
    _late: LateCommits

    def __post_init__(self) -> None:
        self._positions = Positions()
        self._highwaters: dict[TP, int] = {}
        self._log_epoch = 0
        """The log's epoch in which the positions were taken."""
        self._log_identity = ""
        """The log that this app began with, or begins anew with."""
        self._owned: set[TP] = set()
        self._given_up: set[TP] = set()
        """Owned in the generation before."""
        self._generation = 0
        self.kept: dict[TopicPartition, Fence] = {}
        """Partitions that are owned as they were in the generation before, with their new fence.

        Nobody else has had them meanwhile, so what is under way on their records may go on.
        """
        self._beside: set[TP] = set()
        """Of this process's own replies: read beside what the group assigns."""
        self._read_offset_beside: dict[TP, int] = {}
        """How far topics are read that are never committed: those of replies."""
        self._room = asyncio.Event()
        """Set once there is something to read that nobody reads yet."""
        self._reading: asyncio.Future[Any] | None = None
        """The read under way."""
        self._delivered: dict[TP, deque[Message]] = {}
        """Messages handed to streams, in order, up to the first that is not acknowledged."""

    @property
    def _link(self) -> Link:
        return cast("Link", self.transport)

    async def see_that_it_stands(self, topics: Iterable[str]) -> None:
        """Have a log that somebody has emptied hold the topics again, before its group is joined.

        Raises:
            LostTablesError: tables may hold what is gone.
        """
        link = self._link
        before, self._log_identity = self._log_identity, await link.log.identity()
        if before in {"", self._log_identity}:
            return
        if self.app.tables.changelog_topics:
            raise LostTablesError("the log was emptied")
        self.log.error("the log was emptied: beginning anew")
        for partitions in (link.partitions, cast("Producer", self.app.producer).partitions):
            partitions.clear()
        for topic in topics:
            await link.declare(topic)

    async def take(self, assigned: set[TP], generation: int) -> None:
        """Own the partitions from now on, in this generation; they are read once sought.

        Raises:
            LostTablesError: the server lost its last writes, of which tables may have been made.
        """
        epoch = self._link.log.epoch
        if self._generation and epoch != self._log_epoch:
            # partitions moved before a read has met the loss: nobody else would see to it
            await self._see_to_loss()
        follows = generation == self._generation + 1 and epoch == self._log_epoch
        kept = assigned & self._given_up if follows else set[TP]()
        self._owned, self._given_up = assigned | self._beside, set[TP]()
        self._generation, self._log_epoch = generation, epoch
        fence = Fence(self.app.conf.id, generation, epoch)
        self._late.keep(kept)
        self.kept = {(tp.topic, tp.partition): fence for tp in kept}
        self._positions.assign()
        self._delivered.clear()
        self.app.consumer_generation_id = generation
        for tp in self._owned:
            self._highwaters[tp] = (await self._span(tp)).next
        await self.on_partitions_assigned(set(self._owned), generation)

    async def _see_to_loss(self) -> None:
        """Send again what was sent and lost, and hear again the replies that are given again.

        Raises:
            LostTablesError: tables may hold what was lost; they are built at a start only.
        """
        lost = self._link.log.lost_since(self._log_epoch)
        for tp, offset in self._read_offset_beside.items():
            self._read_offset_beside[tp] = min(offset, lost.get((tp.topic, tp.partition), offset))
        await cast("Producer", self.app.producer).send_again()
        if self.app.tables.changelog_topics and not self.app.client_only:
            raise LostTablesError("the server lost its last writes")

    async def _span(self, tp: TP) -> Span:
        link = self._link
        span = await link.patience.ask(usable_span, link.log, tp.topic, tp.partition)
        # one that stands still is passed over until somebody has mended it, and is new then
        return span or Span(0, 0)

    async def give_up(self) -> None:
        """Commit what is done and own nothing; Faust clears its streams."""
        owned = set(self._owned)
        self._positions.revoke()  # what a read or seek under way brings is no longer ours
        self.app.on_rebalance_start()
        if owned:
            await self.commit()
        await self.on_partitions_revoked(owned)
        await cast("Producer", self.app.producer).hand_over()
        self._delivered.clear()
        self._owned, self._given_up = set(), owned

    async def seek_to_committed(self) -> Mapping[TP, int]:
        """Take every owned partition up where the group committed it, or where it begins.

        A group that begins with what comes commits at once where that is: whoever follows a member
        that died before its first commit must not begin later.
        """
        positions: dict[TP, int] = {}
        latest = self.app.conf.consumer_auto_offset_reset == "latest"
        assignment = self._positions.assignment
        for tp in list(self._owned):
            committed = await self._done_below(tp)
            if committed is None:
                span = await self._span(tp)
                committed = span.next if latest else span.first
                if latest and not await self._store({tp: committed}):
                    break  # fenced off: partitions have moved meanwhile
            if not self._sought(tp, committed, assignment):
                break  # partitions have moved meanwhile
            positions[tp] = committed
        self._read_anew()
        return positions

    async def _done_below(self, tp: TP) -> int | None:
        """Return up to where a partition is done; None where that is not known."""
        span = await self._span(tp)
        beside = self._read_offset_beside.get(tp)
        if beside is not None:
            return min(beside, span.next)
        done = self._late.newest(tp) or await self._committed(tp)
        # what is beyond the end is of a log that somebody has emptied since
        return None if done and done > span.next else done

    async def _committed(self, tp: TP) -> int | None:
        ask, log = self._link.patience.ask, self._link.log
        return await ask(log.committed, self.app.conf.id, tp.topic, tp.partition)

    @abstractmethod
    async def _store(self, offsets: Mapping[TP, int]) -> bool:
        """Commit offsets at once; False where this member is fenced off."""

    def read_again(self, tp: TP) -> None:
        """Read an owned partition from its beginning."""
        if tp in self._owned:
            self._sought(tp, 0, self._positions.assignment)
            self._read_anew()

    async def _seek(self, partition: TP, offset: int) -> None:
        self._sought(partition, offset, self._positions.assignment)
        self._read_anew()

    def _read_anew(self) -> None:
        """End a read that waits: it does not know of what is to be read now."""
        self._room.set()
        if self._reading is not None:
            self._reading.cancel()

    def _sought(self, tp: TP, offset: int, assignment: int) -> bool:
        if not self._positions.seek(tp, offset, assignment):
            return False
        self._delivered.pop(tp, None)
        return True

    async def seek_wait(self, partitions: Mapping[TP, int]) -> None:
        """Read on from the given offsets."""
        for tp, offset in partitions.items():
            await self.seek(tp, offset)

    def assignment(self) -> set[TP]:
        """Return the partitions owned."""
        return set(self._owned)

    def highwater(self, tp: TP) -> int:
        """Return the offset after the last one known."""
        return self._highwaters.get(tp, 0)

    async def highwaters(self, *partitions: TP) -> Mapping[TP, int]:
        """Return, fresh, the offset after the last entry of each partition."""
        for tp in partitions:
            self._highwaters[tp] = (await self._span(tp)).next
        return {tp: self._highwaters[tp] for tp in partitions}

    async def earliest_offsets(self, *partitions: TP) -> Mapping[TP, int]:
        """Return each partition's first stored offset."""
        return {tp: (await self._span(tp)).first for tp in partitions}

    async def position(self, tp: TP) -> int | None:
        """Return the offset that is delivered next; of a partition not sought yet, its first."""
        position = self._positions.get(tp)
        if position is None:
            return (await self._span(tp)).first
        return position

    def topic_partitions(self, topic: str) -> int | None:
        """Return the number of partitions of a topic that was declared."""
        return self._link.partitions.get(topic)

    def key_partition(
        self, topic: str, key: bytes | None, partition: int | None = None
    ) -> int | None:
        """Return the partition a record with this key goes to."""
        if partition is not None:
            return partition
        return cast("Producer", self.app.producer).key_partition(topic, key).partition

    async def subscribe(self, topics: Iterable[str]) -> None:
        """Take part in the topics; returns before the coming rebalance ends."""
        names = set(topics)
        for topic in names:
            await self._link.patience.ask(self._link.declare, topic)
        if self.app.client_only:
            await self._follow(names)
        else:
            own = {name for name in names if name.startswith(OWN_REPLIES)}
            await self._read_beside(own)
            self.membership.subscribe(names - own)

    async def _read_beside(self, topics: set[str]) -> None:
        """Read topics of this process's own replies, which no group shares.

        Were they the group's, the first question would begin a rebalance; and that would wait for
        the record whose agent waits for the answer.
        """
        new = {TP(topic, 0) for topic in topics} - self._beside
        self._beside |= new
        for tp in new:
            # the reply may be there before its topic is followed: nobody else's is in it
            self._read_offset_beside[tp] = (await self._span(tp)).first
        if not (new and self._generation):
            return  # they are taken with the first partitions of the group
        assignment = self._positions.assignment
        self._owned |= new
        for tp in new:
            self._sought(tp, self._read_offset_beside[tp], assignment)
        self._set_active_tps(self._owned)
        cast("Conductor", self.app.topics).take_beside(new)
        self._read_anew()

    async def _follow(self, topics: set[str]) -> None:
        """Read what comes from now on, in no group: an app that only asks reads its replies so.

        A topic of replies that is this process's own is read from its beginning.
        """
        if not self._owned:
            self._log_epoch = self._link.log.epoch
            self._positions.assign()
        for topic in topics:
            for number in range(self._link.partitions[topic]):
                tp = TP(topic, number)
                if tp not in self._owned:
                    self._owned.add(tp)
                    span = await self._span(tp)
                    # the reply may be there before its topic is followed: nobody else's is in it
                    first = span.first if topic.startswith(OWN_REPLIES) else span.next
                    self._sought(tp, first, self._positions.assignment)
        self._set_active_tps(self._owned)
        # upstream maps topics to streams once, at the start: replies to a later one would be lost
        await self.app.topics.on_client_only_start()
        self._read_anew()

    async def create_topic(
        self, topic: str, partitions: int, replication: int, **kwargs: Any
    ) -> None:
        """Declare the topic if the app may."""
        if self.app.conf.topic_allow_declare:
            await self._link.patience.ask(self._link.declare, topic, partitions)

    def _new_topicpartition(self, topic: str, partition: int) -> TP:
        return TP(topic, partition)
