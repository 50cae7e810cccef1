"""Two workers with one session: the first to write wins, nothing is doubled, nothing differs."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from standins.crashes import (
    Crash,
    Worker,
    WriteGate,
    append_unharmed,
)
from standins.races import UnevenLog, UnevenObjects, deliver, deliver_again
from standins.recordings import STAGES
from standins.undisturbed import Undisturbed, hold_to, new_system, system_that_crashes
from standins.waiting import until

from rhapsode.storage.memory.groups import MemoryGroups
from rhapsode.storage.memory.log import MemoryLog
from rhapsode.topologies.testing import PARTITIONS


def hold_to_troubles(worker: Worker, *allowed: str) -> None:
    """Allow a worker no trouble but these, such as that another was first."""
    assert worker.bugs == []
    assert {kind for _, kind in worker.counts.troubles} <= set(allowed)


@pytest.mark.parametrize("name", STAGES)
@settings(max_examples=5, deadline=None)
@given(seed=st.integers(0, 2**32), late=st.integers(0, 12))
async def test_two_workers_that_race_over_a_session_write_what_one_would(
    undisturbed: dict[str, Undisturbed], name: str, seed: int, late: int
) -> None:
    log = UnevenLog(seed)
    system = new_system(log=log, store=UnevenObjects(log))
    await system.declare()
    stage = STAGES[name]
    was = undisturbed[name]
    for batch in was.given(stage):
        await append_unharmed(log, batch)
    workers = [Worker(stage, system), Worker(stage, system)]
    coming = was.coming(stage, seed)
    await deliver(log, coming[:late], workers[0])
    await deliver_again(log, stage.sources, PARTITIONS, workers[1])
    await deliver(log, coming[late:], *workers)
    await until(lambda: all(worker.ended() for worker in workers), 30.0)
    for worker in workers:
        await worker.runner.drop()
        hold_to_troubles(worker, "reload")
    await hold_to(was, stage, system)


@pytest.mark.parametrize("name", STAGES)
@pytest.mark.parametrize("writes", [1, 6])
async def test_a_worker_thought_dead_that_wakes_up_changes_nothing(
    undisturbed: dict[str, Undisturbed], name: str, writes: int
) -> None:
    gate = WriteGate()
    system = system_that_crashes(gate)
    assert isinstance(system.log, MemoryLog)
    groups = MemoryGroups(system.log)
    await system.declare()
    stage = STAGES[name]
    was = undisturbed[name]
    for batch in was.given(stage):
        await append_unharmed(system.log, batch)
    await groups.claim(name, 1, range(PARTITIONS))
    asleep = Worker(stage, system, generation=1)
    gate.set_to(Crash(writes))
    await deliver(system.log, was.coming(stage), asleep)
    await until(lambda: gate.crashed)
    gate.set_to(None)  # who sleeps in the middle of a write sleeps on
    await groups.claim(name, 2, range(PARTITIONS))
    heir = Worker(stage, system, generation=2)
    await deliver_again(system.log, stage.sources, PARTITIONS, heir)
    await until(heir.ended, 30.0)
    await hold_to(was, stage, system)
    gate.woken.set()
    await until(lambda: not asleep.runner.held_bytes, 30.0)
    await asleep.runner.drop()
    await heir.runner.drop()
    # what it had in hand apart from that write was written while the heir was at work
    hold_to_troubles(heir, "reload")
    hold_to_troubles(asleep, "reload", "fenced")
    await hold_to(was, stage, system)
