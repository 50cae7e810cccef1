"""What a topology is made of: stages, and the topics they read and write."""

from collections.abc import (
    AsyncGenerator,
    AsyncIterator,
    Awaitable,
    Callable,
    Coroutine,
    Iterable,
    Mapping,
    Sequence,
)
from dataclasses import dataclass
from typing import Any, Literal, Protocol, runtime_checkable

from ..agents.archive import Archive
from ..agents.catalogue import CatalogueReader
from ..agents.choose import Chooser
from ..agents.decoders.isolated import Decoders
from ..agents.journal import Description, Journal
from ..agents.live_streams import LiveStreams
from ..agents.models.model import Model
from ..agents.recognisers.ears import Ears
from ..agents.recognisers.recogniser import Recogniser
from ..agents.retention import Retention
from ..agents.turns import Turns
from ..agents.voices.voice import Voice
from ..codecs.records import TOPICS, SequenceRecord
from ..storage.admissions import Admissions
from ..storage.objects.source import ObjectSource
from ..storage.objects.store import Objects
from ..storage.session_index import SessionIndex

Outputs = AsyncGenerator[tuple[SequenceRecord, ...]]
Agent = Callable[[Description, AsyncIterator[Any]], Outputs]
"""A session's description and records of one key in, tuples of records out.

An agent runs once for each key of its sources and is handed that key's records in order, and
`agents.idle.Idle` where its stage asks for it. What it yields is stored, each topic's share all or
none, before it is resumed; a record is done when the agent asks for the next one. It may be
started anew at any record, with records it has dealt with, and finds its cursor in what it wrote
before (`agents.journal`). If somebody else has written meanwhile what it yields, it is started
anew, reads what was decided, and goes on from there.
"""


@runtime_checkable
class GivesUp(Protocol):
    """An agent whose sessions end with a reason where a record of theirs is given up.

    Without it the record becomes a dead letter, and what waits for its output waits for ever.
    """

    async def given_up(
        self, session: Description, record: Any, reason: str
    ) -> tuple[SequenceRecord, ...]:
        """Return what ends the output that the record belongs to; nothing where it has ended.

        Called between two runs of the agent, so the cursor is in the log.
        """
        ...


class TopologyError(ValueError):
    """A topology names what there is not; the message says what to mend."""


class Resources(Protocol):
    """What agents are built from; `ops.services.Services` makes each thing at first use."""

    @property
    def journal(self) -> Journal:
        """The log."""
        ...

    @property
    def store(self) -> Objects:
        """Where segments and playlists are stored."""
        ...

    @property
    def objects(self) -> ObjectSource:
        """Where audio objects are read from."""
        ...

    @property
    def catalogue(self) -> CatalogueReader:
        """The titles that listeners may ask for."""
        ...

    @property
    def chooser(self) -> Chooser | None:
        """What chooses a title where the rules leave it open; None where nothing does."""
        ...

    @property
    def recogniser(self) -> Recogniser | None:
        """What makes words of what listeners say; None where nothing does."""
        ...

    @property
    def ears(self) -> Ears:
        """The process that decodes what they say."""
        ...

    @property
    def admissions(self) -> Admissions:
        """The places in production, and the line for them."""
        ...

    @property
    def most_sessions(self) -> int:
        """Sessions in production at the same time, whatever the speed."""
        ...

    @property
    def archive(self) -> Archive:
        """Where records are that the log has let go of."""
        ...

    @property
    def session_index(self) -> SessionIndex:
        """Which sessions there are."""
        ...

    @property
    def retention(self) -> Retention:
        """How much of what is kept, and how long."""
        ...

    @property
    def readers(self) -> Mapping[str, Sequence[str]]:
        """By topic, the consumer groups that read it."""
        ...

    @property
    def voice(self) -> Voice:
        """The chain of voices."""
        ...

    @property
    def decoders(self) -> Decoders:
        """The processes that decode foreign audio files."""
        ...

    @property
    def live(self) -> LiveStreams:
        """Streams that go on as long as their servers like."""
        ...

    @property
    def model(self) -> Model:
        """The language model."""
        ...

    @property
    def voice_slots(self) -> int:
        """How many utterances each voice speaks at once in this process."""
        ...

    @property
    def codec_turns(self) -> Turns:
        """Whose audio is mastered or encoded next in this process."""
        ...


@dataclass(frozen=True, slots=True)
class IdleTicks:
    """When an agent is told that nothing comes for an open session."""

    every_s: float
    settled_s: float
    """From then on the last record is done: what follows from silence has been written."""


@dataclass(frozen=True, slots=True)
class Companion:
    """What runs beside a stage, once in each process that has it, and is no stage of its own."""

    name: str
    reads: tuple[str, ...]
    sinks: tuple[str, ...]
    run: Callable[[Resources, Journal], Coroutine[Any, Any, None]]
    """Runs until it is cancelled; failures are its own to mend."""

    async def beside(self, resources: Resources) -> None:
        """Run on these resources."""
        await self.run(resources, resources.journal.limited_to({*self.reads, *self.sinks}))


@dataclass(frozen=True, slots=True)
class Stage:
    """An agent with the topics it reads and writes."""

    name: str
    sources: tuple[str, ...]
    """Topics whose records it is handed, all with the same key."""
    sinks: tuple[str, ...]
    """Topics it writes; writing to another is refused."""
    build: Callable[[Resources, Journal], Agent]
    """Makes the agent; the journal allows the stage's topics only."""
    reads: tuple[str, ...] = ()
    """Topics it looks things up in, beside those above; reading another is refused."""
    prepare: Callable[[Resources], Awaitable[None]] | None = None
    """What a worker does before the stage starts, such as loading a model."""
    idle: IdleTicks | None = None
    begins: Literal["earliest", "latest"] = "earliest"
    """Where a stage that never ran before begins: with all that is stored, or with what comes."""
    beside: Companion | None = None
    dedicated: bool = False
    """True where it keeps a processor busy: `up` gives it a process of its own."""

    def __post_init__(self) -> None:
        for role in ("sources", "sinks", "reads"):
            named = getattr(self, role)
            if not isinstance(named, tuple):
                raise TopologyError(
                    f"stage {self.name}: {role} is {named!r}, not a tuple: a single topic is "
                    f'written ("{named}",)'
                )
            for topic in named:
                if topic not in TOPICS:
                    raise TopologyError(
                        f"stage {self.name}: no record has the topic {topic!r} of its {role}: "
                        "its class is missing in codecs/records/__init__.py, or the name is wrong"
                    )
        if not self.sources:
            raise TopologyError(f"stage {self.name} has no sources: nothing would be handed to it")

    @property
    def topics(self) -> frozenset[str]:
        """Every topic the stage may read or write."""
        return frozenset((*self.sources, *self.sinks, *self.reads))

    def agent(self, resources: Resources) -> Agent:
        """Return the stage's agent on these resources."""
        return self.build(resources, resources.journal.limited_to(self.topics))


@dataclass(frozen=True, slots=True)
class Topology:
    """Stages that belong together."""

    name: str
    stages: tuple[Stage, ...]

    def __post_init__(self) -> None:
        if not isinstance(self.stages, tuple):  # pyright: ignore[reportUnnecessaryIsInstance]  # not everybody runs a type checker
            raise TopologyError(
                f"topology {self.name}: stages is no tuple: a single one is written (Stage(...),)"
            )


def group_id(namespace: str, stage: str) -> str:
    """Return the consumer group of a stage: its offsets and members go by this name."""
    return f"{namespace}-{stage}"


def companions_of(stages: Iterable[Stage]) -> list[Companion]:
    """Return what runs beside the stages, each once."""
    return list({stage.beside.name: stage.beside for stage in stages if stage.beside}.values())
