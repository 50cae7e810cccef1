"""Records as bytes: each kind comes back as it was, hostile bytes are refused, versions differ."""

import contextlib

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rhapsode.codecs.catalogue import answers
from rhapsode.codecs.catalogue.limits import Limits
from rhapsode.codecs.catalogue.request import Slots
from rhapsode.codecs.encoding import MalformedError, decode, encode
from rhapsode.codecs.records import (
    KINDS,
    TOPICS,
    Admission,
    Allowance,
    Answered,
    AudioFrame,
    Chunk,
    Control,
    DeadLetter,
    DeviceFrames,
    DeviceRequest,
    Event,
    Heard,
    Item,
    ObjectAudio,
    Passage,
    Record,
    Request,
    Segment,
    SequenceRecord,
    Session,
    Speech,
    Uplink,
    Word,
    text_items,
)
from rhapsode.codecs.records.inputs import MAX_PIECE_CHARS
from rhapsode.codecs.records.record import MAX_RECORD_BYTES
from rhapsode.codecs.session import DeviceFormat, Form, Rendition, VoiceSettings

ONE_OF_EACH: tuple[tuple[Record, bytes], ...] = (
    (Session(session="s"), b"\x82\xa4type\xa9session/1\xa7session\xa1s"),
    (
        Item(session="s", seq=3, text="Hi", item_end=True),
        b"\x85\xa4type\xa6text/2\xa7session\xa1s\xa3seq\x03\xa4text\xa2Hi\xa8item_end\xc3",
    ),
    (
        Passage(session="s", seq=1, item=0, text="Hi"),
        b"\x85\xa4type\xa9passage/2\xa7session\xa1s\xa3seq\x01\xa4item\x00\xa4text\xa2Hi",
    ),
    (
        Chunk(session="s", seq=2, chapter=1, index=0, text="Hi"),
        b"\xde\x00\x06\xa4type\xa7chunk/2\xa7session\xa1s\xa3seq\x02\xa7chapter\x01\xa5index\x00"
        b"\xa4text\xa2Hi",
    ),
    (
        Speech(
            session="s", seq=2, index=2, rate_hz=8000, pcm=b"\1\0", words=(Word("Hi", 0.0, 0.5),)
        ),
        b"\xde\x00\x07\xa4type\xa8speech/2\xa7session\xa1s\xa3seq\x02\xa5index\x02\xa7rate_hz\xcd\x1f\x40"
        b"\xa3pcm\xc4\x02\1\0\xa5words\x91\x93\xa2Hi\xcb" + bytes(8) + b"\xcb\x3f\xe0" + bytes(6),
    ),
    (
        ObjectAudio(session="s", seq=2, index=2, piece=0, pcm=b"\1\0", object_end=True),
        b"\x87\xa4type\xaeobject-audio/1\xa7session\xa1s\xa3seq\x02\xa5index\x02\xa5piece\x00"
        b"\xa3pcm\xc4\x02\1\0\xaaobject_end\xc3",
    ),
    (
        AudioFrame(session="s", first_sample=48, samples=1, pcm=b"\1\0", last=True),
        b"\xde\x00\x06\xa4type\xadaudio-frame/2\xa7session\xa1s\xa4last\xc3\xacfirst_sample\x30"
        b"\xa7samples\x01\xa3pcm\xc4\x02\1\0",
    ),
    (
        Segment(session="s", number=0, first_frame=0, frames=24, size_bytes=1),
        b"\x86\xa4type\xa9segment/1\xa7session\xa1s\xa6number\x00\xabfirst_frame\x00"
        b"\xa6frames\x18\xaasize_bytes\x01",
    ),
    (
        DeviceFrames(session="s", first_frame=0, packets=(b"\xfc",)),
        b"\x84\xa4type\xa8device/1\xa7session\xa1s\xabfirst_frame\x00\xa7packets\x91\xc4\x01\xfc",
    ),
    (
        Event(session="s", stage="pack", seq=0, kind="done"),
        b"\xde\x00\x05\xa4type\xa7event/1\xa7session\xa1s\xa5stage\xa4pack\xa3seq\x00\xa4kind\xa4done",
    ),
    (
        Admission(session="s", last=True),
        b"\x83\xa4type\xabadmission/1\xa7session\xa1s\xa4last\xc3",
    ),
    (
        DeviceRequest(session="s", last=True),
        b"\x83\xa4type\xb0device-request/1\xa7session\xa1s\xa4last\xc3",
    ),
    (
        Control(session="s", seq=0, verb="cancel"),
        b"\x84\xa4type\xa9control/1\xa7session\xa1s\xa3seq\x00\xa4verb\xa6cancel",
    ),
    (
        Request(session="l", seq=0, text="next"),
        b"\x84\xa4type\xa9request/1\xa7session\xa1l\xa3seq\x00\xa4text\xa4next",
    ),
    (
        Request(session="l", seq=1, text="", objects=("a.mp3",), source="topic", entry="1-0"),
        b"\x87\xa4type\xa9request/1\xa7session\xa1l\xa3seq\x01\xa4text\xa0\xa7objects\x91\xa5a.mp3"
        b"\xa6source\xa5topic\xa5entry\xa31-0",
    ),
    (
        Heard(session="l", seq=1, first=0, packets=(b"\1",), until="silence", ended=True),
        b"\x87\xa4type\xa7heard/1\xa7session\xa1l\xa3seq\x01\xa5first\x00\xa7packets\x91\xc4\x01\x01\xa5until\xa7silence\xa5ended\xc3",
    ),
    (
        Uplink(session="s", item=2, number=1, data=b"\1\2", last=True),
        b"\x86\xa4type\xa8uplink/1\xa7session\xa1s\xa4last\xc3\xa4item\x02\xa6number\x01\xa4data\xc4\x02\x01\x02",
    ),
    (
        Allowance(
            session="l", seq=0, limits=Limits(begins="07:00", ends="20:00", never=("Ghosts",))
        ),
        b"\x84\xa4type\xa8limits/1\xa7session\xa1l\xa3seq\x00\xa6limits\x83\xa6begins\xa507:00\xa4ends\xa520:00\xa5never\x91\xa6"
        b"Ghosts",
    ),
    (
        Answered(
            session="l",
            seq=0,
            answer=answers.Control(
                slots=Slots(intent="control", control="next"), reason="no", action="next"
            ),
        ),
        b"\x84\xa4type\xa8answer/1\xa7session\xa1l\xa3seq\x00\xa6answer\x86\xa4type\xa7control"
        b"\xa5slots\x8a\xa6intent\xa7control\xa4kind\xa0\xa5title\xa0\xa8language\xa0"
        b"\xa8category\xa0\xa4mood\xa0\xa6number\xa0\xa5count\x01\xa7control\xa4next\xa5value\xc0"
        b"\xa6reason\xa2no\xaacandidates\x90\xa6action\xa4next\xa5value\xc0",
    ),
    (
        DeadLetter(session="", stage="split", topic="text", partition=1, offset=2, reason="no"),
        b"\x87\xa4type\xaddead-letter/1\xa7session\xa0\xa5stage\xa5split\xa5topic\xa4text"
        b"\xa9partition\x01\xa6offset\x02\xa6reason\xa2no",
    ),
)
"""What lies in logs already: these bytes may only change together with the version in ``type``.

Kinds of more than 15 fields begin with the long form of a MessagePack map, 0xde, always.
"""


def test_each_kind_has_its_golden_bytes_here():
    assert {type(record) for record, _ in ONE_OF_EACH} == set(KINDS)
    assert len(TOPICS) == len(KINDS), "two kinds share a topic"


@pytest.mark.parametrize(("record", "value"), ONE_OF_EACH, ids=lambda each: type(each).__name__)
def test_bytes_are_the_golden_ones_and_come_back_as_the_record(record, value):
    assert encode(record) == value
    assert decode(value, type(record)) == record


@pytest.mark.parametrize(("record", "value"), ONE_OF_EACH, ids=lambda each: type(each).__name__)
def test_fields_of_a_newer_writer_are_ignored(record, value):
    fields = msgspec.msgpack.decode(value)
    newer = msgspec.msgpack.encode(fields | {"field_of_tomorrow": {"deep": [1, 2]}})
    assert decode(newer, type(record)) == record


@pytest.mark.parametrize(("record", "value"), ONE_OF_EACH, ids=lambda each: type(each).__name__)
def test_another_version_is_malformed(record, value):
    fields = msgspec.msgpack.decode(value)
    kind, _, _version = fields["type"].partition("/")
    with pytest.raises(MalformedError):
        decode(msgspec.msgpack.encode(fields | {"type": f"{kind}/99"}), type(record))


@pytest.mark.parametrize(("record", "value"), ONE_OF_EACH, ids=lambda each: type(each).__name__)
def test_bytes_cut_anywhere_are_malformed(record, value):
    for length in range(len(value)):
        with pytest.raises(MalformedError):
            decode(value[:length], type(record))


def test_a_record_of_another_kind_is_malformed_and_named():
    with pytest.raises(MalformedError, match="expected a Chunk or Item record, got a Session"):
        decode(encode(Session(session="s")), Chunk, Item)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_record_or_malformed(value):
    with contextlib.suppress(MalformedError):
        decode(value, Record)


plain = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats()
    | st.text(max_size=20)
    | st.binary(max_size=20)
    | st.lists(st.integers(0, 9), max_size=3)
)


@given(st.sampled_from(ONE_OF_EACH), st.data())
def test_fields_of_any_type_are_a_record_or_malformed(one, data):
    record, value = one
    fields = msgspec.msgpack.decode(value)
    name = data.draw(st.sampled_from(record.__struct_fields__))
    try:
        made = decode(msgspec.msgpack.encode(fields | {name: data.draw(plain)}), type(record))
    except MalformedError:
        return
    # whatever is let in has positions in order, and can be written again
    assert decode(encode(made), type(record)) == made or "nan" in repr(made)
    if isinstance(made, SequenceRecord):
        assert made.start <= made.end


texts = st.text(st.characters(codec="utf-8"), max_size=3 * MAX_PIECE_CHARS)


@given(texts, st.booleans(), st.booleans())
def test_a_text_of_any_length_is_parts_at_one_position(text, item_end, last):
    items = text_items("s", 7, text, item_end=item_end, last=last)
    assert "".join(item.text for item in items) == text
    assert [item.part for item in items] == list(range(len(items)))
    assert {(item.seq, item.start, item.end, item.parts) for item in items} == {
        (7, 7, 8, len(items))
    }
    assert [item.item_end for item in items] == [False] * (len(items) - 1) + [item_end]
    assert [item.last for item in items] == [False] * (len(items) - 1) + [last]
    assert all(len(encode(item)) <= MAX_RECORD_BYTES for item in items)


def test_the_longest_piece_fits_the_log_in_any_script():
    for char in ("a", "é", "中", "\N{GRINNING FACE}"):
        (item,) = text_items("s", 0, char * MAX_PIECE_CHARS)
        assert len(encode(item)) <= MAX_RECORD_BYTES


def test_a_record_that_the_log_would_not_take_is_refused_where_it_is_made():
    with pytest.raises(MalformedError, match="over 65536"):
        encode(DeviceFrames(session="s", first_frame=0, packets=(bytes(MAX_RECORD_BYTES),)))


@pytest.mark.parametrize("session", ["", "-a", "a" * 65, "a/b", "a b", "..", "é", "a\n"])
def test_a_session_id_can_be_no_path(session):
    with pytest.raises(ValueError, match="session id"):
        Session(session=session)
    fields = {"type": "control/1", "session": session, "seq": 0, "verb": "cancel"}
    with pytest.raises(MalformedError):
        decode(msgspec.msgpack.encode(fields), Control)


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        (Item, {"seq": 0, "kind": "end"}),
        (Item, {"seq": 0, "kind": "object"}),
        (Item, {"seq": 0, "kind": "silence"}),
        (Item, {"seq": 0, "kind": "silence", "seconds": float("nan")}),
        (Item, {"seq": 0, "text": "a" * (MAX_PIECE_CHARS + 1)}),
        (Speech, {"seq": 0, "index": 0, "rate_hz": 8000, "pcm": b"\1"}),
        (Speech, {"seq": 0, "index": 0, "pcm": b"\1\0"}),
        (ObjectAudio, {"seq": 0, "index": 0, "piece": 0, "pcm": b"\1"}),
        (AudioFrame, {"first_sample": 0, "samples": 2, "pcm": b"\1\0"}),
        (Session, {"idle_close_s": 0.5}),
        (Session, {"idle_close_s": float("nan")}),
    ],
)
def test_a_record_that_contradicts_itself_is_refused(kind, fields):
    fields = {"session": "s", **fields}
    with pytest.raises(MalformedError):
        decode(msgspec.msgpack.encode({"type": kind.__struct_config__.tag, **fields}), kind)


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: VoiceSettings(voice=""), "voice '' is not a voice name"),
        (lambda: VoiceSettings(voice="../joe"), "is not a voice name"),
        (lambda: VoiceSettings(voice="x" * 10_000), "^.{,200}$"),
        (lambda: VoiceSettings(language=""), "language '' is not a language tag"),
        (lambda: VoiceSettings(language="x" * 10_000), "^.{,200}$"),
        (lambda: VoiceSettings(speed=float("nan")), "speed nan is not between"),
        (lambda: VoiceSettings(speed=2.1), "speed 2.1 is not between"),
        (lambda: VoiceSettings(accent="co.uk/../x"), "is not a domain"),
        (lambda: Form(segment_s=float("inf")), "segment_s inf is not between"),
        (lambda: Form(renditions=()), "1 to 8 renditions"),
        (lambda: Rendition(bit_rate=1), "bit_rate 1 is not between"),
    ],
)
def test_descriptions_out_of_bounds_are_refused_in_one_sentence(make, sentence):
    with pytest.raises(ValueError, match=sentence):
        make()


def test_a_session_without_devices_is_not_one_with_the_usual_device():
    without = Session(session="s", form=Form(device=None))
    assert decode(encode(without), Session) == without
    assert without.form != Form(device=DeviceFormat())
