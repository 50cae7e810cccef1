"""One connection of a voice device as a state machine: messages in, effects out.

Without socket, clock or log. Whoever holds the socket hands over what came and does what is
returned, in order. ::

    hello -> idle -- listen start --> listening -- listen stop --> idle
               |                          |
               +------ speak() -----------+---> speaking -- fall_silent() --> idle

Firmware drops audio unless it speaks, and empties its queue when it begins to: hence one speaking
state for everything that follows without a pause.
"""

from enum import Enum

from .allowance import Allowance
from .effects import (
    Close,
    Cut,
    Effect,
    Greeted,
    Request,
    Say,
    UplinkBegins,
    UplinkEnds,
    UplinkPacket,
)
from .framing import FrameKind, FramingError, decode_frame
from .mcp import McpClient, ToolAnswer
from .opus import DEVICE, DeviceFormat
from .xiaozhi import (
    Abort,
    AudioParams,
    Encoding,
    Goodbye,
    Hello,
    ListenDetect,
    ListenMode,
    ListenStart,
    ListenStop,
    Mcp,
    Message,
    MessageError,
    Ping,
    ServerMessages,
    parse_message,
)

MESSAGES_A_SECOND, MESSAGE_BURST = 20.0, 60.0
REQUESTS_A_SECOND, REQUEST_BURST = 0.5, 5.0
"""In words, and as many by voice."""
FRAMES_A_SECOND, FRAME_BURST = 120.0, 240.0
"""Of what a device says; 10 ms packets, the shortest in use, are 100 a second."""
ALERTS_A_SECOND, ALERT_BURST = 0.5, 5.0
MOST_REFUSED = 200
"""Messages over these bounds; a peer that sends more is sent away."""
MOST_UPLINK_S = 120
"""Of what a device may say at once."""
MOST_PACKET_BYTES = 4_000
"""RFC 6716 has 1,275 for a frame, and up to 48 frames in a packet; devices send some 200."""

NORMAL, GOING_AWAY, PROTOCOL_ERROR, POLICY_VIOLATION = 1000, 1001, 1002, 1008
"""RFC 6455, section 7.4.1."""


class State(Enum):
    """What a device is doing."""

    GREETING = "greeting"
    """It has yet to say hello."""
    IDLE = "idle"
    LISTENING = "listening"
    """It sends what it hears."""
    SPEAKING = "speaking"
    """It plays what it is sent."""


class Conversation:
    """What one connection is at.

    Args:
        session_id: Of the connection, in every message.
        version: Of the binary protocol, where a header says so; else the hello's counts.
        form: Of the audio that the device will get.
        hears: True where somebody takes what the device hears.
    """

    def __init__(
        self,
        session_id: str,
        version: int | None = None,
        *,
        form: DeviceFormat = DEVICE,
        hears: bool = False,
    ) -> None:
        self.messages = ServerMessages(session_id)
        self.version = version or 1
        self.mcp = McpClient()
        self.refused = 0
        """Messages that were over a bound or could not be read."""
        self._by_header = version is not None
        self._form = form
        self._hears = hears
        self._audio = AudioParams()
        self._greeted = self._speaking = self._listening = self._closed = False
        self._told_deaf = False
        self._uplink_left = 0
        self._texts = Allowance(MESSAGES_A_SECOND, MESSAGE_BURST)
        self._requests = Allowance(REQUESTS_A_SECOND, REQUEST_BURST)
        self._utterances = Allowance(REQUESTS_A_SECOND, REQUEST_BURST)
        self._frames = Allowance(FRAMES_A_SECOND, FRAME_BURST)
        self._alerts = Allowance(ALERTS_A_SECOND, ALERT_BURST)

    @property
    def encoding(self) -> Encoding:
        """How the device gets its audio: as it sends its own, which raw samples are a wish for."""
        return self._audio.encoding

    @property
    def state(self) -> State:
        """What the device is doing; one that speaks may listen beside it (mode ``realtime``)."""
        if not self._greeted:
            return State.GREETING
        if self._speaking:
            return State.SPEAKING
        return State.LISTENING if self._listening else State.IDLE

    def speak(self) -> list[Effect]:
        """Return what begins the speaking state; nothing where the device speaks already."""
        if self._speaking or not self._greeted:
            return []
        self._speaking = True
        return [Say(self.messages.tts_start())]

    def fall_silent(self) -> list[Effect]:
        """Return what ends the speaking state; nothing where the device does not speak."""
        if not self._speaking:
            return []
        self._speaking = False
        return [Say(self.messages.tts_stop())]

    def alert(self, message: str, now_s: float) -> list[Effect]:
        """Return what shows a message on the device; nothing where there were many of late."""
        if not self._alerts.take(now_s):
            return []
        return [Say(self.messages.alert("error", message, "sad"))]

    def set_volume(self, percent: int) -> list[Effect]:
        """Return what sets the device's volume, 0 to 100.

        Raises:
            McpError: it has no such tool, or it is no volume.
        """
        return [Say(self.messages.mcp(self.mcp.set_volume(percent)))]

    def recognised(self, text: str, *, ends: bool) -> list[Effect]:
        """Return what tells the device which words were heard; ``ends``: in what it says now."""
        if ends:
            self._listening = False
        return [Say(self.messages.stt(text))] if text and self._greeted else []

    def lost(self) -> list[Effect]:
        """Return what there is to do once the connection has gone."""
        self._closed = True
        return self._end_uplink()

    def received(self, message: str | bytes, now_s: float) -> list[Effect]:
        """Take a message; times are seconds of any clock that does not go back."""
        if self._closed:
            return []
        effects = (
            self._text(message, now_s) if isinstance(message, str) else self._binary(message, now_s)
        )
        if self.refused > MOST_REFUSED:
            effects.append(Close(POLICY_VIOLATION, "too many messages"))
        self._closed = any(isinstance(effect, Close) for effect in effects)
        return [*self._end_uplink(), *effects] if self._closed else effects

    def _text(self, text: str | bytes, now_s: float) -> list[Effect]:
        if not self._texts.take(now_s):
            self.refused += 1
            return []
        try:
            message = parse_message(text)
        except MessageError as error:
            self.refused += 1
            if not self._greeted:
                return [Close(PROTOCOL_ERROR, f"the first message must be a hello: {error}"[:120])]
            return self.alert(f"that message was not understood: {error}", now_s)
        if not self._greeted:
            return self._greet(message)
        return self._heed(message, now_s)

    def _greet(self, message: Message) -> list[Effect]:
        if not isinstance(message, Hello):
            return [Close(PROTOCOL_ERROR, "the first message must be a hello")]
        if message.version != self.version:
            if self._by_header and message.version != 1:
                reason = f"hello says version {message.version}, the header {self.version}"
                return [Close(PROTOCOL_ERROR, reason)]
            if not self._by_header:
                self.version = message.version
        self._greeted = True
        self._audio = message.audio or self._audio
        answer = self.messages.hello(
            self._form, transport=message.transport, encoding=self.encoding
        )
        tools: list[Effect] = []
        if "mcp" in message.features:
            tools = [Say(self.messages.mcp(self.mcp.start()))]
        return [Say(answer), *tools, Greeted()]

    def _heed(self, message: Message, now_s: float) -> list[Effect]:
        effects: list[Effect] = []  # for another hello, or what is of a type that we do not know
        match message:
            case Abort():
                effects = [Cut(), *self.fall_silent()]
            case ListenDetect(text):
                effects = self._request(text, now_s)
            case ListenStart(mode):
                effects = self._begin_uplink(mode, now_s)
            case ListenStop():
                effects = self._end_uplink()
            case Mcp(payload):
                effects = self._tool(self.mcp.received(payload))
            case Ping():
                effects = [Say(self.messages.pong())]
            case Goodbye():
                effects = [Close(NORMAL)]
            case _:
                pass
        return effects

    def _tool(self, answer: dict[str, object] | ToolAnswer | None) -> list[Effect]:
        if isinstance(answer, dict):
            return [Say(self.messages.mcp(answer))]
        return [] if answer is None else [answer]

    def _request(self, text: str, now_s: float) -> list[Effect]:
        if not text.strip():
            return []  # a wake word alone
        if not self._requests.take(now_s):
            self.refused += 1
            return self.alert("too many requests: wait a few seconds", now_s)
        return [Say(self.messages.stt(text)), Request(text)]

    def _begin_uplink(self, mode: ListenMode, now_s: float) -> list[Effect]:
        ended = self._end_uplink()
        if self._hears and not self._utterances.take(now_s):
            self.refused += 1
            return [*ended, *self.alert("too many requests: wait a few seconds", now_s)]
        self._listening = True
        self._uplink_left = MOST_UPLINK_S * 1000 // self._audio.frame_ms
        if self._hears:
            return [*ended, UplinkBegins(self._audio, mode)]
        if self._told_deaf:
            return ended  # each answer is followed by a `listen start`: once is enough
        self._told_deaf = True
        return self.alert("this server does not understand speech: send the request as text", now_s)

    def _end_uplink(self) -> list[Effect]:
        was, self._listening = self._listening, False
        return [UplinkEnds()] if was and self._hears else []

    def _binary(self, message: bytes, now_s: float) -> list[Effect]:
        if not self._frames.take(now_s):
            self.refused += 1
            return []
        if not self._greeted:
            return [Close(PROTOCOL_ERROR, "the first message must be a hello")]
        try:
            frame = decode_frame(self.version, message)
        except FramingError as error:
            self.refused += 1
            return self.alert(f"that binary message was not understood: {error}", now_s)
        if frame.kind is FrameKind.JSON:
            return self._text(frame.payload, now_s)
        return self._heard(frame.payload, now_s)

    def _heard(self, packet: bytes, now_s: float) -> list[Effect]:
        if not self._listening or not self._hears:
            return []  # what a microphone sends behind `listen stop` is nobody's fault
        if len(packet) > MOST_PACKET_BYTES:
            self.refused += 1
            return []
        if self._uplink_left <= 0:
            told = self.alert(f"more than {MOST_UPLINK_S} s at once cannot be taken", now_s)
            return [*self._end_uplink(), *told]
        self._uplink_left -= 1
        return [UplinkPacket(packet)]
