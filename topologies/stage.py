"""What a topology is made of: stages, and the topics they read and write."""

from collections.abc import AsyncGenerator, AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

from ..agents.journal import History, R
from ..agents.models.model import Model
from ..agents.turns import Turns
from ..agents.voices.voice import Voice
from ..codecs.hls.grid import Grid
from ..codecs.records import SequenceRecord
from ..storage.log import Log
from ..storage.objects.store import Objects

Agent = Callable[[AsyncIterator[Any]], AsyncGenerator[tuple[SequenceRecord, ...]]]
"""Records of one session in, batches of records out.

An agent runs once for each key of its source topic and is handed that key's records in order. A
batch it yields stands in the log, each topic's share all or none, before it is resumed; a record
is done when the agent asks for the next one. It may be started anew at any record, with records
it has dealt with, and finds its cursor in what it said before (`agents.history`).
"""


@dataclass(frozen=True, slots=True)
class Parts:
    """What agents are built from; made in one place (`ops.services`)."""

    log: Log
    partitions: int
    store: Objects
    voice: Voice
    model: Model
    turns: Turns
    grid: Grid
    bit_rate: int

    def history(self, kind: type[R]) -> History[R]:
        """Return the typed lines of a topic."""
        return History(self.log, kind, self.partitions)


@dataclass(frozen=True, slots=True)
class Stage:
    """An agent with its source and sinks."""

    name: str
    source: str
    """Topic it reads."""
    sinks: tuple[str, ...]
    """Topics it writes; a record goes to the topic of its kind."""
    build: Callable[[Parts], Agent]


Topology = tuple[Stage, ...]
