"""What a stage and the processes that listen for it say to each other: MessagePack."""

from typing import Any, Literal

import msgspec

from ...codecs.records import Microphone


class Listen(msgspec.Struct, tag="listen", frozen=True):
    """Take in more packets of an utterance."""

    utterance: str
    at: int
    """Packets of it that were sent before; 0 begins it anew."""
    packets: tuple[bytes, ...]
    microphone: Microphone


class Activity(msgspec.Struct, tag="activity", frozen=True):
    """What is known of an utterance so far."""

    packets: int
    """Those that were taken in, in all. Where that is not what was sent, send them all again."""
    spoken_s: float = 0.0
    silent_s: float = 0.0
    """Since somebody spoke last; 0 where nobody has."""
    total_s: float = 0.0
    broken: int = 0
    """Packets that are no Opus."""


class Give(msgspec.Struct, tag="give", frozen=True):
    """Give the utterance's sound, and forget it."""

    utterance: str


class Sound(msgspec.Struct, tag="sound", frozen=True):
    """An utterance's sound, 16 kHz mono s16le; None where it is not known (any more)."""

    pcm: bytes | None


class Load(msgspec.Struct, tag="load", frozen=True):
    """Make the recogniser ready; the first request."""

    folder: str
    threads: int


class Recognise(msgspec.Struct, tag="recognise", frozen=True):
    """Make words of this sound."""

    pcm: bytes
    language: str


class Words(msgspec.Struct, tag="words", frozen=True):
    """What was said; nothing, where the recogniser was loaded."""

    text: str = ""
    language: str = ""


class Failed(msgspec.Struct, tag="failed", frozen=True):
    """It raised one of its errors, or, where that is a bug, another one."""

    kind: Literal["unavailable", "failed"]
    message: str


Request = Listen | Give | Load | Recognise
Reply = Activity | Sound | Words | Failed
_REQUESTS = msgspec.msgpack.Decoder(Request)
_REPLIES = msgspec.msgpack.Decoder(Reply)


def encode(message: Any) -> bytes:
    """Return a message as bytes."""
    return msgspec.msgpack.encode(message)


def decode_request(data: bytes) -> Request:
    """Read a request."""
    return _REQUESTS.decode(data)


def decode_reply(data: bytes) -> Reply:
    """Read a reply."""
    return _REPLIES.decode(data)
