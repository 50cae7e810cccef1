"""Running one agent for many sessions at once: a lane a key, none in another's way."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import aclosing
from dataclasses import dataclass, field
from time import monotonic, perf_counter
from typing import Any, Protocol

from ..codecs.encoding import MalformedError, pack, unpack
from ..codecs.records import TOPICS, DeadLetter, SequenceRecord
from ..storage.log import Fence, FencedError, Log, NewEntry, SequenceBatch, partition_of
from .stage import Agent, Stage

IDLE_S = 60.0
"""A lane without records for this long lets go of its encoder; the next record opens it again."""
MAX_HELD_BYTES = 32_000_000
"""Records delivered and not done, all lanes of a stage together; beyond it the stage reads no
more until some are done."""
RETRY_FIRST_S = 0.1
RETRY_MOST_S = 5.0
RETRY_PATIENCE_S = 600.0
"""What stays out of reach for longer is a dead letter."""
DEAD_LETTER_BYTES = 32_000


@dataclass(frozen=True, slots=True)
class Delivery:
    """A record as the engine hands it over."""

    key: bytes
    value: bytes
    partition: int
    offset: int
    fence: Fence | None
    done: Callable[[], Any]
    """Call once: every output of the record stands in the log."""


class Observer(Protocol):
    """Who counts what stages do."""

    def handled(self, stage: str, records: int, seconds: float) -> None:
        """Count records done, and the seconds an agent had them."""
        ...

    def wrote(self, stage: str, topic: str, records: int) -> None:
        """Count records that came to stand in the log."""
        ...

    def troubled(self, stage: str, kind: str) -> None:
        """Count a ``retry``, a ``dead-letter``, a ``fenced`` lane or a ``crash``."""
        ...


@dataclass(slots=True)
class _Lane:
    key: bytes
    waiting: deque[Delivery] = field(default_factory=deque[Delivery])
    handed: deque[Delivery] = field(default_factory=deque[Delivery])
    arrival: asyncio.Event = field(default_factory=asyncio.Event)
    task: asyncio.Task[None] | None = None
    trouble_since: float | None = None


class KeyedRunner:
    """Everything between the engine's deliveries and a stage's agent, once for all stages.

    Three kinds of trouble: a malformed record goes to ``dead-letter`` and the lane goes on; what
    is unreachable (``OSError``) is tried again from the first record not done, with backoff, for
    this session alone; anything else is a bug and is handed to ``crash``.
    """

    def __init__(
        self,
        stage: Stage,
        agent: Agent,
        log: Log,
        partitions: int,
        *,
        observer: Observer,
        crash: Callable[[BaseException], Any],
    ) -> None:
        self._stage = stage
        self._agent = agent
        self._kind = TOPICS[stage.source]
        self._log = log
        self._partitions = partitions
        self._observer = observer
        self._crash = crash
        self._lanes: dict[bytes, _Lane] = {}
        self._held_bytes = 0
        self._room = asyncio.Event()

    @property
    def open_lanes(self) -> int:
        """How many sessions the stage holds in memory."""
        return len(self._lanes)

    async def offer(self, delivery: Delivery) -> None:
        """Take a record over; waits while the stage holds too many."""
        while self._held_bytes >= MAX_HELD_BYTES:
            self._room.clear()
            await self._room.wait()
        self._held_bytes += len(delivery.value)
        lane = self._lanes.get(delivery.key)
        if lane is None:
            lane = self._lanes[delivery.key] = _Lane(delivery.key)
        lane.waiting.append(delivery)
        lane.arrival.set()
        if lane.task is None:
            lane.task = asyncio.create_task(
                self._drive(lane),
                name=f"{self._stage.name}:{delivery.key.decode(errors='replace')}",
            )

    async def drop(self) -> None:
        """Let go of every lane: the partitions are another's now."""
        lanes, self._lanes = list(self._lanes.values()), {}
        for lane in lanes:
            if lane.task is not None:
                lane.task.cancel()
        await asyncio.gather(
            *(lane.task for lane in lanes if lane.task is not None), return_exceptions=True
        )
        for lane in lanes:
            self._release((*lane.handed, *lane.waiting))

    def _release(self, deliveries: Iterable[Delivery]) -> None:
        self._held_bytes -= sum(len(delivery.value) for delivery in deliveries)
        if self._held_bytes < MAX_HELD_BYTES:
            self._room.set()

    async def _drive(self, lane: _Lane) -> None:
        pause = RETRY_FIRST_S
        hopeless = ""
        while True:
            try:
                if hopeless:
                    await self._bury(lane, hopeless)
                    hopeless = ""
                await self._run_agent(lane)
                pause = RETRY_FIRST_S
            except MalformedError as error:
                hopeless = str(error)
            except FencedError:
                self._observer.troubled(self._stage.name, "fenced")
                self._forget_generation(lane)
            except OSError as error:
                self._observer.troubled(self._stage.name, "retry")
                hopeless = hopeless or self._out_of_patience(lane, error)
                await asyncio.sleep(pause)
                pause = min(2 * pause, RETRY_MOST_S)
            except Exception as error:  # noqa: BLE001 - a bug: handed on to stop the stage
                self._observer.troubled(self._stage.name, "crash")
                self._crash(error)
                break
            if not (lane.waiting or lane.handed):
                break
        if self._lanes.get(lane.key) is lane:
            del self._lanes[lane.key]

    def _forget_generation(self, lane: _Lane) -> None:
        """Drop what was delivered in the generation that was fenced off, not what came since."""
        fenced = lane.handed[-1].fence
        assert fenced is not None
        gone = [
            delivery
            for delivery in (*lane.handed, *lane.waiting)
            if delivery.fence is not None and delivery.fence.generation <= fenced.generation
        ]
        lane.handed.clear()
        lane.waiting = deque(delivery for delivery in lane.waiting if delivery not in gone)
        self._release(gone)

    async def _run_agent(self, lane: _Lane) -> None:
        # what an earlier run of the agent had and did not finish comes first again
        lane.waiting.extendleft(reversed(lane.handed))
        lane.handed.clear()
        if lane.waiting:
            lane.arrival.set()
        async with aclosing(self._records(lane)) as records:
            async with aclosing(self._agent(records)) as outputs:
                async for batch in outputs:
                    await self._write(batch, lane)
            self._finish(lane)

    async def _records(self, lane: _Lane) -> AsyncGenerator[Any]:
        while True:
            self._finish(lane)
            while not lane.waiting:
                lane.arrival.clear()
                try:
                    async with asyncio.timeout(IDLE_S):
                        await lane.arrival.wait()
                except TimeoutError:
                    return
            delivery = lane.waiting.popleft()
            lane.handed.append(delivery)
            started = perf_counter()
            yield unpack(delivery.value, self._kind)
            self._observer.handled(self._stage.name, 1, perf_counter() - started)

    def _finish(self, lane: _Lane) -> None:
        if not lane.handed:
            return
        lane.trouble_since = None
        self._release(lane.handed)
        while lane.handed:
            lane.handed.popleft().done()

    async def _write(self, batch: tuple[SequenceRecord, ...], lane: _Lane) -> None:
        delivery = lane.handed[-1]
        by_partition: dict[int, list[SequenceBatch]] = {}
        for made in batches(batch):
            by_partition.setdefault(partition_of(made.key, self._partitions), []).append(made)
        for partition, group in by_partition.items():
            # a fence holds where this member owns the partition; elsewhere the place alone does
            fence = delivery.fence if partition == delivery.partition else None
            written = await self._log.append_at(partition, group, fence=fence)
            for made, new in zip(group, written, strict=True):
                if new:
                    self._observer.wrote(self._stage.name, made.topic, len(made.values))

    def _out_of_patience(self, lane: _Lane, error: OSError) -> str:
        """Return why the record in hand is given up, empty while there is patience left."""
        now = monotonic()
        lane.trouble_since = lane.trouble_since or now
        if now - lane.trouble_since <= RETRY_PATIENCE_S:
            return ""
        return f"out of reach for {RETRY_PATIENCE_S:.0f} s: {error}"

    async def _bury(self, lane: _Lane, reason: str) -> None:
        """Write the record in hand to ``dead-letter``, and let the lane go on after it."""
        if not lane.handed:
            return
        self._observer.troubled(self._stage.name, "dead-letter")
        delivery = lane.handed[-1]
        letter = DeadLetter(
            session=lane.key.decode(errors="replace").partition("/")[0][:64],
            stage=self._stage.name,
            topic=self._stage.source,
            partition=delivery.partition,
            offset=delivery.offset,
            reason=reason[:1000],
            value=delivery.value[:DEAD_LETTER_BYTES],
        )
        await self._log.append(
            DeadLetter.TOPIC, delivery.partition, [NewEntry(key=lane.key, value=pack(letter))]
        )
        self._finish(lane)


def batches(batch: tuple[SequenceRecord, ...]) -> list[SequenceBatch]:
    """Return the batch as batches; neighbours in one place (a chunk's parts) become one."""
    made: list[SequenceBatch] = []
    for record in batch:
        value = pack(record)
        last = made[-1] if made else None
        same = (
            last is not None
            and (last.topic, last.sequence) == (record.TOPIC, record.sequence)
            and (last.start, last.end) == (record.start, record.end)
            and record.end > record.start
        )
        if last is not None and same:
            made[-1] = SequenceBatch(
                topic=last.topic,
                sequence=last.sequence,
                start=last.start,
                end=last.end,
                key=last.key,
                values=(*last.values, value),
                last=last.last or record.final,
            )
        else:
            made.append(
                SequenceBatch(
                    topic=record.TOPIC,
                    sequence=record.sequence,
                    start=record.start,
                    end=record.end,
                    key=record.key.encode(),
                    values=(value,),
                    last=record.final,
                )
            )
    return made
