"""Text messages of the xiaozhi device protocol: what devices send, and what a server answers.

Sans-I/O: text in, frozen messages out, and the other way. Layouts are those of xiaozhi-esp32
(``docs/websocket.md``, ``main/application.cc``). Devices are not to be trusted: everything is
bounded, and what cannot be read raises ``MessageError``.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, cast

from .bounded_json import LONE_SURROGATE, JsonError, parse_object
from .opus import DEVICE, DeviceFormat

MAX_MESSAGE_CHARS = 16_000
MAX_FEATURES = 32

ListenMode = Literal["auto", "manual", "realtime"]

Encoding = Literal["opus", "pcm"]
"""Opus packets, or 16-bit samples, little-endian."""
_RATES_HZ = (8_000, 48_000)
_FRAMES_MS = (5, 120)


class MessageError(ValueError):
    """A text message that is not one of the protocol, or out of bounds."""


@dataclass(frozen=True, slots=True)
class AudioParams:
    """How one side codes the audio that it sends."""

    encoding: Encoding = "opus"
    sample_rate_hz: int = 16_000
    channels: int = 1
    frame_ms: int = 60


@dataclass(frozen=True, slots=True)
class Hello:
    """The first message of a connection."""

    version: int = 1
    transport: str = "websocket"
    features: frozenset[str] = frozenset()
    """Names of what the device can do, such as ``mcp`` and ``aec``."""
    audio: AudioParams | None = None
    """Of what the device sends; browsers leave it out. Not to be mirrored."""


@dataclass(frozen=True, slots=True)
class ListenStart:
    """The device begins to send what it hears."""

    mode: ListenMode = "auto"


@dataclass(frozen=True, slots=True)
class ListenStop:
    """The device has sent all that it heard."""


@dataclass(frozen=True, slots=True)
class ListenDetect:
    """A wake word was heard, or words were typed: ``text`` is the request."""

    text: str = ""


@dataclass(frozen=True, slots=True)
class Abort:
    """Stop what is playing."""

    reason: str = ""


@dataclass(frozen=True, slots=True)
class Mcp:
    """A JSON-RPC 2.0 message of the Model Context Protocol."""

    payload: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Ping:
    """Asks for a ``pong``; keeps the connection in use."""


@dataclass(frozen=True, slots=True)
class Goodbye:
    """The device ends its session (MQTT)."""


@dataclass(frozen=True, slots=True)
class Unknown:
    """A message of a type that we do not know, such as the deprecated ``iot``: to be ignored."""

    kind: str


Message = Hello | ListenStart | ListenStop | ListenDetect | Abort | Mcp | Ping | Goodbye | Unknown


def parse_message(text: str | bytes) -> Message:
    """Read a device's message; ``session_id`` and fields that are not known are ignored.

    Raises:
        MessageError: in one sentence, what is wrong and what is allowed.
    """
    try:
        fields = parse_object(text, MAX_MESSAGE_CHARS)
    except JsonError as error:
        raise MessageError(str(error)) from None
    kind = _string(fields, "type", 64)
    if not kind:
        raise MessageError("the message has no type")
    read = _READERS.get(kind)
    return read(fields) if read else Unknown(kind)


@dataclass(frozen=True, slots=True)
class ServerMessages:
    """Renders what a server tells one connection; every message names its session.

    Texts may hold anything: lone surrogates, which no socket can send, become U+FFFD.
    """

    session_id: str
    """Of the connection; the SDK requires one that is not empty."""

    def hello(
        self,
        form: DeviceFormat = DEVICE,
        *,
        transport: str = "websocket",
        encoding: Encoding = "opus",
    ) -> str:
        """Answer a hello: how the audio is coded that the device will get.

        Firmware crashes where ``transport`` is missing, so it never is.
        """
        audio = {
            "format": encoding,
            "sample_rate": form.sample_rate_hz,
            "channels": 1,
            "frame_duration": form.frame_ms,
        }
        return self._rendered("hello", version=1, transport=transport, audio_params=audio)

    def stt(self, text: str) -> str:
        """Tell what was understood of the user's request."""
        return self._rendered("stt", text=text)

    def tts_start(self) -> str:
        """Announce audio. Firmware drops frames that follow within some 100 ms."""
        return self._rendered("tts", state="start")

    def tts_sentence_start(self, text: str) -> str:
        """Tell the words that begin to sound with the next frame."""
        return self._rendered("tts", state="sentence_start", text=text)

    def tts_stop(self) -> str:
        """End the audio. Firmware drops what it still holds."""
        return self._rendered("tts", state="stop")

    def llm(self, emotion: str, text: str) -> str:
        """Show a face, such as ``happy``, and an emoji or words with it."""
        return self._rendered("llm", emotion=emotion, text=text)

    def alert(self, status: str, message: str, emotion: str) -> str:
        """Show a message; firmware requires all three."""
        return self._rendered("alert", status=status, message=message, emotion=emotion)

    def mcp(self, payload: Mapping[str, Any]) -> str:
        """Send a JSON-RPC message of the Model Context Protocol.

        Raises:
            ValueError: it holds NaN or infinity, which JSON has not.
        """
        return self._rendered("mcp", payload=dict(payload))

    def pong(self) -> str:
        """Answer a ping."""
        return self._rendered("pong")

    def _rendered(self, kind: str, **fields: Any) -> str:
        message = {"type": kind, "session_id": self.session_id, **fields}
        text = json.dumps(message, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        return LONE_SURROGATE.sub("\ufffd", text)


def _hello(fields: dict[str, Any]) -> Hello:
    features = _object(fields, "features")
    if len(features) > MAX_FEATURES:
        raise MessageError(f"a hello names at most {MAX_FEATURES} features")
    transport = _string(fields, "transport", 32) or "websocket"
    if transport not in ("websocket", "udp"):
        raise MessageError(f"transport {transport!r} is neither 'websocket' nor 'udp'")
    return Hello(
        version=_integer(fields, "version", 1, (1, 3)),
        transport=transport,
        features=frozenset(name for name, on in features.items() if on is True),
        audio=_audio(_object(fields, "audio_params")) if "audio_params" in fields else None,
    )


def _audio(fields: dict[str, Any]) -> AudioParams:
    encoding = _string(fields, "format", 32) or "opus"
    if encoding not in ("opus", "pcm"):
        raise MessageError(f"audio format {encoding!r} is neither 'opus' nor 'pcm'")
    return AudioParams(
        encoding=encoding,
        sample_rate_hz=_integer(fields, "sample_rate", 16_000, _RATES_HZ),
        channels=_integer(fields, "channels", 1, (1, 2)),
        frame_ms=_integer(fields, "frame_duration", 60, _FRAMES_MS),
    )


def _listen(fields: dict[str, Any]) -> ListenStart | ListenStop | ListenDetect:
    state = _string(fields, "state", 32)
    if state == "start":
        mode = _string(fields, "mode", 32) or "auto"
        if mode not in ("auto", "manual", "realtime"):
            raise MessageError(f"mode {mode!r} is none of 'auto', 'manual', 'realtime'")
        return ListenStart(mode)
    if state == "stop":
        return ListenStop()
    if state == "detect":
        return ListenDetect(_string(fields, "text", MAX_MESSAGE_CHARS))
    raise MessageError(f"listen state {state!r} is none of 'start', 'stop', 'detect'")


def _mcp(fields: dict[str, Any]) -> Mcp:
    if "payload" not in fields:
        raise MessageError("'payload' is missing")
    return Mcp(_object(fields, "payload"))


def _string(fields: dict[str, Any], name: str, most_chars: int) -> str:
    value = fields.get(name, "")
    if not isinstance(value, str):
        raise MessageError(f"{name!r} is not a string")
    if len(value) > most_chars:
        raise MessageError(f"{name!r} has {len(value)} characters, over {most_chars}")
    return value


def _object(fields: dict[str, Any], name: str) -> dict[str, Any]:
    value = fields.get(name, {})
    if not isinstance(value, dict):
        raise MessageError(f"{name!r} is not an object")
    return cast("dict[str, Any]", value)


def _integer(fields: dict[str, Any], name: str, default: int, bounds: tuple[int, int]) -> int:
    value = fields.get(name, default)
    if not isinstance(value, int) or isinstance(value, bool):
        raise MessageError(f"{name!r} is not a whole number")
    if not bounds[0] <= value <= bounds[1]:
        raise MessageError(f"{name!r} is not between {bounds[0]} and {bounds[1]}")
    return value


_READERS: dict[str, Callable[[dict[str, Any]], Message]] = {
    "hello": _hello,
    "listen": _listen,
    "abort": lambda fields: Abort(_string(fields, "reason", 200)),
    "mcp": _mcp,
    "ping": lambda _: Ping(),
    "goodbye": lambda _: Goodbye(),
}
