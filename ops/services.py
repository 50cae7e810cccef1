"""The one place that builds things: from settings to log, store, voices, model and parts."""

import asyncio
from functools import cached_property

from ..agents.models.model import Model
from ..agents.models.openai import OpenAIModel
from ..agents.models.smollm2 import SmolLM2Model
from ..agents.turns import Turns
from ..agents.voices.voice import Voice
from ..codecs.hls.grid import Grid
from ..storage.log import Groups, Log
from ..storage.objects.folder import FolderObjects
from ..storage.objects.s3 import S3Objects, S3Settings
from ..storage.objects.store import Objects
from ..storage.opening import open_log
from ..topologies.in_memory import declare_topics
from ..topologies.stage import Parts
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
        return S3Objects(
            S3Settings(
                bucket=settings.s3_bucket,
                endpoint_url=settings.s3_endpoint_url or None,
                region=settings.s3_region,
                access_key_id=settings.s3_access_key_id or None,
                secret_access_key=settings.s3_secret_access_key or None,
            )
        )

    @cached_property
    def voice(self) -> Voice:
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
    def grid(self) -> Grid:
        """How sessions are cut into segments."""
        return Grid(segment_s=self.settings.segment_s)

    async def prepare(self) -> None:
        """Declare the topics and prepare the store, so that what is wrong is said at the start.

        Raises:
            UnreachableError, ObjectsUnreachableError: the log or the store does not answer.
            LogError, ObjectsRefusedError: it answers, and cannot or will not serve us.
        """
        await declare_topics(self.log, self.settings.partitions)
        await self.store.prepare()

    def parts(self) -> Parts:
        """Return what agents are built from."""
        return Parts(
            log=self.log,
            partitions=self.settings.partitions,
            store=self.store,
            voice=self.voice,
            model=self.model,
            turns=Turns(self.settings.voice_slots),
            grid=self.grid,
            bit_rate=self.settings.bit_rate,
        )

    async def close(self) -> None:
        """Close what was built."""
        built = self.__dict__
        closing = [built[name].close() for name in ("voice", "model", "store") if name in built]
        if "_opened" in built:
            closing.append(self.log.close())
        await asyncio.gather(*closing)
