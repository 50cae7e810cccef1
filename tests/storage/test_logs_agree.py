"""The log on the server and the one in memory reply alike, whatever is asked of them."""

import asyncio
from collections.abc import Awaitable, Callable
from itertools import count
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from rhapsode.storage.log import Compaction, Fence, Log, LogError, NewEntry, SequenceBatch
from rhapsode.storage.memory.groups import MemoryGroups
from rhapsode.storage.memory.log import MemoryLog
from rhapsode.storage.redis.connection import RedisConnection, RedisSettings
from rhapsode.storage.redis.embedded import EmbeddedValkey
from rhapsode.storage.redis.groups import RedisGroups
from rhapsode.storage.redis.log import RedisLog

TOPICS = st.sampled_from(["t", "u"])
COMPACTED = "c"
COMPACTIONS = st.sampled_from([Compaction(), Compaction(tombstones_kept_s=0.0)])
PARTITIONS = st.integers(0, 1)
SEQUENCES = st.sampled_from(["a", "b", "a/0", "a/1"])
REFUSALS = st.sampled_from([0.0, 0.0, 600.0])
POSITIONS = st.integers(0, 12)
FENCES = st.none() | st.builds(Fence, st.just("g"), st.integers(1, 4))
MAYBE_BYTES = st.none() | st.binary(max_size=4)
ENTRIES = st.builds(
    NewEntry,
    key=MAYBE_BYTES,
    value=MAYBE_BYTES,
    headers=st.lists(st.tuples(st.text(max_size=3), st.binary(max_size=3)), max_size=2).map(tuple),
    timestamp_ms=st.integers(0, 6000),
)
_namespaces = count()


@st.composite
def batches(draw: st.DrawFn) -> SequenceBatch:
    start = draw(POSITIONS)
    last = draw(st.sampled_from([False] * 5 + [True]))
    end = start + draw(st.integers(0 if last else 1, 4))
    values = tuple(draw(st.lists(st.binary(max_size=4), min_size=1, max_size=3)))
    sequence = draw(SEQUENCES)
    by_start, continues = draw(st.booleans()), draw(st.booleans())
    key = sequence.encode()
    topic = draw(TOPICS)
    return SequenceBatch(topic, sequence, start, end, key, values, last, by_start, continues)


class LogsAgree(RuleBasedStateMachine):
    """Makes the same calls to both logs and compares what they return or raise."""

    url = ""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.memory = MemoryLog()
        self.memory_groups = MemoryGroups(self.memory)
        connection = RedisConnection(RedisSettings(self.url, f"agree-{next(_namespaces)}"))
        self.redis = RedisLog(connection)
        self.redis_groups = RedisGroups(connection)
        self.next: dict[tuple[str, str], int] = {}

    def teardown(self) -> None:
        self.loop.run_until_complete(self.redis.close())
        self.loop.close()

    def both(self, call: Callable[[Log, Any], Awaitable[Any]]) -> Any:
        replies: list[Any] = []
        for log, groups in ((self.redis, self.redis_groups), (self.memory, self.memory_groups)):
            try:
                replies.append(self.loop.run_until_complete(_run(call(log, groups))))
            except LogError as error:
                replies.append(type(error))
        assert replies[0] == replies[1]
        return replies[0]

    @initialize()
    def declare(self) -> None:
        for topic in ("t", "u", COMPACTED):
            self.both(lambda log, _, topic=topic: log.declare(topic, 2))

    @rule(topic=TOPICS, partition=PARTITIONS, entries=st.lists(ENTRIES, max_size=4), fence=FENCES)
    def append(
        self, topic: str, partition: int, entries: list[NewEntry], fence: Fence | None
    ) -> None:
        self.both(lambda log, _: log.append(topic, partition, entries, fence=fence))

    @rule(entries=st.lists(ENTRIES, max_size=4), compaction=COMPACTIONS)
    def append_and_compact(self, entries: list[NewEntry], compaction: Compaction) -> None:
        self.both(lambda log, _: log.append(COMPACTED, 0, entries, compaction=compaction))
        self.both(lambda log, _: _read(log, {(COMPACTED, 0): 0}, 100))

    @rule(before=st.integers(0, 60))
    def trim_what_is_compacted(self, before: int) -> None:
        self.both(lambda log, _: log.trim(COMPACTED, 0, before))

    @rule(partition=PARTITIONS, batches=st.lists(batches(), max_size=4), fence=FENCES)
    def append_at(self, partition: int, batches: list[SequenceBatch], fence: Fence | None) -> None:
        self.both(lambda log, _: log.append_at(partition, batches, fence=fence))

    @rule(
        topic=TOPICS,
        sequence=SEQUENCES,
        partition=PARTITIONS,
        sizes=st.lists(st.integers(1, 3), max_size=4),
        last=st.sampled_from([False, False, True]),
        by_start=st.booleans(),
    )
    def append_what_follows(
        self,
        topic: str,
        sequence: str,
        partition: int,
        sizes: list[int],
        last: bool,
        by_start: bool,
    ) -> None:
        state = self.both(lambda log, _: log.sequence_state(topic, partition, sequence))
        start, made = state.next, list[SequenceBatch]()

        def add(size: int, values: tuple[bytes, ...], *, last: bool = False) -> None:
            made.append(
                SequenceBatch(topic, sequence, start, start + size, b"", values, last, by_start)
            )

        for size in sizes:
            add(size, (b"%d" % start,) * size)
            start += size
        if last:
            add(0, (b"end",), last=True)
        self.both(lambda log, _: log.append_at(partition, made))

    @rule(
        topic=TOPICS,
        sequence=SEQUENCES,
        partition=PARTITIONS,
        before=st.integers(-2, 3),
        size=st.integers(1, 6),
        last=st.sampled_from([False, False, True]),
    )
    def append_by_start_near_the_end(
        self, topic: str, sequence: str, partition: int, before: int, size: int, last: bool
    ) -> None:
        state = self.both(lambda log, _: log.sequence_state(topic, partition, sequence))
        start = max(0, state.next - before)
        batch = SequenceBatch(
            topic, sequence, start, start + size, b"", (b"spoken",), last, by_start=True
        )
        self.both(lambda log, _: log.append_at(partition, [batch]))

    @rule(topic=TOPICS, partition=PARTITIONS, before=st.integers(0, 60))
    def trim(self, topic: str, partition: int, before: int) -> None:
        self.both(lambda log, _: log.trim(topic, partition, before))

    @rule(partition=PARTITIONS, scope=st.sampled_from(["a", "b"]), refuse_s=REFUSALS)
    def forget(self, partition: int, scope: str, refuse_s: float) -> None:
        self.both(lambda log, _: log.forget(partition, scope, refuse_s=refuse_s))

    @rule(
        partition=PARTITIONS,
        scope=st.sampled_from(["a", "b"]),
        expected=st.sampled_from(["", "1", "2"]),
        name=st.sampled_from(["1", "2"]),
        below=st.dictionaries(TOPICS, st.integers(0, 40)),
    )
    def archive(
        self, partition: int, scope: str, expected: str, name: str, below: dict[str, int]
    ) -> None:
        self.both(lambda log, _: log.note_archived(partition, scope, expected, name, below))

    @rule(partition=PARTITIONS, topic=TOPICS, offset=st.integers(0, 40), fence=FENCES)
    def commit(self, partition: int, topic: str, offset: int, fence: Fence | None) -> None:
        self.both(lambda log, _: log.commit("g", partition, {topic: offset}, fence=fence))
        self.both(lambda log, _: log.committed("g", topic, partition))

    @rule(generation=st.integers(1, 4), partition=PARTITIONS)
    def claim(self, generation: int, partition: int) -> None:
        self.both(lambda _, groups: groups.claim("g", generation, [partition]))

    @rule(first=st.integers(0, 40), second=st.integers(0, 40), limit=st.integers(1, 9))
    def read(self, first: int, second: int, limit: int) -> None:
        self.both(lambda log, _: _read(log, {("t", 0): first, ("u", 1): second}, limit))

    @rule(
        topic=TOPICS,
        partition=PARTITIONS,
        sequence=SEQUENCES,
        start=POSITIONS,
        end=st.none() | st.integers(0, 14),
        limit=st.none() | st.integers(1, 6),
    )
    def read_sequence(
        self,
        topic: str,
        partition: int,
        sequence: str,
        start: int,
        end: int | None,
        limit: int | None,
    ) -> None:
        where = (topic, partition, sequence, start, end)
        self.both(lambda log, _: _read_sequence(log, *where, limit=limit))

    @rule(topic=TOPICS, partition=PARTITIONS, timestamp_ms=st.integers(0, 6001))
    def find_a_time(self, topic: str, partition: int, timestamp_ms: int) -> None:
        self.both(lambda log, _: log.offset_at(topic, partition, timestamp_ms))

    @invariant()
    def both_hold_the_same(self) -> None:
        for topic in ("t", "u", COMPACTED):
            self.both(lambda log, _, topic=topic: log.lag("g", topic))
            for partition in (0, 1):
                where = (topic, partition)
                self.both(lambda log, _, where=where: log.span(*where))
                self.both(lambda log, _, where=where: _read(log, {where: 0}, 1000))
        for partition in (0, 1):
            for scope in ("a", "b"):
                place = (partition, scope)
                self.both(lambda log, _, place=place: log.scope_state(*place))
                self.both(lambda log, _, place=place: log.archived(*place))


@pytest.mark.timeout(300)
def test_the_log_on_the_server_and_the_one_in_memory_agree(valkey: EmbeddedValkey):
    LogsAgree.url = valkey.url
    run_state_machine_as_test(
        LogsAgree,
        settings=settings(
            max_examples=60,
            stateful_step_count=25,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow],
        ),
    )


async def _run(call: Awaitable[Any]) -> Any:
    return await call


def _without_servers_time(found: Any) -> Any:
    # where no time was given, each log took that of its own clock
    return [
        (e.offset, e.key, e.value, e.headers, e.timestamp_ms if e.timestamp_ms <= 6000 else None)
        for e in found
    ]


async def _read(log: Log, positions: dict[tuple[str, int], int], limit: int) -> Any:
    found = await log.read(positions, limit=limit)
    return {where: _without_servers_time(entries) for where, entries in found.items()}


async def _read_sequence(log: Log, *where: Any, limit: int | None) -> Any:
    return _without_servers_time(await log.read_sequence(*where, limit=limit))
