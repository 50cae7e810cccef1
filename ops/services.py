"""The one place that builds things: from settings to log, store, voices, model and parts."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar, cast

from ..agents.archive import Archive
from ..agents.catalogue import CatalogueReader
from ..agents.choose import Chooser
from ..agents.decoders.isolated import Decoders
from ..agents.journal import Journal
from ..agents.live_streams import LiveStreams
from ..agents.models.model import Model
from ..agents.piece_encoder import PieceEncoder
from ..agents.recognisers.ears import Ears
from ..agents.recognisers.recogniser import Recogniser
from ..agents.retaining import Retainer
from ..agents.retention import Retention
from ..agents.turns import Turns
from ..agents.voices.chain import Chain
from ..agents.voices.voice import VoiceFailedError
from ..codecs.session import Form, Rendition, VoiceSettings
from ..storage.access_keys import AccessKeys
from ..storage.admissions import Admissions
from ..storage.cursors import Cursors
from ..storage.log import Groups, Log
from ..storage.objects.source import ObjectSource
from ..storage.objects.store import Objects
from ..storage.opening import (
    open_access_keys,
    open_admissions,
    open_cursors,
    open_log,
    open_session_index,
)
from ..storage.session_index import SessionIndex
from ..topologies.in_memory import declare_topics
from ..topologies.registry import STAGES
from ..topologies.stage import group_id
from .listeners import Listeners
from .models import chooser_from, model_from
from .quotas import Quotas
from .recognisers import recogniser_from
from .retention import retention_from
from .sessions import Sessions
from .settings import Settings
from .stores import open_archive_store, open_live, open_objects, open_store
from .voices import voice_from

T = TypeVar("T")

CLOSED = (
    "catalogue",
    "chooser",
    "recogniser",
    "ears",
    "voice",
    "decoders",
    "live",
    "model",
    "store",
    "objects",
    "archive_store",
    "piece_encoder",
    "admissions",
    "access_keys",
    "cursors",
    "session_index",
)
"""What has a `close` of its own; the log is closed with them."""


class Services:
    """Everything a process needs, built at first use and closed together."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._built: dict[str, Any] = {}

    def _once(self, name: str, build: Callable[[], T]) -> T:
        if name not in self._built:
            self._built[name] = build()
        return cast("T", self._built[name])

    @property
    def _opened(self) -> tuple[Log, Groups]:
        settings = self.settings
        return self._once("log", lambda: open_log(settings.redis_url, settings.namespace))

    @property
    def log(self) -> Log:
        """The log."""
        return self._opened[0]

    @property
    def groups(self) -> Groups:
        """The consumer groups."""
        return self._opened[1]

    @property
    def admissions(self) -> Admissions:
        """The places in production, and the line for them."""
        settings = self.settings
        return self._once(
            "admissions", lambda: open_admissions(settings.redis_url, settings.namespace)
        )

    @property
    def most_sessions(self) -> int:
        """Sessions in production at the same time, whatever the speed."""
        return self.settings.most_sessions

    @property
    def access_keys(self) -> AccessKeys:
        """The API keys."""
        settings = self.settings
        return self._once(
            "access_keys", lambda: open_access_keys(settings.redis_url, settings.namespace)
        )

    @property
    def journal(self) -> Journal:
        """Typed access to the log."""
        return self._once(
            "journal", lambda: Journal(self.log, self.settings.partitions, archive=self.archive)
        )

    @property
    def session_index(self) -> SessionIndex:
        """Which sessions there are."""
        settings = self.settings
        return self._once(
            "session_index", lambda: open_session_index(settings.redis_url, settings.namespace)
        )

    @property
    def cursors(self) -> Cursors:
        """How far devices have come."""
        settings = self.settings
        return self._once("cursors", lambda: open_cursors(settings.redis_url, settings.namespace))

    @property
    def retention(self) -> Retention:
        """How much of what is kept, and how long."""
        return retention_from(self.settings)

    @property
    def readers(self) -> Mapping[str, Sequence[str]]:
        """By topic, the consumer groups that read it."""
        groups: dict[str, list[str]] = {}
        for stage in STAGES:
            for topic in stage.sources:
                groups.setdefault(topic, []).append(group_id(self.settings.namespace, stage.name))
        return groups

    @property
    def retainer(self) -> Retainer:
        """Who keeps them within those bounds where no worker does, and tells how much there is."""
        return self._once(
            "retainer",
            lambda: Retainer.on(
                self.journal,
                self.store,
                self.archive,
                self.session_index,
                self.readers,
                self.retention,
            ),
        )

    @property
    def archive(self) -> Archive:
        """Where records are that the log has let go of."""
        return self._once("archive", lambda: Archive(self.archive_store, self.piece_encoder))

    @property
    def piece_encoder(self) -> PieceEncoder:
        """What encodes the archive's pieces."""
        return self._once("piece_encoder", PieceEncoder)

    @property
    def archive_store(self) -> Objects:
        """Where the archive's objects are."""
        return self._once("archive_store", lambda: open_archive_store(self.settings))

    @property
    def store(self) -> Objects:
        """Where segments and playlists are stored."""
        return self._once("store", lambda: open_store(self.settings))

    @property
    def objects(self) -> ObjectSource:
        """Where audio objects are read from."""
        return self._once("objects", lambda: open_objects(self.settings))

    @property
    def catalogue(self) -> CatalogueReader:
        """The titles that listeners may ask for."""
        refresh_s = self.settings.catalogue_refresh_s
        return self._once("catalogue", lambda: CatalogueReader(self.objects, refresh_s))

    @property
    def recogniser(self) -> Recogniser | None:
        """What makes words of what listeners say; None where nothing does."""
        return self._once("recogniser", lambda: recogniser_from(self.settings))

    @property
    def ears(self) -> Ears:
        """The process that decodes what they say."""
        return self._once("ears", Ears)

    @property
    def decoders(self) -> Decoders:
        """The processes that decode foreign audio files."""
        return self._once("decoders", Decoders)

    @property
    def live(self) -> LiveStreams:
        """Streams that go on as long as their servers like."""
        return self._once("live", lambda: LiveStreams(open_live(self.settings)))

    @property
    def voice(self) -> Chain:
        """The chain of voices."""
        return self._once("voice", lambda: voice_from(self.settings))

    @property
    def model(self) -> Model:
        """The language model of ``expand``."""
        return self._once("model", lambda: model_from(self.settings))

    @property
    def chooser(self) -> Chooser | None:
        """What chooses a title where the rules leave it open; None where nothing does."""
        return self._once("chooser", lambda: chooser_from(self.settings))

    @property
    def voice_slots(self) -> int:
        """How many utterances each voice speaks at once in this process."""
        return self.settings.voice_slots

    @property
    def codec_turns(self) -> Turns:
        """Whose audio is mastered or encoded next in this process."""
        slots = self.settings.codec_slots
        return self._once("codec_turns", lambda: Turns(slots, kept=min(1, slots - 1)))

    @property
    def form(self) -> Form:
        """What sessions accepted by this process get, unless they ask for another form."""
        settings = self.settings
        return Form(
            segment_s=settings.segment_s, renditions=(Rendition(bit_rate=settings.bit_rate),)
        )

    @property
    def sessions(self) -> Sessions:
        """The door through which sessions enter."""
        return self._once(
            "sessions",
            lambda: Sessions(
                self.journal,
                self.objects,
                self.form,
                self._check_voice,
                Quotas(self.access_keys, self.journal, self.session_index),
                self.session_index,
            ),
        )

    @property
    def listeners(self) -> Listeners:
        """The door through which listeners ask."""
        return self._once("listeners", lambda: Listeners(self.sessions, self.access_keys))

    def _check_voice(self, settings: VoiceSettings) -> None:
        try:
            self.voice.check(settings)
        except VoiceFailedError as error:
            raise ValueError(str(error)) from None

    async def prepare(self) -> None:
        """Declare the topics and prepare the store, so that what is wrong is said at the start.

        Raises:
            UnreachableError, ObjectsUnreachableError: the log or the store does not answer.
            LogError, ObjectsRefusedError: it answers, and cannot or will not serve us.
        """
        await declare_topics(self.log, self.settings.partitions)
        await self.store.prepare()
        await self.archive_store.prepare()

    async def close(self) -> None:
        """Close what was built."""
        built = (self._built.get(name) for name in CLOSED)
        closing = [one.close() for one in built if one is not None]
        if "log" in self._built:
            closing.append(self.log.close())
        await asyncio.gather(*closing)
