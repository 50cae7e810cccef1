import pytest
from hypothesis import given
from hypothesis import strategies as st

from rhapsode.codecs.hls.names import (
    INIT_NAME,
    MASTER_NAME,
    MEDIA_NAME,
    PLAYLIST_TYPE,
    SEGMENT_TYPE,
    content_type,
    segment_name,
    segment_number,
    segment_take,
)


def test_segments_have_three_digits_and_more_where_they_need_them():
    assert [segment_name(k) for k in (0, 7, 999, 1000)] == [
        "audio_000.m4s",
        "audio_007.m4s",
        "audio_999.m4s",
        "audio_1000.m4s",
    ]


TAKES = st.integers(0, 10**5)


@given(st.integers(0, 10**9), st.integers(0, 10**9), TAKES, TAKES)
def test_no_two_segments_and_no_two_takes_share_a_name(
    one: int, other: int, take: int, other_take: int
):
    same = (one, take) == (other, other_take)
    assert (segment_name(one, take) == segment_name(other, other_take)) == same


@given(st.integers(0, 10**8), TAKES)
def test_a_segments_number_and_take_are_read_from_its_name(number: int, take: int):
    name = segment_name(number, take)
    assert (segment_number(name), segment_take(name)) == (number, take)


@pytest.mark.parametrize(
    "name",
    [
        "audio_1.m4s",
        "audio_0001.m4s",
        "audio_.m4s",
        "init.mp4",
        "audio_١٢٣.m4s",
        "audio_-01.m4s",
        "audio_001_0.m4s",
        "audio_001_01.m4s",
        "audio_001_.m4s",
        "audio_" + "9" * 30 + ".m4s",
    ],
)
def test_other_names_have_no_number(name: str):
    assert segment_number(name) is None


def test_a_negative_number_is_refused():
    with pytest.raises(ValueError, match="no segment -1"):
        segment_name(-1)


def test_every_name_has_its_content_type():
    assert {content_type(name) for name in (MEDIA_NAME, MASTER_NAME)} == {PLAYLIST_TYPE}
    assert {content_type(name) for name in (INIT_NAME, segment_name(5))} == {SEGMENT_TYPE}
    with pytest.raises(ValueError, match="is not a name of an HLS object"):
        content_type("notes.txt")
