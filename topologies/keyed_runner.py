"""Running one agent for many keys at once: each session goes at its own speed."""

import asyncio
import traceback
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from time import monotonic, perf_counter
from typing import Any

import structlog

from ..agents.idle import Idle
from ..agents.journal import Description, Journal, UnknownSessionError
from ..codecs.encoding import MalformedError, decode
from ..codecs.records import TOPICS, SequenceRecord
from ..storage.log import Fence, FencedError, ForgottenError, TopicPartition, UnusableServerError
from ..storage.objects.store import ObjectsRefusedError
from .dead_letters import dead_letter
from .delivery import Delivery, Observer
from .holding import Holding
from .keyed_records import KeyedRecords
from .stage import Agent, GivesUp, Stage
from .writing import StaleCursorError, WriteGate, write_output

IDLE_S = 20.0
"""A key without records for so long lets go of its agent; the next record starts a new one."""
RETRY_FIRST_S = 0.1
RETRY_MOST_S = 5.0
RETRY_PATIENCE_S = 600.0
"""What stays unreachable for longer is given up."""
BUG_TRIES = 2
"""What a bug stopped so often is given up: the first time it may have been the moment."""
CANCEL_AGAIN_S = 0.5
TELL_EVERY_S = 10.0
"""What is out of reach is logged at once, and then so often while something waits for it."""
OUT_OF_REACH = (OSError, UnusableServerError, ObjectsRefusedError)
"""What may be mended while the record waits: a server away, full, or not set up yet."""
MOST_RELOADS = 20
"""An agent that yields the same stale record so often does not read its cursor."""
log = structlog.get_logger()


@dataclass(slots=True)
class _Key:
    """One key's records and the task that runs the agent on them."""

    key: bytes
    records: KeyedRecords = field(default_factory=KeyedRecords)
    task: asyncio.Task[None] | None = None
    trouble_since: float | None = None
    reloads: int = 0
    """In a row, for one stale record; who only loses a race yields a later one each time."""
    stale_at: tuple[str, str, int] | None = None
    pause_s: float = RETRY_FIRST_S
    bugs: int = 0
    """In a row."""
    given_up: str = ""
    """Why the record in hand is to be dead-lettered; empty where it is not."""
    ends: str = ""
    """What its session is told, where that ends with it."""

    @property
    def session(self) -> str:
        return self.key.decode(errors="replace").partition("/")[0]


class KeyedRunner:
    """Everything between the engine's deliveries and a stage's agent, once for all stages.

    Trouble is told apart here. A malformed record is dead-lettered and the key goes on. What is
    unreachable (``OSError``) is tried again from the first record not done, with backoff, for this
    key alone, and given up in the end. What somebody else wrote first makes the agent read its
    cursor again. Anything else is a bug: it is tried once more and then given up. What is given up
    becomes a dead letter and ends its session with the reason, if the agent tells how (`GivesUp`);
    other keys never notice.

    Args:
        on_bug: Called with every bug.
    """

    def __init__(
        self,
        stage: Stage,
        agent: Agent,
        journal: Journal,
        *,
        observer: Observer,
        on_bug: Callable[[BaseException], Any] | None = None,
    ) -> None:
        self._stage = stage
        self._agent = agent
        self._journal = journal
        self._observer = observer
        self._on_bug = on_bug
        self._keys: dict[bytes, _Key] = {}
        self._holding = Holding()
        self._writes = WriteGate()
        self._told_s = float("-inf")

    @property
    def open_keys(self) -> int:
        """How many keys the stage holds in memory."""
        return len(self._keys)

    @property
    def held_bytes(self) -> int:
        """Bytes of records delivered and not done."""
        return self._holding.bytes_held

    async def offer(self, delivery: Delivery) -> None:
        """Take a record over; waits while the stage holds too many."""
        known = self._keys.get(delivery.key)
        if known is not None and known.records.has(delivery):
            return
        delivery = await self._holding.take(delivery)
        key = self._keys.get(delivery.key)
        if key is None:
            key = self._keys[delivery.key] = _Key(delivery.key)
        key.records.add(delivery)
        if key.task is None:
            name = f"{self._stage.name}:{delivery.key.decode(errors='replace')}"
            key.task = asyncio.create_task(self._drive(key), name=name)

    async def suspend(self) -> None:
        """Write nothing until `resume` or `drop`, as partitions may move; agents work on."""
        await self._writes.close()

    async def resume(self, fences: Mapping[TopicPartition, Fence]) -> None:
        """Go on with the keys of these partitions, under these fences; let go of all others.

        What was delivered and is not committed comes again, and is told apart (`offer`).
        """
        others = [key for key in self._keys.values() if not key.records.lies_in(fences)]
        await self._let_go_of(others)
        for key in self._keys.values():
            key.records.renew(fences)
        self._writes.open()

    async def drop(self) -> None:
        """Let go of every key: the partitions are another's now."""
        await self._let_go_of(list(self._keys.values()))
        self._writes.open()

    async def _let_go_of(self, keys: Sequence[_Key]) -> None:
        for key in keys:
            self._keys.pop(key.key, None)
        tasks = {key.task for key in keys if key.task is not None}
        while tasks:
            for task in tasks:
                task.cancel()  # again, for one may be lost in `wait_for` before Python 3.12
            _, tasks = await asyncio.wait(tasks, timeout=CANCEL_AGAIN_S)
        for key in keys:
            self._holding.release(key.records)

    async def _drive(self, key: _Key) -> None:
        """Run the agent again and again, until nothing is left."""
        while key.records:
            await self._attempt(key)
        if self._keys.get(key.key) is key:
            del self._keys[key.key]

    async def _attempt(self, key: _Key) -> None:
        """Run the agent until it ends or something is wrong."""
        try:
            if key.given_up:
                await self._give_up(key)
            await self._run_agent(key)
            key.pause_s, key.bugs = RETRY_FIRST_S, 0
        except (MalformedError, UnknownSessionError) as error:
            key.given_up, key.ends = str(error), ""
        except ForgottenError:  # the session was deleted, or lost whole: nobody waits for it
            key.given_up = key.ends = ""
            key.records.hand_over_one()
            self._finish(key)
        except FencedError:
            self._observer.troubled(self._stage.name, "fenced")
            self._holding.release(key.records.forget_generation())
        except OUT_OF_REACH as error:
            self._observer.troubled(self._stage.name, "retry")
            self._say_that_it_waits(key, error)
            self._lose_patience(key, error)
            await self._pause(key)
        except StaleCursorError as error:
            self._observer.troubled(self._stage.name, "reload")
            key.reloads = key.reloads + 1 if error.place == key.stale_at else 1
            key.stale_at = error.place
            if key.reloads > MOST_RELOADS:
                await self._note_bug(key, error.__cause__ or error)
        except Exception as error:  # noqa: BLE001 - whatever it is, it concerns this key
            await self._note_bug(key, error)

    def _say_that_it_waits(self, key: _Key, error: Exception) -> None:
        now_s = monotonic()
        if now_s - self._told_s > TELL_EVERY_S:  # many keys wait for the same thing
            self._told_s = now_s
            stage, why = self._stage.name, str(error)
            log.warning("out of reach, trying again", stage=stage, session=key.session, why=why)

    async def _pause(self, key: _Key) -> None:
        await asyncio.sleep(key.pause_s)
        key.pause_s = min(2 * key.pause_s, RETRY_MOST_S)

    async def _note_bug(self, key: _Key, error: BaseException) -> None:
        stage = self._stage.name
        error.add_note(f"The stage {stage} was at work on {key.key.decode(errors='replace')!r}.")
        log.error("a bug", stage=stage, session=key.session, exc_info=error)
        self._observer.troubled(stage, "bug")
        if self._on_bug is not None:
            self._on_bug(error)
        key.bugs += 1
        key.reloads, key.stale_at = 0, None
        if key.ends:  # in giving up itself: then without an end
            key.ends = ""
        elif key.bugs >= BUG_TRIES:
            key.ends = f"a bug in the stage {stage} ({type(error).__name__})"
            key.given_up = "\n".join((key.ends, *traceback.format_exception(error)))
            key.bugs = 0
        await self._pause(key)

    async def _run_agent(self, key: _Key) -> None:
        # what an earlier run of the agent had and did not finish comes first again
        key.records.put_back()
        if not key.records:
            return
        description = await self._journal.describe(key.session)
        async with aclosing(self._records(key, description)) as records:
            async with aclosing(self._agent(description, records)) as outputs:
                async for output in outputs:
                    await self._write(output, key)
                    del output  # what waits for its next turn holds no sound
            self._finish(key)

    async def _records(self, key: _Key, description: Description) -> AsyncGenerator[Any]:
        ticks = self._stage.idle if description.record.open else None
        while True:
            if ticks is None:
                self._finish(key)
            since = monotonic()
            while not await key.records.arrived(IDLE_S if ticks is None else ticks.every_s):
                idle_s = monotonic() - since
                if ticks is None or idle_s >= ticks.settled_s:
                    self._finish(key)
                if ticks is None or idle_s >= IDLE_S:
                    return
                yield Idle(idle_s)
            self._finish(key)
            key.records.hand_over()
            taken, started = [self._decoded(await self._whole(key))], perf_counter()
            yield taken.pop()
            self._observer.handled(self._stage.name, 1, perf_counter() - started)

    async def _whole(self, key: _Key) -> Delivery:
        """Return the newest record in hand; what it holds is not kept there where it is much."""
        handed = key.records.handed
        value = await self._holding.value(self._journal.log, handed[-1])
        whole = replace(handed[-1], value=value)
        handed[-1] = self._holding.in_hand(handed[-1])
        return whole

    @staticmethod
    def _decoded(delivery: Delivery) -> Any:
        return decode(delivery.value or b"", TOPICS[delivery.topic])

    def _finish(self, key: _Key) -> None:
        if not key.records.handed:
            return
        key.trouble_since, key.bugs = None, 0
        self._holding.release(key.records.finish())

    async def _write(self, output: tuple[SequenceRecord, ...], key: _Key) -> None:
        async with self._writes:
            delivery = key.records.handed[-1] if key.records.handed else None
            await write_output(self._journal, self._stage, self._observer, output, delivery)
        key.reloads, key.stale_at = 0, None

    def _lose_patience(self, key: _Key, error: Exception) -> None:
        """Give the record in hand up where there was trouble for too long."""
        now = monotonic()
        key.trouble_since = key.trouble_since or now
        if not key.given_up and now - key.trouble_since > RETRY_PATIENCE_S:
            key.given_up = key.ends = f"unreachable for {RETRY_PATIENCE_S:.0f} s: {error}"

    async def _give_up(self, key: _Key) -> None:
        """Make the record in hand a dead letter, end its session, and let the key go on."""
        if not key.records:
            return
        key.records.hand_over_one()
        try:
            delivery = await self._whole(key)
        except MalformedError:  # trimmed meanwhile
            delivery = key.records.handed[-1]
        if key.ends and isinstance(self._agent, GivesUp):
            description = await self._journal.describe(key.session)
            answer = await self._agent.given_up(description, self._decoded(delivery), key.ends)
            await self._write(answer, key)
        self._observer.troubled(self._stage.name, "dead-letter")
        await dead_letter(self._journal.log, self._stage.name, key.session, delivery, key.given_up)
        key.given_up = key.ends = ""
        self._finish(key)
