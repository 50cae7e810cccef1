"""Membership of a consumer group: joining, leading, noticing that partitions must move."""

import asyncio
import os
import socket
import uuid
from collections.abc import Mapping
from typing import Any, Protocol

from aiokafka.coordinator.protocol import (
    ConsumerProtocolMemberAssignment,
    ConsumerProtocolMemberMetadata,
)
from faust.types import TP

from ...storage.log import Beat, FencedError, GroupTimings, Heartbeat, UnreachableError
from .patience import COMPLAINTS

JOIN_POLL_S = 0.03
MOST_BEAT_S = 0.5
"""A worker that died is missed after two beats: Faust's own 3 s, made for Kafka, are too long."""
LEAVES_S = 1.0
"""A server that hangs is not waited for."""


class ReplacedError(Exception):
    """Another worker has joined under this one's name; the message says what to do."""


class _LeftError(Exception):
    """The member has left and must not join again."""


class Owner(Protocol):
    """The consumer, as its membership needs it."""

    app: Any
    transport: Any
    log: Any

    @property
    def should_stop(self) -> bool: ...

    async def see_that_it_stands(self, topics: set[str]) -> None: ...

    async def take(self, assigned: set[TP], generation: int) -> None: ...

    async def give_up(self) -> None: ...


class _Partitions:
    """What Faust's assignor wants to know of a cluster."""

    def __init__(self, partitions: Mapping[str, int]) -> None:
        self._partitions = partitions

    def partitions_for_topic(self, topic: str) -> set[int] | None:
        count = self._partitions.get(topic)
        return None if count is None else set(range(count))


class Membership:
    """Keeps one consumer in its group until it stops.

    Rebalances are eager, as Faust's are: every member gives up all its partitions (what was under
    way on those that it gets back goes on, `Consumer.kept`), joins the next generation and
    takes what the leader assigns with Faust's own assignor. Partitions are claimed before a
    record is read, so that the writes of an older generation are refused from then on.
    """

    def __init__(self, owner: Owner) -> None:
        self._owner = owner
        # operators see in it where a member runs
        self.member = f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:8]}"
        self._topics: set[str] = set()
        self._changed = asyncio.Event()
        self._subscribed = asyncio.Event()
        self._heartbeat: Heartbeat | None = None
        self._generation = 0
        self._told: Beat | None = None
        """What the heartbeat told last."""
        self._left = False
        self._has_joined = False
        self._asking = asyncio.Lock()
        """Held while joining is asked for: what arrived after leaving would make a member."""

    @property
    def _group(self) -> str:
        return self._owner.app.conf.id

    @property
    def _timings(self) -> GroupTimings:
        conf = self._owner.app.conf
        return GroupTimings(
            lease_s=conf.broker_session_timeout, rebalance_s=conf.broker_rebalance_timeout
        )

    @property
    def _instance(self) -> str:
        """The worker's name, which outlives the process; empty for none."""
        return self._owner.app.conf.consumer_group_instance_id or ""

    def subscribe(self, topics: set[str]) -> None:
        """Join for these topics, again if they changed."""
        if topics != self._topics:
            self._topics = topics
            self._changed.set()
        self._subscribed.set()

    def rejoin(self) -> None:
        """Have the member give up its partitions and join the next generation."""
        self._changed.set()

    async def run(self) -> None:
        """Stay a member; returns when the consumer stops.

        Raises:
            ReplacedError: another worker has joined under the same name.
            LostTablesError: the log was emptied, and the app has tables.
        """
        await self._subscribed.wait()
        self._owner.app.on_rebalance_start()
        while not (self._owner.should_stop or self._left):
            self._changed.clear()
            try:
                await self._enter_generation()
            except UnreachableError as error:
                COMPLAINTS.say("group out of reach", error)
                await asyncio.sleep(0.2)
                continue
            except FencedError:
                continue  # overtaken between assignment and claim: join the newer generation
            except _LeftError:
                return
            await self._changed.wait()
            if not self._owner.should_stop:
                await self._owner.give_up()

    async def _enter_generation(self) -> None:
        await self._owner.see_that_it_stands(self._topics)
        generation, data = await self._join()
        assignment = ConsumerProtocolMemberAssignment.decode(data)
        assigned = {
            TP(topic, partition)
            for topic, partitions in assignment.assignment
            for partition in partitions
        }
        await self._owner.transport.groups.claim(
            self._group, generation, sorted({tp.partition for tp in assigned})
        )
        self._generation = generation
        if self._told is not None:
            self._heed(self._told)  # news that came while it was joining is not told again
        self._owner.app.assignor.on_assignment(assignment)
        await self._owner.take(assigned, generation)

    async def _join(self) -> tuple[int, bytes]:
        groups = self._owner.transport.groups
        self._generation = 0
        self._told = None  # what was told before may be of a group that was forgotten since
        metadata: bytes = self._owner.app.assignor.metadata(self._topics).encode()
        beat = await self._ask_to_join(metadata)
        self._start_heartbeat()
        led = -1
        while True:
            if not beat.joined:
                beat = await self._ask_to_join(metadata)
            elif beat.state == "syncing" and beat.leader == self.member and led != beat.generation:
                led = beat.generation
                await self._lead(beat.generation)
            elif beat.state == "stable":
                data = await groups.assignment(self._group, self.member, beat.generation)
                if data is not None:
                    return beat.generation, data
            await asyncio.sleep(JOIN_POLL_S)
            beat = await groups.beat(self._group, self.member, self._timings)

    async def _ask_to_join(self, metadata: bytes) -> Beat:
        async with self._asking:
            if self._left:
                raise _LeftError
            groups = self._owner.transport.groups
            beat: Beat = await groups.join(
                self._group,
                self.member,
                metadata,
                self._timings,
                instance=self._instance,
                takes_over=not self._has_joined,
            )
            if beat.state == "replaced":
                raise ReplacedError(
                    f"another worker has joined {self._group} as {self._instance}: give each of "
                    "its workers a name of its own"
                )
            self._has_joined = True
            return beat

    async def _lead(self, generation: int) -> None:
        transport = self._owner.transport
        members = await transport.groups.members(self._group)
        if members.generation != generation:
            return
        standing = await transport.log.topics()
        transport.partitions.update(standing)
        metadata = {
            member: ConsumerProtocolMemberMetadata.decode(raw)
            for member, raw in members.metadata.items()
        }
        assignments = self._owner.app.assignor.assign(_Partitions(standing), metadata)
        await transport.groups.assign(
            self._group,
            self.member,
            generation,
            {member: assignment.encode() for member, assignment in assignments.items()},
        )

    def _start_heartbeat(self) -> None:
        if self._heartbeat is None and not self._left:
            interval = min(self._owner.app.conf.broker_heartbeat_interval, MOST_BEAT_S)
            heartbeat: Heartbeat = self._owner.transport.groups.heartbeat(
                self._group,
                self.member,
                self._timings,
                interval,
                self._on_beat,
                watched=not self._instance,
            )
            heartbeat.start()
            self._heartbeat = heartbeat

    def _on_beat(self, beat: Beat | BaseException) -> None:
        if isinstance(beat, BaseException):
            COMPLAINTS.say("heartbeat failed", beat)
            return
        self._told = beat
        self._heed(beat)

    def _heed(self, beat: Beat) -> None:
        if not self._generation:
            return  # joining now
        if beat.generation < self._generation and beat.state != "empty":
            return  # the answer to an older beat; a group that is empty was forgotten
        moved_on = beat.generation > self._generation or beat.state == "preparing"
        if moved_on or not beat.joined:
            self._changed.set()

    async def leave(self) -> None:
        """Go at once, so that the others need not wait for the lease to lapse.

        A worker with a name is waited for: it comes back to the partitions that it had.
        """
        if self._left:
            return
        self._left = True
        self._changed.set()
        if self._heartbeat is not None:
            self._heartbeat.stop()
        if self._instance:
            return
        limit_s = self._owner.transport.patience.at_most(LEAVES_S)
        try:
            async with asyncio.timeout(limit_s), self._asking:
                transport = self._owner.transport
                await transport.patience.ask(transport.groups.leave, self._group, self.member)
        except (UnreachableError, TimeoutError) as error:
            why = str(error) or f"no answer within {limit_s:.2g} s"
            self._owner.log.warning("left without a word, the lease will lapse: %s", why)
