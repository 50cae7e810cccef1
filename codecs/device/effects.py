"""What is to be done about what a device said: effects of its conversation, in order."""

from dataclasses import dataclass

from .mcp import ToolAnswer
from .xiaozhi import AudioParams, ListenMode


@dataclass(frozen=True, slots=True)
class Say:
    """Send the device a text message."""

    text: str


@dataclass(frozen=True, slots=True)
class Greeted:
    """The device has said hello and was answered: begin what it is to hear."""


@dataclass(frozen=True, slots=True)
class Request:
    """The user asks for something, in words."""

    text: str


@dataclass(frozen=True, slots=True)
class Cut:
    """Send no more of what plays: the user has had enough of it."""


@dataclass(frozen=True, slots=True)
class UplinkBegins:
    """The device will send what it hears, in this form."""

    audio: AudioParams
    mode: ListenMode = "auto"


@dataclass(frozen=True, slots=True)
class UplinkPacket:
    """A packet of what the device hears."""

    packet: bytes


@dataclass(frozen=True, slots=True)
class UplinkEnds:
    """The device has sent all that it heard."""


@dataclass(frozen=True, slots=True)
class Close:
    """End the connection."""

    code: int
    reason: str = ""


Effect = (
    Say | Greeted | Request | Cut | UplinkBegins | UplinkPacket | UplinkEnds | ToolAnswer | Close
)
