import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rhapsode.codecs.device.bounded_json import MAX_DEPTH
from rhapsode.codecs.device.opus import DeviceFormat
from rhapsode.codecs.device.xiaozhi import (
    MAX_MESSAGE_CHARS,
    Abort,
    AudioParams,
    Goodbye,
    Hello,
    ListenDetect,
    ListenStart,
    ListenStop,
    Mcp,
    Message,
    MessageError,
    Ping,
    ServerMessages,
    Unknown,
    parse_message,
)

FIRMWARE_HELLO = (
    '{"type":"hello","version":1,"features":{"mcp":true,"aec":false},"transport":"websocket",'
    '"audio_params":{"format":"opus","sample_rate":16000,"channels":1,"frame_duration":60}}'
)

json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=12,
)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            FIRMWARE_HELLO,
            Hello(1, "websocket", frozenset({"mcp"}), AudioParams("opus", 16_000, 1, 60)),
        ),
        ('{"type":"hello"}', Hello()),
        (
            '{"type":"hello","version":3,"transport":"udp","audio_params":{"format":"pcm"}}',
            Hello(3, "udp", audio=AudioParams("pcm")),
        ),
        (
            '{"session_id":"","type":"listen","state":"start","mode":"manual"}',
            ListenStart("manual"),
        ),
        ('{"type":"listen","state":"start"}', ListenStart("auto")),
        ('{"type":"listen","state":"stop"}', ListenStop()),
        ('{"type":"listen","state":"detect","text":"你好小智"}', ListenDetect("你好小智")),
        ('{"type":"listen","state":"detect"}', ListenDetect()),
        ('{"type":"abort","reason":"wake_word_detected"}', Abort("wake_word_detected")),
        ('{"type":"abort"}', Abort()),
        ('{"type":"mcp","payload":{"jsonrpc":"2.0","id":1}}', Mcp({"jsonrpc": "2.0", "id": 1})),
        ('{"type":"ping"}', Ping()),
        ('{"type":"goodbye","session_id":"x"}', Goodbye()),
        ('{"type":"iot","states":[]}', Unknown("iot")),
    ],
)
def test_messages_are_read(text: str, message: Message):
    assert parse_message(text) == message
    assert parse_message(text.encode()) == message


@given(st.text(max_size=300).filter(lambda text: text.isprintable()))
def test_any_request_comes_through_as_it_was(text: str):
    for ascii_only in (True, False):
        message = {"type": "listen", "state": "detect", "text": text}
        assert parse_message(json.dumps(message, ensure_ascii=ascii_only)) == ListenDetect(text)


@given(st.dictionaries(st.text(max_size=8), json_values, max_size=5))
def test_any_tool_message_comes_through_as_it_was(payload: dict[str, object]):
    assert parse_message(json.dumps({"type": "mcp", "payload": payload})) == Mcp(payload)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "not JSON"),
        ("hello", "not JSON"),
        ("[1]", "not a JSON object"),
        ("null", "not a JSON object"),
        ("{}", "has no type"),
        ('{"type":5}', "'type' is not a string"),
        ('{"type":"listen"}', "listen state '' is none of"),
        ('{"type":"listen","state":"detect","text":5}', "'text' is not a string"),
        ('{"type":"listen","state":"detect","text":null}', "'text' is not a string"),
        ('{"type":"listen","state":"detect","text":["a"]}', "'text' is not a string"),
        ('{"type":"listen","state":"start","mode":"loud"}', "mode 'loud' is none of"),
        ('{"type":"listen","state":"detect","text":"\\ud800"}', "half of a surrogate pair"),
        ('{"type":"mcp","payload":{"\\udfff":1}}', "half of a surrogate pair"),
        ('{"type":"mcp","payload":[]}', "'payload' is not an object"),
        ('{"type":"mcp"}', "'payload' is missing"),
        ('{"type":"mcp","payload":{"x":NaN}}', "not JSON: it has no NaN"),
        ('{"type":"mcp","payload":{"x":-Infinity}}', "not JSON: it has no -Infinity"),
        ('{"type":"mcp","payload":{"x":' + "9" * 5000 + "}}", "not JSON"),
        ('{"type":"abort","reason":"' + "x" * 201 + '"}', "'reason' has 201 characters"),
        ('{"type":"hello","version":true}', "'version' is not a whole number"),
        ('{"type":"hello","version":9}', "'version' is not between 1 and 3"),
        ('{"type":"hello","transport":"smtp"}', "transport 'smtp' is neither"),
        ('{"type":"hello","features":[]}', "'features' is not an object"),
        ('{"type":"hello","audio_params":{"format":"mp3"}}', "audio format 'mp3' is neither"),
        ('{"type":"hello","audio_params":{"sample_rate":1}}', "'sample_rate' is not between"),
        (
            '{"type":"hello","audio_params":{"frame_duration":0.5}}',
            "'frame_duration' is not a whole",
        ),
        ('{"type":"hello","audio_params":7}', "'audio_params' is not an object"),
        ('{"type":"ping","x":"' + "x" * MAX_MESSAGE_CHARS + '"}', "over 16000 characters"),
        ("x" * 10**6, "over 16000 characters"),
    ],
)
def test_what_is_no_message_is_refused(text: str, reason: str):
    with pytest.raises(MessageError, match=reason):
        parse_message(text)


def test_bytes_that_are_not_utf_8_are_refused():
    with pytest.raises(MessageError, match="not UTF-8"):
        parse_message(b'{"type":"\xff"}')


def test_a_hello_names_a_bounded_number_of_features():
    hello = {"type": "hello", "features": {f"f{n}": True for n in range(33)}}
    with pytest.raises(MessageError, match="at most 32 features"):
        parse_message(json.dumps(hello))


@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}")])
def test_deep_nesting_is_refused_before_it_is_parsed(opening: str, closing: str):
    for depth in (MAX_DEPTH, 2_500):
        inner = opening * depth + "1" + closing * depth
        with pytest.raises(MessageError, match="nested deeper than 16"):
            parse_message('{"type":"mcp","payload":{"x":' + inner + "}}")
    depth = MAX_DEPTH - 2
    inner = opening * depth + "1" + closing * depth
    assert isinstance(parse_message('{"type":"mcp","payload":{"x":' + inner + "}}"), Mcp)


def test_brackets_in_strings_are_not_nesting():
    text = r"[[[\"[{" * 100 + "\\\\"
    assert parse_message('{"type":"abort","reason":"[[[[[[[[[[[[[[[[[[[[[["}') == Abort("[" * 22)
    message = parse_message('{"type":"listen","state":"detect","text":"' + text + '"}')
    assert message == ListenDetect('[[["[{' * 100 + "\\")


@given(st.text(alphabet='{}[]":,\\ \n0123456789aeflnrstu-.', max_size=200) | st.text(max_size=100))
def test_any_text_is_a_message_or_refused(text: str):
    try:
        parse_message(text)
    except MessageError:
        return


@given(st.binary(max_size=200))
def test_any_bytes_are_a_message_or_refused(data: bytes):
    try:
        parse_message(data)
    except MessageError:
        return


@given(st.sampled_from(["hello", "listen", "abort", "mcp", "ping", "goodbye"]), st.data())
def test_any_fields_are_a_message_or_refused(kind: str, data: st.DataObject):
    names = ["state", "mode", "text", "reason", "payload", "version", "transport", "audio_params"]
    fields = data.draw(st.dictionaries(st.sampled_from([*names, "features"]), json_values))
    try:
        parse_message(json.dumps({**fields, "type": kind}))
    except MessageError:
        return


SERVER = ServerMessages("s1")
GOLDEN = {
    SERVER.hello(): (
        '{"type":"hello","session_id":"s1","version":1,"transport":"websocket","audio_params":'
        '{"format":"opus","sample_rate":16000,"channels":1,"frame_duration":60}}'
    ),
    SERVER.hello(DeviceFormat(24_000, 20), transport="udp"): (
        '{"type":"hello","session_id":"s1","version":1,"transport":"udp","audio_params":'
        '{"format":"opus","sample_rate":24000,"channels":1,"frame_duration":20}}'
    ),
    SERVER.stt("play a song"): '{"type":"stt","session_id":"s1","text":"play a song"}',
    SERVER.tts_start(): '{"type":"tts","session_id":"s1","state":"start"}',
    SERVER.tts_sentence_start("从前"): (
        '{"type":"tts","session_id":"s1","state":"sentence_start","text":"从前"}'
    ),
    SERVER.tts_stop(): '{"type":"tts","session_id":"s1","state":"stop"}',
    SERVER.llm("happy", "😀"): '{"type":"llm","session_id":"s1","emotion":"happy","text":"😀"}',
    SERVER.alert("error", "no song", "sad"): (
        '{"type":"alert","session_id":"s1","status":"error","message":"no song","emotion":"sad"}'
    ),
    SERVER.mcp({"jsonrpc": "2.0"}): '{"type":"mcp","session_id":"s1","payload":{"jsonrpc":"2.0"}}',
    SERVER.pong(): '{"type":"pong","session_id":"s1"}',
}


@pytest.mark.parametrize("rendered", GOLDEN)
def test_server_messages_have_the_fields_that_devices_read(rendered: str):
    assert rendered == GOLDEN[rendered]


@given(st.text())
def test_any_words_can_be_rendered_and_read_back(text: str):
    sent = SERVER.tts_sentence_start(text).encode()
    assert json.loads(sent)["text"] == text


def test_half_a_surrogate_pair_can_be_sent():
    assert json.loads(SERVER.stt("a\ud800b").encode())["text"] == "a\ufffdb"


def test_what_json_cannot_hold_is_refused():
    with pytest.raises(ValueError, match="not JSON compliant"):
        SERVER.mcp({"x": float("nan")})
