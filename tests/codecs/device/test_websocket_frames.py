"""Messages as a server writes them, read by a library's own parser."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.protocol import State
from websockets.uri import parse_uri

from rhapsode.codecs.device.allowance import Allowance
from rhapsode.codecs.device.websocket_frames import binary_message, text_message


def read(data: bytes) -> list[Frame]:
    client = ClientProtocol(parse_uri("ws://a/"), state=State.OPEN, max_size=200_000)
    client.receive_data(data)
    return [event for event in client.events_received() if isinstance(event, Frame)]


@given(st.lists(st.binary(max_size=300), max_size=4))
def test_binary_messages_are_read_as_they_were(payloads: list[bytes]):
    frames = read(b"".join(map(binary_message, payloads)))
    assert [(frame.opcode, bytes(frame.data), frame.fin) for frame in frames] == [
        (Opcode.BINARY, payload, True) for payload in payloads
    ]


@pytest.mark.parametrize("size", [0, 125, 126, 65_535, 65_536])
def test_every_length_has_its_own_form(size: int):
    (frame,) = read(binary_message(b"x" * size))
    assert len(frame.data) == size


@given(st.text(max_size=200))
def test_texts_are_read_as_they_were(text: str):
    (frame,) = read(text_message(text))
    assert (frame.opcode, bytes(frame.data).decode()) == (Opcode.TEXT, text)


def test_an_allowance_gives_a_burst_and_then_so_many_a_second():
    allowance = Allowance(2.0, 3.0)
    assert [allowance.take(0.0) for _ in range(4)] == [True, True, True, False]
    assert [allowance.take(1.0) for _ in range(3)] == [True, True, False]
    assert allowance.take(0.5) is False  # a clock that went back gives nothing
    assert sum(allowance.take(100.0) for _ in range(9)) == 3
