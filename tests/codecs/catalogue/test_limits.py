"""What parents decide: hours by the local clock, and which titles."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rhapsode.codecs.catalogue.limits import Limits
from rhapsode.codecs.catalogue.titles import Title

SONG = Title("music/Hindi/a.mp3", "A", kind="music", language="hi")
TALE = Title("stories/Fantasy/b.mp3", "B", kind="story", category="Fantasy")
HOUR_S = 3600.0


def at(hour: int, minute: int = 0) -> float:
    return datetime(2026, 7, 1, hour, minute, tzinfo=UTC).timestamp()


def test_without_limits_everything_is_heard_always() -> None:
    assert Limits().allows(SONG)
    assert Limits().open_for_s(at(3)) is None


@pytest.mark.parametrize(
    ("hour", "left_h"), [(7, 13.0), (19, 1.0), (20, 0.0), (23, 0.0), (6, 0.0), (0, 0.0)]
)
def test_hours_are_from_the_first_to_the_second_time(hour: int, left_h: float) -> None:
    assert Limits(begins="07:00", ends="20:00").open_for_s(at(hour)) == left_h * HOUR_S


def test_hours_may_lie_over_midnight_and_in_another_zone() -> None:
    over_midnight = Limits(begins="22:00", ends="02:00")
    assert [over_midnight.open_for_s(at(hour)) for hour in (23, 1, 2, 12)] == [
        3 * HOUR_S,
        HOUR_S,
        0.0,
        0.0,
    ]
    in_india = Limits(begins="07:00", ends="20:00", time_zone="Asia/Kolkata")
    assert in_india.open_for_s(at(1, 30)) == 13 * HOUR_S
    assert in_india.open_for_s(at(14, 30)) == 0.0


@given(st.times(), st.times(), st.integers(0, 2 * 86_400))
def test_what_is_not_open_opens_and_what_is_open_closes(begins: Any, ends: Any, now_s: int) -> None:
    first, last = f"{begins:%H:%M}", f"{ends:%H:%M}"
    if first == last:
        return
    one, other = Limits(begins=first, ends=last), Limits(begins=last, ends=first)
    opened = [limits.open_for_s(now_s) for limits in (one, other)]
    assert sorted(bool(left_s) for left_s in opened) == [False, True]
    left_s = max(left or 0.0 for left in opened)
    assert 0 < left_s < 86_400


def test_titles_go_by_kind_category_and_language() -> None:
    assert [Limits(only=("Fantasy", "hi")).allows(one) for one in (SONG, TALE)] == [True, True]
    assert [Limits(only=("STORY",)).allows(one) for one in (SONG, TALE)] == [False, True]
    assert [Limits(never=("fantasy",)).allows(one) for one in (SONG, TALE)] == [True, False]
    assert not Limits(only=("story",), never=("Fantasy",)).allows(TALE)


@pytest.mark.parametrize(
    "wrong",
    [
        {"begins": "07:00"},
        {"begins": "7:00", "ends": "20:00"},
        {"begins": "24:00", "ends": "20:00"},
        {"begins": "07:00", "ends": "07:00"},
        {"begins": "0\u0667:00", "ends": "20:00"},
        {"time_zone": "Mars/Olympus"},
        {"time_zone": "../../etc/passwd"},
        {"time_zone": "Europe/" + "x" * 1_000},
        {"only": ("",)},
        {"only": (" ",)},
        {"never": ("x",) * 101},
    ],
)
def test_limits_that_are_none_are_refused_in_a_sentence(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"\w+ \w+"):
        Limits(**wrong)
