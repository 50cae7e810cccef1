"""WebSocket messages as a server sends them: whole, unmasked, uncompressed (RFC 6455, 5.2).

A message that many peers get is built once and written to each of their transports.
"""

import struct

_TEXT, _BINARY = 0x81, 0x82
"""The last (and only) frame of a message: FIN and the opcode."""


def text_message(text: str) -> bytes:
    """Return a text message.

    Raises:
        UnicodeEncodeError: the text holds a lone surrogate, which no UTF-8 can.
    """
    return _message(_TEXT, text.encode())


def binary_message(payload: bytes) -> bytes:
    """Return a binary message."""
    return _message(_BINARY, payload)


def _message(head: int, payload: bytes) -> bytes:
    size = len(payload)
    if size < 126:
        return bytes((head, size)) + payload
    if size < 1 << 16:
        return struct.pack(">BBH", head, 126, size) + payload
    return struct.pack(">BBQ", head, 127, size) + payload
