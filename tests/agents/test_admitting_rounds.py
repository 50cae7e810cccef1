"""Every session that sleeps is looked at again and again, however many there are."""

import pytest

from rhapsode.agents.admitted import ASLEEP_S, Admitted
from rhapsode.agents.admitting import ASLEEP_A_TICK, Admitter
from rhapsode.agents.journal import Journal
from rhapsode.codecs.hls.grid import Grid
from rhapsode.storage.memory.admissions import MemoryAdmissions
from rhapsode.storage.memory.log import MemoryLog
from rhapsode.storage.memory.session_index import MemorySessionIndex

NOW_S = 1_000.0


def asleep(session: str) -> Admitted:
    long_ago_s = NOW_S - 2 * ASLEEP_S
    return Admitted(session, (0, 0), False, Grid(), long_ago_s, long_ago_s, None)


@pytest.mark.parametrize("before", [0, 1, 10, 31, 32, 33])
@pytest.mark.parametrize("count", [1, 2, 16, 31, 32, 33, 100])
def test_each_of_them_has_its_turn(count: int, before: int) -> None:
    journal = Journal(MemoryLog(), 1)
    admitter = Admitter(journal, MemoryAdmissions(), 8, MemorySessionIndex())
    admitter._admitted = {str(number): asleep(str(number)) for number in range(count)}
    admitter._turn = before
    seen: set[str] = set()
    for _ in range(2 * (count // ASLEEP_A_TICK + 2)):
        looked = [one.session for one in admitter._looked_at(NOW_S)]
        assert len(looked) == len(set(looked)) == min(count, ASLEEP_A_TICK)
        seen |= set(looked)
    assert len(seen) == count
