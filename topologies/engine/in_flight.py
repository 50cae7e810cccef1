"""What was delivered and is not done: how far it is committed, and what a stop does to it."""

import asyncio
from collections.abc import Coroutine, Iterable, Iterator, Mapping
from itertools import takewhile
from time import monotonic
from typing import Any, cast

from faust.exceptions import ProducerSendError
from faust.types import TP
from mode import Service

from ...storage.log import Fence, FencedError, UnreachableError
from .late_commits import LateCommits
from .membership import Membership
from .owned_partitions import OwnedPartitions
from .producer import Producer
from .recently_sent import KEPT_S

STOPPING_S = 2.5
"""What is in flight when an app is stopped has so long to be done."""
WAITS_S = 0.02


class InFlight(OwnedPartitions):
    """The part of a consumer that waits for acknowledgements, and commits as far as they go."""

    membership: Membership

    def __post_init__(self) -> None:
        super().__post_init__()
        late_s = self._link.commits_late_s or KEPT_S
        self._late = LateCommits(late_s if self._link.log.ends_apart else 0.0)
        self._let_go = False
        self._to_commit = asyncio.Event()
        """Set while messages are in flight, or done and not committed."""

    def _filter_tps_with_pending_acks(
        self, topics: Iterable[str | TP] | None = None
    ) -> Iterator[TP]:
        wanted = None if topics is None else set(topics)
        return (
            tp
            for tp, queue in list(self._delivered.items())
            if queue and queue[0].acked and (wanted is None or tp in wanted or tp.topic in wanted)
        )

    def _new_offset(self, tp: TP) -> int | None:
        queue = self._delivered.get(tp)
        offset: int | None = None
        while queue and queue[0].acked:
            offset = queue.popleft().offset + 1
        # upstream's own account of acknowledgements would only grow
        self._acked.pop(tp, None)
        self._acked_index.pop(tp, None)
        return offset

    async def verify_all_partitions_active(self) -> None:
        """Do nothing: upstream looks for streams that stand still, which here nothing can tell."""

    async def _add_gap(self, tp: TP, offset_from: int, offset_to: int) -> None:
        """Do nothing: only what was delivered is waited for, so gaps need no account."""

    async def wait_empty(self) -> None:
        """Wait until what is in flight is done, and no longer than a rebalance or a stop may take.

        What is not done then is not committed: it is delivered again.
        """
        stopping = self.app.should_stop
        patience_s = STOPPING_S if stopping else self.app.conf.broker_rebalance_timeout
        end_s = monotonic() + patience_s
        while self._in_flight() and not self._let_go:
            if monotonic() >= end_s:
                self.log.warning("not done in %g s, comes again: %r", patience_s, self.unacked)
                break
            await asyncio.sleep(WAITS_S)
        if stopping:
            self._let_go_of_unfinished()
        await self.commit_and_end_transactions()

    def _in_flight(self) -> bool:
        self._clean_unacked_messages()
        return bool(self._unacked_messages)

    def stop_flow(self) -> None:
        """Deliver nothing for now; at a stop, nothing more at all."""
        super().stop_flow()
        self._link.patience.hurry()
        cast("Producer", self.app.producer).hurry()
        if self.app.should_stop and not self.app.conf.stream_wait_empty:
            self._let_go_of_unfinished()

    def _let_go_of_unfinished(self) -> None:
        """Commit none of what is in flight now: agents acknowledge it as they are cancelled."""
        self._let_go = True
        for queue in self._delivered.values():
            done = list(takewhile(lambda message: message.acked, queue))
            queue.clear()
            queue.extend(done)

    # -- what is committed

    @Service.task
    async def _commit_handler(self) -> None:
        # upstream wakes up for ever, whether or not a message came
        while not self.should_stop:
            await self._to_commit.wait()
            await self.sleep(self.commit_interval)
            self._to_commit.clear()
            await self.commit()
            if self._late:
                await self._surely_or_crash(self._commit({}))
            if self._late or any(self._delivered.values()):
                self._to_commit.set()

    @Service.task
    async def _commit_livelock_detector(self) -> None:
        """Do nothing: upstream looks every few seconds at what this consumer never does."""

    async def _commit_offsets(
        self, offsets: Mapping[TP, int], start_new_transaction: bool = True
    ) -> bool:
        return await self._surely_or_crash(super()._commit_offsets(offsets, start_new_transaction))

    async def _surely_or_crash(self, commit: Coroutine[Any, Any, bool]) -> bool:
        try:
            return await commit
        except (ProducerSendError, UnreachableError) as error:
            if self.app.should_stop:
                self.log.warning(
                    "stopped without a last commit, some records come again: %s", error
                )
            else:
                await self.crash(error)
            return False

    async def _commit(self, offsets: Mapping[TP, int]) -> bool:
        """Store the offsets; on a Cluster once replicas have the outputs, or a while later.

        Raises:
            ProducerSendError, UnreachableError: as `_store`.
        """
        self._late.note(offsets)
        replicated_s = 0.0
        if self._late and self._link.log.ends_apart and not self._link.commits_late_s:
            now_s = monotonic()
            if await cast("Producer", self.app.producer).is_replicated():
                replicated_s = now_s
        return await self._store(self._late.due(replicated_s))

    async def _store(self, offsets: Mapping[TP, int]) -> bool:
        """Store the offsets under this generation's fence.

        A fenced commit stores nothing and has the member join again.

        Raises:
            ProducerSendError: a send has failed; nothing that led to it is committed.
            UnreachableError: the log is out of reach, and the app is stopping.
        """
        cast("Producer", self.app.producer).check_sent()
        by_partition: dict[int, dict[str, int]] = {}
        for tp, offset in offsets.items():
            by_partition.setdefault(tp.partition, {})[tp.topic] = offset
        fence = self.fence_of(self.app.consumer_generation_id)
        for partition, topics in by_partition.items():
            try:
                await self._link.patience.ask(
                    self._link.log.commit,
                    fence.group,
                    partition,
                    topics,
                    fence=fence,
                )
            except FencedError as error:
                self.log.warning("fenced in generation %s: %s", fence.generation, error)
                self.membership.rejoin()
                return False
        return True

    def fence_of(self, generation: int) -> Fence:
        """Return the right to write in a generation, for as long as the log loses nothing."""
        return Fence(self.app.conf.id, generation, self._log_epoch)
