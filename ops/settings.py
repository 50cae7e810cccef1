"""Every setting, read from the environment once; nothing else reads it."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, get_args, get_type_hints

from ..codecs.records import Mode
from ..storage.names import check_namespace

PREFIX = "RHAPSODE_"


class SettingsError(ValueError):
    """One or more settings are wrong; the message names them all."""


def _state_folder() -> Path:
    home = os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    return Path(home) / "rhapsode"


@dataclass(frozen=True, slots=True)
class Settings:
    """What an operator may choose; each has a default that works on one machine."""

    redis_url: str = ""
    """``redis://``, ``rediss://`` or ``unix://``; empty starts the embedded Valkey."""
    namespace: str = "rhapsode"
    """Start of every key, so that several systems can share a server."""
    partitions: int = 8
    """Partitions of every topic, fixed at first start. More: more workers can share a stage;
    fewer: less to poll and to move."""
    fsync: str = "everysec"
    """Embedded Valkey: ``everysec`` may lose a second at a power cut, ``always`` loses nothing and
    costs latency, ``no`` leaves it to the kernel."""
    state: Path = field(default_factory=_state_folder)
    """Folder for what must last on this machine: the embedded log, media without S3."""
    media: Path | None = None
    """Folder for segments and playlists; default ``media`` below the state folder."""
    s3_bucket: str = ""
    """Bucket for segments and playlists; empty keeps them in the media folder."""
    s3_endpoint_url: str = ""
    """S3 endpoint such as ``http://127.0.0.1:9000`` for MinIO; empty for AWS."""
    s3_region: str = "us-east-1"
    s3_access_key_id: str = ""
    s3_secret_access_key: str = field(default="", repr=False)
    host: str = "127.0.0.1"
    """Address the gateway listens on; loopback unless told."""
    port: int = 8080
    default_mode: str = "narrate"
    """What a prompt means where its sender does not say: ``narrate`` or ``expand``."""
    media_prefix: str = "/media/hls"
    """URL path of playlists and segments."""
    metrics_port: int = 0
    """Port of a worker's Prometheus metrics on loopback; 0 for none."""
    voices: str = "auto"
    """Voices in order of preference, such as ``openai,piper,espeak``; ``auto`` takes the best
    natural one that is installed and quick enough, espeak-ng behind it."""
    voice_slots: int = 1
    """Chunks spoken at once in a worker. More: more sessions at once on many cores."""
    openai_speech_url: str = ""
    """Base URL of an OpenAI-compatible ``/audio/speech``, such as ``https://api.openai.com/v1``."""
    openai_speech_key: str = field(default="", repr=False)
    openai_speech_model: str = "tts-1"
    openai_speech_voice: str = "alloy"
    gtts_url: str = ""
    """Base URL instead of Google's, for tests with a stand-in."""
    llm_url: str = ""
    """Base URL of an OpenAI-compatible ``/chat/completions``; empty takes the embedded model."""
    llm_key: str = field(default="", repr=False)
    llm_model: str = ""
    segment_s: float = 2.0
    """Length of an HLS segment once the ramp is over, 1 to 6 s. Longer: fewer requests; shorter:
    late joiners start sooner."""
    bit_rate: int = 96_000
    """AAC bit rate, 48000 to 192000."""

    @property
    def media_folder(self) -> Path:
        """Where media lie without S3."""
        return self.media or self.state / "media"

    def environment(self) -> dict[str, str]:
        """Return the settings as environment variables, for child processes."""
        values = {item.name: getattr(self, item.name) for item in fields(self)}
        return {
            PREFIX + name.upper(): str(value) for name, value in values.items() if value is not None
        }


def read_settings(environment: Mapping[str, str] | None = None, **chosen: Any) -> Settings:
    """Read ``RHAPSODE_…`` variables; keyword arguments that are not None win over them.

    Raises:
        SettingsError: naming every setting that is wrong.
    """
    env = os.environ if environment is None else environment
    hints = get_type_hints(Settings)
    values: dict[str, Any] = {}
    faults: list[str] = []
    names = {item.name for item in fields(Settings)}
    for variable in sorted(env):
        name = variable.removeprefix(PREFIX).lower()
        if not variable.startswith(PREFIX) or env[variable] == "":
            continue
        if name not in names:
            faults.append(f"{variable} is no setting")
            continue
        try:
            values[name] = _converted(hints[name], env[variable])
        except ValueError:
            faults.append(f"{variable}={env[variable]!r} is no {hints[name].__name__}")
    values |= {name: value for name, value in chosen.items() if value is not None}
    settings = Settings(**values)
    faults += _faults(settings)
    if faults:
        raise SettingsError("; ".join(faults))
    return settings


def _converted(hint: Any, text: str) -> Any:
    if hint is int:
        return int(text)
    if hint is float:
        return float(text)
    if hint is str:
        return text
    return Path(text)


def _faults(settings: Settings) -> list[str]:
    bounds: tuple[tuple[str, float, float], ...] = (
        ("partitions", 1, 512),
        ("port", 0, 65_535),
        ("metrics_port", 0, 65_535),
        ("voice_slots", 1, 64),
        ("segment_s", 1.0, 6.0),
        ("bit_rate", 48_000, 192_000),
    )
    faults = [
        f"{PREFIX}{name.upper()}={getattr(settings, name)} is not between {low} and {high}"
        for name, low, high in bounds
        if not low <= getattr(settings, name) <= high
    ]
    try:
        check_namespace(settings.namespace)
    except ValueError as error:
        faults.append(f"{PREFIX}NAMESPACE: {error}")
    if settings.default_mode not in get_args(Mode):
        faults.append(
            f"{PREFIX}DEFAULT_MODE={settings.default_mode!r} is neither narrate nor expand"
        )
    if settings.fsync not in {"always", "everysec", "no"}:
        faults.append(f"{PREFIX}FSYNC={settings.fsync!r} is none of always, everysec, no")
    if not settings.media_prefix.startswith("/") or settings.media_prefix.endswith("/"):
        faults.append(f"{PREFIX}MEDIA_PREFIX must begin with '/' and not end with it")
    if bool(settings.s3_access_key_id) != bool(settings.s3_secret_access_key):
        faults.append(
            f"{PREFIX}S3_ACCESS_KEY_ID and {PREFIX}S3_SECRET_ACCESS_KEY go together: set both or "
            "neither"
        )
    return faults
