"""The one place that builds things: from settings to log, store, voices, model and parts."""

import asyncio
from functools import cached_property

from ..agents.journal import Journal
from ..agents.models.model import Model
from ..agents.models.openai import OpenAIModel
from ..agents.models.smollm2 import SmolLM2Model
from ..agents.turns import Turns
from ..agents.voices.chain import Chain
from ..agents.voices.voice import VoiceFailedError
from ..codecs.session import Form, Rendition, VoiceSettings
from ..storage.log import Groups, Log
from ..storage.objects.folder import FolderObjects
from ..storage.objects.s3 import S3Objects, S3Settings
from ..storage.objects.source import FolderSource, ObjectSource, S3Source
from ..storage.objects.store import Objects
from ..storage.opening import open_log
from ..topologies.in_memory import declare_topics
from .sessions import Sessions
from .settings import Settings
from .voices import voice_from


class Services:
    """Everything a process needs, built at first use and closed together."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    @cached_property
    def _opened(self) -> tuple[Log, Groups]:
        return open_log(self.settings.redis_url, self.settings.namespace)

    @property
    def log(self) -> Log:
        """The log."""
        return self._opened[0]

    @property
    def groups(self) -> Groups:
        """The consumer groups."""
        return self._opened[1]

    @cached_property
    def store(self) -> Objects:
        """Where segments and playlists rest."""
        settings = self.settings
        if not settings.s3_bucket:
            return FolderObjects(settings.media_folder)
        return S3Objects(self._s3(settings.s3_bucket))

    def _s3(self, bucket: str) -> S3Settings:
        settings = self.settings
        return S3Settings(
            bucket=bucket,
            endpoint_url=settings.s3_endpoint_url or None,
            region=settings.s3_region,
            access_key_id=settings.s3_access_key_id or None,
            secret_access_key=settings.s3_secret_access_key or None,
        )

    @cached_property
    def voice(self) -> Chain:
        """The chain of voices."""
        return voice_from(self.settings)

    @cached_property
    def model(self) -> Model:
        """The language model of ``expand``."""
        settings = self.settings
        if settings.llm_url:
            return OpenAIModel(settings.llm_url, settings.llm_key, settings.llm_model)
        return SmolLM2Model()

    @cached_property
    def journal(self) -> Journal:
        """Typed access to the log."""
        return Journal(self.log, self.settings.partitions)

    @cached_property
    def turns(self) -> Turns:
        """Who speaks next in this process."""
        return Turns(self.settings.voice_slots)

    @cached_property
    def objects(self) -> ObjectSource:
        """Where audio objects are read from."""
        settings = self.settings
        if settings.objects_bucket:
            return S3Source(self._s3(settings.objects_bucket))
        return FolderSource(settings.objects_folder)

    @property
    def form(self) -> Form:
        """What sessions accepted by this process get, unless they ask for another form."""
        settings = self.settings
        return Form(
            segment_s=settings.segment_s, renditions=(Rendition(bit_rate=settings.bit_rate),)
        )

    @cached_property
    def sessions(self) -> Sessions:
        """The door through which sessions enter."""
        return Sessions(self.journal, self.objects, self.form, self._check_voice)

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

    async def close(self) -> None:
        """Close what was built."""
        built = self.__dict__
        closing = [
            built[name].close() for name in ("voice", "model", "store", "objects") if name in built
        ]
        if "_opened" in built:
            closing.append(self.log.close())
        await asyncio.gather(*closing)
