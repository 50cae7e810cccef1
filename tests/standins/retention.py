"""Systems whose records can be let go of, for tests of what is kept."""

from collections.abc import Mapping
from typing import Any

from rhapsode.agents.journal import Journal
from rhapsode.agents.removing import Remover
from rhapsode.agents.retaining import Retainer
from rhapsode.agents.retention import Retention
from rhapsode.agents.trimming import Trimmer
from rhapsode.codecs.records import (
    TOPICS,
    SequenceRecord,
)
from rhapsode.storage.memory.log import MemoryLog
from rhapsode.topologies.testing import PARTITIONS

from .in_memory import System

FAR_MS = 10**15
UNBOUNDED = Retention()
SEQUENCED = [topic for topic, kind in TOPICS.items() if issubclass(kind, SequenceRecord)]
TEXT = "One sentence is here. Another one follows it, and is longer.\n\nThen a third. " * 3


class Clocked(MemoryLog):
    """A log whose every write has a time of its own."""

    def __init__(self) -> None:
        self.now_ms = 1_700_000_000_000

        def tick() -> int:
            self.now_ms += 10
            return self.now_ms

        super().__init__(tick)


def trimmer_of(system: System, **fields: Any) -> Trimmer:
    return Trimmer(system.journal, system.archive, system.session_index, **fields)


def remover_of(system: System) -> Remover:
    return Remover(system.journal, system.store, system.archive, system.session_index)


def retainer_of(system: System, retention: Retention = UNBOUNDED) -> Retainer:
    return Retainer.on(
        system.journal,
        system.store,
        system.archive,
        system.session_index,
        system.readers,
        retention,
    )


async def told(*sessions: str) -> System:
    """Return a system that has told sessions to their end, with what an index knows of them."""
    system = System(log=Clocked())
    async with system.running():
        for session in sessions:
            await system.narrate(TEXT, session)
        await system.finished(*sessions)
    for session in sessions:
        await system.session_index.add(session, created_ms=1)
    return system


async def let_go(system: System, before_ms: float = FAR_MS) -> None:
    """Archive and trim everything."""
    trimmer = trimmer_of(system)
    for number in range(PARTITIONS):
        while await trimmer.cut(number, before_ms):
            pass


async def everything(journal: Journal, whole: Mapping[tuple[str, str], Any]) -> dict[Any, Any]:
    """Return what is read of the sequences, as their entries' values."""
    found: dict[Any, Any] = {}
    for topic, sequence in whole:
        kind = TOPICS[topic]
        assert issubclass(kind, SequenceRecord)
        entries = await journal.of(kind).entries(sequence, 0)
        found[topic, sequence] = [entry.value for entry in entries]
    return found


async def spans(system: System) -> set[int]:
    """Return how many entries the partitions hold."""
    found = [
        await system.log.span(topic, number) for topic in SEQUENCED for number in range(PARTITIONS)
    ]
    return {span.next - span.first for span in found}
