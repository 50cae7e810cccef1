"""What a worker and a voice in a process of its own say to each other: MessagePack."""

from typing import Any, Literal

import msgspec
import numpy as np

from ...codecs.records import Word
from ...codecs.session import VoiceSettings
from .voice import (
    Spoken,
    VoiceFailedError,
    VoiceUnavailableError,
    VoiceUnreachableError,
)


class Load(msgspec.Struct, tag="load", frozen=True):
    """Make the voice and prepare it; the first request."""

    factory: str
    """Where it is made, such as ``rhapsode.agents.voices.piper:PiperVoice``."""
    options: dict[str, Any]


class Loaded(msgspec.Struct, tag="loaded", frozen=True):
    """The voice can speak."""

    real_time_factor: float
    """0 where the voice does not measure it."""


class Say(msgspec.Struct, tag="say", frozen=True):
    """Speak this."""

    text: str
    settings: VoiceSettings


class Said(msgspec.Struct, tag="said", frozen=True):
    """What the voice made of it."""

    pcm: bytes
    """Signed 16-bit little-endian mono."""
    rate_hz: int
    voice: str
    gain_db: float
    degraded: bool
    words: tuple[Word, ...]


class Failed(msgspec.Struct, tag="failed", frozen=True):
    """The voice raised one of its errors, or, where that is a bug, another one."""

    kind: Literal["unavailable", "failed", "unreachable"]
    message: str


Request = Load | Say
Reply = Loaded | Said | Failed
_ERRORS: dict[str, type[Exception]] = {
    "unavailable": VoiceUnavailableError,
    "failed": VoiceFailedError,
    "unreachable": VoiceUnreachableError,
}
encode = msgspec.msgpack.Encoder().encode
decode_request = msgspec.msgpack.Decoder(Request).decode
decode_reply = msgspec.msgpack.Decoder(Reply).decode


def said(spoken: Spoken) -> Said:
    """Return speech as a message."""
    return Said(
        spoken.samples.astype("<i2").tobytes(),
        spoken.rate_hz,
        spoken.voice,
        spoken.gain_db,
        spoken.degraded,
        spoken.words,
    )


def spoken(message: Said) -> Spoken:
    """Return the speech of a message."""
    return Spoken(
        np.frombuffer(message.pcm, "<i2").astype(np.int16),
        message.rate_hz,
        message.voice,
        message.gain_db,
        message.degraded,
        message.words,
    )


def failure(error: Exception) -> Failed:
    """Return what a voice raised as a message."""
    if isinstance(error, VoiceUnavailableError):
        return Failed("unavailable", str(error))
    if isinstance(error, VoiceUnreachableError):
        return Failed("unreachable", str(error))
    if isinstance(error, VoiceFailedError):
        return Failed("failed", str(error))
    return Failed("failed", f"it broke down: {error!r}")


def raised(message: Failed) -> Exception:
    """Return the error of a message."""
    return _ERRORS[message.kind](message.message)
