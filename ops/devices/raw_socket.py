"""Writing whole WebSocket messages to the transport below an ASGI application.

ASGI's ``send`` costs a dictionary, several calls and a copy for each message, and cannot tell what
a peer has not taken. Here a message that was made once for many devices goes to each transport as
it is. It is the server's own socket and port, so the checks of host, origin and key, the limits
and the documented addresses stay those of everybody. Valid as long as no extension is agreed on,
which the gateway's are not.
"""

from typing import Any

from ..gateway.connections import WebSocketProtocol

WIRE = "rhapsode.wire"
"""Where the wire is found among a WebSocket scope's extensions."""
PATHS = "/xiaozhi/"
MOST_MESSAGE_BYTES = 70_000
"""Of a device: a text of 16,000 characters, or a frame of 65,535 bytes."""


class RawWire:
    """A connection's transport, for messages from the server."""

    __slots__ = ("_protocol",)

    def __init__(self, protocol: "DeviceWebSocketProtocol") -> None:
        self._protocol = protocol

    @property
    def is_closing(self) -> bool:
        """True where nothing can be sent any more."""
        protocol = self._protocol
        return protocol.close_sent or protocol.disconnected or protocol.transport.is_closing()

    @property
    def buffered_bytes(self) -> int:
        """What was written and the system has not taken yet."""
        return self._protocol.transport.get_write_buffer_size()

    def write(self, data: bytes) -> None:
        """Send whole messages, each one frame, without waiting."""
        self._protocol.transport.write(data)

    def abort(self) -> None:
        """End the connection at once, with what was not taken yet."""
        self._protocol.transport.abort()


class DeviceWebSocketProtocol(WebSocketProtocol):
    """WebSockets whose application may write to their transport."""

    def handle_connect(self, event: Any) -> None:
        """Begin: the application finds the wire in its scope."""
        if event.path.startswith(PATHS):
            self.conn.max_message_size = MOST_MESSAGE_BYTES
        super().handle_connect(event)
        # the application's task begins with the loop's next turn
        scope: Any = getattr(self, "scope", None)
        if scope is not None:
            scope["extensions"][WIRE] = RawWire(self)
