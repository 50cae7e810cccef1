"""Every setting, with its default and what is allowed."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from ..codecs.session import Mode
from .setting_kinds import (
    Fsync,
    Port,
    Secret,
    bucket_urls,
    checked_namespace,
    host_names,
    object_host_names,
    printable_path,
    server_url,
    socket_url,
    url_path,
    web_origins,
)
from .setting_rows import PREFIX, describe, variable_of


def _state_folder() -> Path:
    home = os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    return Path(home) / "rhapsode"


def _sessions_of_this_machine() -> int:
    return 16 * (os.cpu_count() or 2)


class Settings(BaseSettings):
    """What an operator may choose; each has a default that works on one machine.

    Made from keyword arguments alone: `settings_reading` is what reads the environment.
    """

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_ignore_empty=True,
        extra="forbid",
        frozen=True,
        use_attribute_docstrings=True,
    )

    redis_url: str = ""
    """Log server: ``redis://``, ``rediss://`` or ``unix://``, its Sentinels,
    ``redis+sentinel://host:26379,host:26379/service``, or nodes of a Cluster,
    ``redis+cluster://host:6379,host:6379``; empty starts an embedded Valkey."""
    namespace: Annotated[str, AfterValidator(checked_namespace)] = "rhapsode"
    """Start of every key, so that several systems can share a server."""
    partitions: int = Field(default=8, ge=1, le=512)
    """Partitions of every topic, fixed at the first start. More: more workers can share a stage;
    fewer: less to poll and to move."""
    instance: str = Field(default="", max_length=100, pattern=r"^[A-Za-z0-9._-]*$")
    """Name of a worker that is its own among those of its stages, such as a pod's. It then comes
    back to its partitions where a restart takes less than 10 s; nobody takes them over before."""
    fsync: Fsync = "everysec"
    """Embedded Valkey: ``everysec`` may lose a second at a power cut, ``always`` loses nothing and
    costs latency, ``no`` leaves it to the kernel."""
    state: Annotated[Path, AfterValidator(printable_path)] = Field(default_factory=_state_folder)
    """Folder for what must last on this machine: the embedded log, and media without S3."""
    media: Path | None = None
    """Folder for segments and playlists; empty is ``media`` below the state folder."""
    objects: Path | None = None
    """Folder of audio files that sessions may play; empty is ``objects`` below the state folder."""
    catalogue_refresh_s: float = Field(default=60.0, ge=0.0, le=86_400.0)
    """After so long it is looked whether the catalogue's folders (``music/...``, ``stories/...``
    among the audio files) have changed; 0 for never."""
    objects_bucket: str = ""
    """Bucket of audio files that sessions may play, instead of a folder."""
    objects_mirrors: Annotated[str, AfterValidator(bucket_urls)] = ""
    """Copies of that bucket in other regions or stores, which are asked in order where it does not
    answer, separated by commas: ``https://s3.eu-west-1.amazonaws.com/music?region=eu-west-1``."""
    objects_cache_mb: int = Field(default=512, ge=0, le=10_000_000)
    """Megabytes of disk, below the state folder, for audio files that were read from a bucket or by
    URL: they start sooner, and play while their store is away. 0 keeps none."""
    object_hosts: Annotated[str, AfterValidator(object_host_names)] = "*"
    """Hosts that sessions may play files from by URL, separated by commas: ``*`` is every public
    one, a host named here may have a private address; empty is none."""
    archive: Path | None = None
    """Folder for what the log has let go of; empty is ``archive`` below the state folder."""
    archive_bucket: str = ""
    """Bucket for what the log has let go of; empty takes the one for segments, if there is one,
    under ``archive/``. It holds what was said: give it no public access."""
    s3_bucket: str = ""
    """Bucket for segments and playlists; empty keeps them in the media folder."""
    s3_endpoint_url: str = ""
    """S3 endpoint such as ``http://127.0.0.1:9000`` for MinIO; empty for AWS."""
    s3_region: str = "us-east-1"
    """Region of the bucket; MinIO takes any."""
    s3_access_key_id: str = ""
    """S3 access key; empty leaves it to the AWS environment, profile or role of this machine."""
    s3_secret_access_key: Secret = ""
    """S3 secret key, together with the access key."""
    host: str = "127.0.0.1"
    """Address the gateway listens on; loopback unless told otherwise."""
    port: Port = 8080
    """Port the gateway listens on."""
    allowed_hosts: Annotated[str, AfterValidator(host_names)] = ""
    """Names the gateway answers for apart from IP addresses and localhost, separated by commas; a
    page elsewhere could point a name of its own at this machine."""
    allowed_origins: Annotated[str, AfterValidator(web_origins)] = ""
    """Origins such as ``https://app.example``, separated by commas, whose pages may use the API;
    media may be played from everywhere."""
    require_key: Literal["auto", "always"] = "auto"
    """Who needs an API key: ``auto`` is whoever is not on this machine or comes through a proxy,
    and everybody once the gateway listens beyond loopback; ``always`` is everybody."""
    requests_a_second: float = Field(default=50.0, ge=0.1, le=100_000.0)
    """Requests of one key in a second, in the long run; media are not counted."""
    ingress_owner: str = ""
    """Id of the key that sessions from the ingress key belong to, and whose quota they use."""
    default_mode: Mode = "narrate"
    """What a prompt means where its sender does not say: ``narrate`` or ``expand``."""
    media_prefix: Annotated[str, AfterValidator(url_path)] = "/media/hls"
    """URL path of playlists and segments."""
    media_signed_hours: float = Field(default=0.0, ge=0.0, le=8_760.0)
    """Addresses of media are signed and good for so long, at most an hour more; 0 does not sign:
    then whoever knows a session's id may listen."""
    metrics_port: int = Field(default=0, ge=0, le=65_535)
    """Port of a worker's Prometheus metrics on loopback; 0 for none."""
    device_url: Annotated[str, AfterValidator(socket_url)] = ""
    """WebSocket address that devices are told at /xiaozhi/ota/, such as
    ``wss://audio.example/xiaozhi/v1/``; empty is the host that they have asked at."""
    device_protocol: int = Field(default=1, ge=1, le=3)
    """Version of the binary protocol that devices are told to use."""
    device_lead: int = Field(default=5, ge=0, le=10)
    """Frames of 60 ms that devices are sent ahead. More: less stutter; fewer: an abort is heard
    sooner. An ESP32-C3 gets at most 2."""
    most_devices: int = Field(default=2_000, ge=1, le=100_000)
    """Voice devices that one gateway serves."""
    voices: str = "auto"
    """Voices in order of preference, such as ``openai,piper,espeak``; ``auto`` takes the best
    natural one that is installed and quick enough, with espeak-ng behind it."""
    voice_slots: int = Field(default=1, ge=1, le=64)
    """Chunks that a voice speaks at once in a worker. More: more sessions at once on many cores."""
    codec_slots: int = Field(default=2, ge=1, le=64)
    """Mastering and encoding done at once in a worker. Beyond one, one is kept for audio that is
    due: a first segment does not wait for what nobody listens to yet."""
    most_sessions: int = Field(default_factory=_sessions_of_this_machine, ge=1, le=10_000)
    """Sessions in production at the same time, over all workers; others wait in line. It is fewer
    where the workers keep fewer at real time. Each takes about 5 MB; 16 a core of this machine."""
    keep_log_mb: int = Field(default=512, ge=0, le=1_000_000)
    """Megabytes of records in the log, which are memory; older ones are archived. 0: no bound."""
    keep_log_hours: float = Field(default=24.0, ge=0.0, le=87_600.0)
    """Hours after which records are archived, however few they are. 0: no bound."""
    keep_media_mb: int = Field(default=0, ge=0, le=1_000_000_000)
    """Megabytes of segments; those of the oldest sessions go first. 0: no bound."""
    keep_media_days: float = Field(default=30.0, ge=0.0, le=36_500.0)
    """Days for which a session's segments and playlists are kept after its end. 0: no bound."""
    keep_archive_mb: int = Field(default=0, ge=0, le=1_000_000_000)
    """Megabytes of archive; the oldest sessions go first, with their media. 0: no bound."""
    keep_archive_days: float = Field(default=30.0, ge=0.0, le=36_500.0)
    """Days after its end for which a session can be replayed; then it is removed, with its media.
    0: no bound."""
    keep_sessions: int = Field(default=0, ge=0, le=100_000_000)
    """Sessions that are kept; the oldest are removed first. 0: no bound."""
    openai_speech_url: Annotated[str, AfterValidator(server_url)] = ""
    """Base URL of a server with OpenAI's ``/audio/speech``, such as ``https://api.openai.com/v1``."""
    openai_speech_key: Secret = ""
    """Key for that server, if it asks for one."""
    openai_speech_model: str = "tts-1"
    """Speech model to ask that server for."""
    openai_speech_voice: str = "alloy"
    """Voice to ask that server for."""
    recogniser: Literal["auto", "openai", "whisper", "none"] = "auto"
    """What makes words of speech: ``auto`` is a server if one is set, Whisper if installed."""
    openai_transcription_url: Annotated[str, AfterValidator(server_url)] = ""
    """Base URL of an OpenAI-compatible ``/audio/transcriptions``."""
    openai_transcription_key: Secret = ""
    """Key for that server, if it asks for one."""
    openai_transcription_model: str = "whisper-1"
    """Model to ask that server for."""
    whisper_model: Path | None = None
    """Folder of a model for CTranslate2; empty is the extra's, tiny and English."""
    gtts_url: Annotated[str, AfterValidator(server_url)] = ""
    """Base URL instead of Google's, for tests with a stand-in."""
    llm_url: Annotated[str, AfterValidator(server_url)] = ""
    """Base URL of an OpenAI-compatible ``/chat/completions``; empty takes the embedded model."""
    llm_key: Secret = ""
    """Key for that server, if it asks for one."""
    llm_model: str = ""
    """Language model to ask that server for."""
    match_by: Literal["rules", "llm"] = "rules"
    """What listeners ask for in words is found by ``rules``; with ``llm`` that server and model are
    asked which of the nearest titles is meant, where the rules leave it open."""
    segment_s: float = Field(default=2.0, ge=1.0, le=6.0)
    """Seconds of an HLS segment once the ramp is over. Longer: fewer requests; shorter: late
    joiners start sooner."""
    bit_rate: int = Field(default=96_000, ge=48_000, le=192_000)
    """AAC bit rate in bits per second."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Take keyword arguments alone, so that only `settings_reading` reads the environment."""
        return (init_settings,)

    def __repr_args__(self) -> Iterator[tuple[str | None, Any]]:
        return ((row.name, row.value) for row in describe(self))

    @property
    def objects_folder(self) -> Path:
        """Where audio files are read from without a bucket."""
        return self.objects or self.state / "objects"

    @property
    def objects_cache_folder(self) -> Path:
        """Where audio files from afar are kept for the next time."""
        return self.state / "cache"

    @property
    def media_folder(self) -> Path:
        """Where media are kept without S3."""
        return self.media or self.state / "media"

    @property
    def archive_folder(self) -> Path:
        """Where the archive is without S3."""
        return self.archive or self.state / "archive"

    def environment(self) -> dict[str, str]:
        """Return the settings, secrets included, as environment variables for child processes."""
        values = {variable_of(name): getattr(self, name) for name in Settings.model_fields}
        return {name: str(value) for name, value in values.items() if value is not None}
