"""A device's conversation: what it says, and what is to be done about it."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rhapsode.codecs.device.conversation import (
    FRAME_BURST,
    MESSAGE_BURST,
    MOST_REFUSED,
    MOST_UPLINK_S,
    REQUEST_BURST,
    Conversation,
    State,
)
from rhapsode.codecs.device.effects import (
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
from rhapsode.codecs.device.framing import Frame, FrameKind, encode_frame
from rhapsode.codecs.device.mcp import McpError, ToolAnswer
from rhapsode.codecs.device.xiaozhi import AudioParams

HELLO = '{"type":"hello","version":1}'
START = '{"type":"listen","state":"start","mode":"manual"}'
STOP = '{"type":"listen","state":"stop"}'
DETECT = '{"type":"listen","state":"detect","text":"Play a song"}'


def greeted(*, hears: bool = False, version: int | None = None, hello: str = HELLO) -> Conversation:
    conversation = Conversation("c", version, hears=hears)
    assert Greeted() in conversation.received(hello, 0.0)
    return conversation


def kinds(effects: list[Effect]) -> list[Any]:
    """Return effects, messages by their type and state alone."""
    return [_kind(effect) for effect in effects]


def _kind(effect: Effect) -> Any:
    if not isinstance(effect, Say):
        return effect
    message = json.loads(effect.text)
    assert message["session_id"] == "c"
    return " ".join(filter(None, (message["type"], message.get("state"))))


def test_a_hello_is_answered_before_anything_is_played():
    conversation = Conversation("c")
    assert conversation.state is State.GREETING
    assert kinds(conversation.received(HELLO, 0.0)) == ["hello", Greeted()]
    assert conversation.state is State.IDLE


def test_the_states_of_a_request_and_its_abort():
    conversation = greeted()
    assert kinds(conversation.received(DETECT, 0.0)) == ["stt", Request("Play a song")]
    assert kinds(conversation.speak()) == ["tts start"]
    assert conversation.state is State.SPEAKING
    assert conversation.speak() == []  # a track that follows another
    assert kinds(conversation.received('{"type":"abort"}', 0.0)) == [Cut(), "tts stop"]
    assert conversation.state is State.IDLE
    assert kinds(conversation.received('{"type":"abort"}', 0.0)) == [Cut()]
    assert conversation.fall_silent() == []


def test_nothing_is_spoken_before_hello():
    assert Conversation("c").speak() == []


@pytest.mark.parametrize(
    ("header", "hello", "version"), [(None, 1, 1), (None, 3, 3), (2, 1, 2), (2, 2, 2), (3, 1, 3)]
)
def test_the_header_or_else_the_hello_tells_the_binary_version(
    header: int | None, hello: int, version: int
):
    conversation = greeted(version=header, hello=f'{{"type":"hello","version":{hello}}}')
    assert conversation.version == version


@pytest.mark.parametrize(
    ("first", "version"),
    [
        ('{"type":"ping"}', None),
        ("{", None),
        (b"\x00", None),
        ('{"type":"hello","version":3}', 2),
        ('{"type":"hello","version":4}', None),
    ],
)
def test_whoever_does_not_greet_is_sent_away(first: str | bytes, version: int | None):
    (effect,) = Conversation("c", version).received(first, 0.0)
    assert isinstance(effect, Close)
    assert effect.code == 1002
    assert effect.reason


@pytest.mark.parametrize("version", [1, 2, 3])
def test_what_a_device_hears_between_start_and_stop_is_handed_on(version: int):
    conversation = greeted(hears=True, version=version)
    message = encode_frame(version, Frame(b"opus"))
    assert conversation.received(message, 0.0) == []
    assert conversation.received(START, 0.0) == [UplinkBegins(AudioParams(), "manual")]
    assert conversation.state is State.LISTENING
    assert conversation.received(message, 0.0) == [UplinkPacket(b"opus")]
    assert conversation.received(STOP, 0.0) == [UplinkEnds()]
    assert conversation.received(message, 0.0) == []
    assert conversation.received(STOP, 0.0) == []


def test_an_uplink_ends_with_its_connection_and_with_the_next_one():
    conversation = greeted(hears=True)
    conversation.received(START, 0.0)
    begun = UplinkBegins(AudioParams(), "manual")
    assert kinds(conversation.received(START, 0.0)) == [UplinkEnds(), begun]
    assert conversation.lost() == [UplinkEnds()]
    assert conversation.lost() == []
    assert conversation.received(HELLO, 0.0) == []


def test_how_an_utterance_ends_is_the_devices_choice():
    conversation = greeted(hears=True)
    for mode in ("manual", "auto", "realtime"):
        message = json.dumps({"type": "listen", "state": "start", "mode": mode})
        *_, begun = conversation.received(message, 0.0)
        assert begun == UplinkBegins(AudioParams(), mode)


def test_what_was_recognised_is_told_and_ends_the_listening():
    conversation = greeted(hears=True)
    conversation.received(START, 0.0)
    (told,) = conversation.recognised("an earlier one", ends=False)
    assert conversation.state is State.LISTENING
    (told,) = conversation.recognised("play a song", ends=True)
    assert isinstance(told, Say)
    assert json.loads(told.text) | {"type": "stt", "text": "play a song"} == json.loads(told.text)
    assert conversation.state is State.IDLE
    assert conversation.received(b"opus", 0.0) == []
    assert conversation.recognised("", ends=True) == []


def test_who_begins_to_speak_all_the_time_is_told_to_wait():
    conversation = greeted(hears=True)
    burst = int(REQUEST_BURST)
    for number in range(burst):
        assert kinds(conversation.received(START, number / 100))[-1] != "alert"
    assert kinds(conversation.received(START, 0.5)) == [UplinkEnds(), "alert"]
    assert conversation.received(b"opus", 0.5) == []
    assert conversation.received(START, 10.0) == [UplinkBegins(AudioParams(), "manual")]


def test_a_device_that_nobody_hears_is_told_so_once():
    conversation = greeted()
    assert kinds(conversation.received(START, 0.0)) == ["alert"]
    assert conversation.received(STOP, 1.0) == []
    assert conversation.received(START, 2.0) == []
    assert conversation.received(b"opus", 2.0) == []


def test_an_endless_uplink_is_ended():
    conversation = greeted(hears=True)
    conversation.received(START, 0.0)
    frames = MOST_UPLINK_S * 1000 // 60
    got = [conversation.received(b"opus", number * 0.06) for number in range(frames + 5)]
    assert got[frames - 1] == [UplinkPacket(b"opus")]
    assert kinds(got[frames]) == [UplinkEnds(), "alert"]
    assert got[frames + 1] == []


def test_json_in_a_binary_frame_is_read_as_a_message():
    conversation = greeted(version=2)
    message = encode_frame(2, Frame(b'{"type":"ping"}', FrameKind.JSON))
    assert kinds(conversation.received(message, 0.0)) == ["pong"]


def test_a_device_with_tools_is_asked_for_them():
    conversation = Conversation("c")
    effects = conversation.received('{"type":"hello","features":{"mcp":true}}', 0.0)
    assert kinds(effects) == ["hello", "mcp", Greeted()]
    with pytest.raises(McpError):
        conversation.set_volume(50)
    for result in ({}, {"tools": [{"name": "self.audio_speaker.set_volume"}]}):
        conversation.received(reply(conversation, result), 0.0)
    assert kinds(conversation.set_volume(50)) == ["mcp"]
    (done,) = conversation.received(reply(conversation, {"content": []}), 0.0)
    assert isinstance(done, ToolAnswer)
    assert done.error == ""


def reply(conversation: Conversation, result: dict[str, Any]) -> str:
    (number,) = conversation.mcp.waiting
    return json.dumps(
        {"type": "mcp", "payload": {"jsonrpc": "2.0", "id": number, "result": result}}
    )


def test_requests_are_bounded_and_come_back_with_time():
    conversation = greeted()
    got = [conversation.received(DETECT, 0.0) for _ in range(50)]
    assert sum(Request("Play a song") in effects for effects in got) == REQUEST_BURST
    assert "alert" in kinds([effect for effects in got for effect in effects])
    assert Request("Play a song") in conversation.received(DETECT, 10.0)


@pytest.mark.parametrize(
    ("message", "burst"), [('{"type":"ping"}', MESSAGE_BURST), (b"x", FRAME_BURST)]
)
def test_a_flood_is_dropped_and_then_sent_away(message: str | bytes, burst: float):
    conversation = greeted()
    got = [conversation.received(message, 0.0) for _ in range(int(burst) + MOST_REFUSED + 9)]
    closes = [number for number, effects in enumerate(got) if kinds(effects)[-1:] == [CLOSED]]
    assert len(closes) == 1
    assert closes[0] <= burst + MOST_REFUSED
    assert got[-1] == []


CLOSED = Close(1008, "too many messages")


@given(
    st.lists(st.text(max_size=60) | st.binary(max_size=60), max_size=30), st.sampled_from((1, 2, 3))
)
def test_no_message_raises(messages: list[str | bytes], version: int):
    conversation = greeted(version=version, hears=True)
    for number, message in enumerate(messages):
        for effect in conversation.received(message, number * 0.01):
            assert not isinstance(effect, Greeted)
