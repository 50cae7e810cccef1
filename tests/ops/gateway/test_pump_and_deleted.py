"""What foreign programs leave for a session that was deleted hinders nobody."""

import pytest

from rhapsode.agents.journal import Journal
from rhapsode.ops.gateway.doors import ItemDoor
from rhapsode.ops.gateway.pump import Pump
from rhapsode.ops.sessions import Sessions
from rhapsode.storage.log import partition_of
from rhapsode.storage.memory.log import MemoryLog
from rhapsode.topologies.testing import PARTITIONS, InMemorySystem


@pytest.mark.parametrize("fields", [{b"seq": b"0"}, {b"seq": b"1"}, {}, {b"last": b"1"}])
async def test_an_entry_for_it_is_refused_and_the_next_one_is_taken(
    fields: dict[bytes, bytes],
) -> None:
    log = MemoryLog()
    system = InMemorySystem(log=log)
    await system.declare()
    await system.narrate("Words.", "gone")
    await log.forget(partition_of(b"gone", PARTITIONS), "gone", refuse_s=60.0)
    for number in range(PARTITIONS):
        await log.trim("session", number, 1)
    journal = Journal(log, PARTITIONS)
    pump = Pump(log, ItemDoor(Sessions(journal, system.objects)))
    log.leave_at_ingress("text", {b"text": b"More.", b"session": b"gone", **fields})
    log.leave_at_ingress("text", {b"text": b"Hello.", b"session": b"other"})
    await pump.pump_once()
    assert (await journal.describe("other")).session == "other"
