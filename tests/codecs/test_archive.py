"""Pieces of the archive: what goes in comes out byte for byte, and damage is said."""

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rhapsode.codecs.archive import (
    ArchivedEntry,
    Contents,
    DamagedPieceError,
    Listed,
    decode_header,
    decode_section,
    encode_piece,
)
from rhapsode.codecs.encoding import encode
from rhapsode.codecs.records import AudioFrame, Event, Speech

PCM = np.random.default_rng(7).integers(-9000, 9000, 9_600).astype("<i2").tobytes()


def entry(value: bytes, offset: int = 0, topic: str = "t", sequence: str = "s") -> ArchivedEntry:
    return ArchivedEntry(topic, sequence, offset, offset + 1, offset, 5, b"s", value)


def piece(
    partition: int,
    number: int,
    entries: list[ArchivedEntry],
    earlier: tuple[Listed, ...] = (),
    below: dict[str, int] | None = None,
) -> bytes:
    return encode_piece(
        Contents(
            session="s",
            partition=partition,
            number=number,
            earlier=earlier,
            below=below or {},
            entries=tuple(entries),
        )
    )


def there_and_back(entries: list[ArchivedEntry]) -> list[ArchivedEntry]:
    data = piece(3, 1, entries)
    header, begin = decode_header(data)
    assert (header.session, header.partition, header.number) == ("s", 3, 1)
    return [one for section in header.sections for one in decode_section(data, begin, section)]


RECORDS = [
    encode(AudioFrame(session="s", first_sample=0, samples=9_600, pcm=PCM, text="Grüße")),
    encode(AudioFrame(session="s", first_sample=0, samples=4_800, channels=2, pcm=PCM)),
    encode(Speech(session="s", seq=0, index=0, rate_hz=22_050, pcm=PCM, text="one")),
    encode(Speech(session="s", seq=1, index=1)),
    encode(Event(session="s", stage="master", seq=0, kind="chunk")),
    b"",
    b"no record at all",
    msgspec.msgpack.encode({"pcm": b"odd"}),
    msgspec.msgpack.encode({"pcm": PCM, "channels": 9}),
    msgspec.msgpack.encode({"pcm": PCM, "channels": "two"}),
    msgspec.msgpack.encode({"pcm": "words", "samples": 3}),
    msgspec.msgpack.encode([1, 2]),
    b"\xdf\x00\x00\x00\x01\xa3pcm\xc6\x00\x00\x00\x02ab",  # a long form that we never write
]


@pytest.mark.parametrize("value", RECORDS, ids=range(len(RECORDS)))
def test_a_record_comes_back_as_it_was_stored(value: bytes) -> None:
    assert there_and_back([entry(value)]) == [entry(value)]


def test_sound_of_many_records_shares_one_file_and_is_about_half_as_large() -> None:
    tone = np.sin(np.arange(96_000) / 9) * 8_000
    pcm = tone.astype("<i2").tobytes()
    records = [
        AudioFrame(session="s", first_sample=at, samples=9_600, pcm=pcm[2 * at : 2 * (at + 9_600)])
        for at in range(0, 96_000, 9_600)
    ]
    entries = [entry(encode(record), number) for number, record in enumerate(records)]
    data = piece(0, 0, entries, below={"t": 10})
    assert len(data) < 0.6 * len(pcm)
    assert there_and_back(entries) == entries


@settings(deadline=None, max_examples=50)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["t", "u"]),
            st.sampled_from(["s", "s/0"]),
            st.binary(max_size=40)
            | st.binary(max_size=64).map(lambda pcm: msgspec.msgpack.encode({"pcm": pcm, "n": 1})),
        ),
        max_size=12,
    )
)
def test_entries_of_several_sequences_come_back_by_sequence_and_in_order(
    given_entries: list[tuple[str, str, bytes]],
) -> None:
    entries = [
        entry(value, offset, topic, sequence)
        for offset, (topic, sequence, value) in enumerate(given_entries)
    ]
    back = there_and_back(entries)
    assert sorted(back, key=lambda one: one.offset) == entries
    for where in {(one.topic, one.sequence) for one in entries}:
        offsets = [one.offset for one in back if (one.topic, one.sequence) == where]
        assert offsets == sorted(offsets)


def test_a_piece_tells_what_is_in_those_before_it() -> None:
    earlier = (Listed("t", "s", 0, 5, "one"), Listed("u", "s/0", 0, 1, "one"))
    data = piece(0, 2, [entry(b"x", 8)], earlier, {"t": 9})
    header, _ = decode_header(data)
    assert header.earlier == earlier
    assert header.below == {"t": 9}
    assert [(one.topic, one.sequence, one.start, one.end) for one in header.sections] == [
        ("t", "s", 8, 9)
    ]


def test_a_damaged_piece_is_said_to_be_or_gives_what_was_stored() -> None:
    entries = [entry(RECORDS[0])]
    data = piece(0, 0, entries)
    header, begin = decode_header(data)
    (section,) = header.sections
    said = 0
    places = range(begin, len(data), max(1, (len(data) - begin) // 200))
    for at in places:
        damaged = data[:at] + bytes([data[at] ^ 0x40]) + data[at + 1 :]
        try:
            assert decode_section(damaged, begin, section) == entries  # of no meaning, as a tag
        except DamagedPieceError:
            said += 1
    assert said > 0.8 * len(places)
    for cut in (0, 4, 11, begin - 1):
        with pytest.raises(DamagedPieceError):
            decode_header(data[:cut])
    with pytest.raises(DamagedPieceError):
        decode_section(data[: begin + 30], begin, section)
