import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rhapsode.codecs.catalogue.titles import (
    MAX_ALTERNATIVES,
    MAX_NAME_CHARS,
    MAX_PROBLEMS,
    MetadataError,
    Title,
    read_metadata,
)

json_values = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False) | st.integers() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=10,
)


def read(entries: Any, folder: str = "music/Hindi") -> tuple[tuple[Title, ...], tuple[str, ...]]:
    return read_metadata(folder, json.dumps(entries).encode())


def test_a_folder_of_a_language_gives_titles_of_that_language() -> None:
    entry = {
        "romanized": "Hanuman Chalisa",
        "filename": "Hanuman Chalisa.mp3",
        "alternatives": ["hanuman", "chalisa"],
    }
    titles, problems = read({"Hanuman Chalisa": entry})
    assert titles == (
        Title(
            "music/Hindi/Hanuman Chalisa.mp3",
            "Hanuman Chalisa",
            "Hanuman Chalisa",
            ("hanuman", "chalisa"),
            "music",
            "hi",
        ),
    )
    assert problems == ()


@pytest.mark.parametrize(
    ("folder", "kind", "language", "category"),
    [
        ("music/Phonics", "music", "", "Phonics"),
        ("stories/Fantasy", "story", "", "Fantasy"),
        ("music/తెలుగు", "music", "te", ""),
        ("stories/Fairy Tales", "story", "", "Fairy Tales"),
    ],
)
def test_the_folder_says_kind_language_and_category(
    folder: str, kind: str, language: str, category: str
) -> None:
    (title,), _ = read({"One": {"filename": "one.mp3"}}, folder)
    assert (title.kind, title.language, title.category) == (kind, language, category)


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        ("song.mp3", "write it as"),
        ({}, "names no file"),
        ({"filename": "../../etc/passwd"}, "no path below its folder"),
        ({"filename": "/etc/passwd"}, "no path below its folder"),
        ({"filename": "a\\..\\b.mp3"}, "no path below its folder"),
        ({"filename": "a\nb.mp3"}, "no path below its folder"),
        ({"filename": "x" * 400}, "no path below its folder"),
        ({"filename": "a.mp3", "alternatives": "b"}, "no list"),
        ({"filename": "a.mp3", "alternatives": ["b"] * (MAX_ALTERNATIVES + 1)}, "keep at most"),
        ({"filename": "a.mp3", "alternatives": [1]}, "is no text"),
        ({"filename": "a.mp3", "romanized": "y" * (MAX_NAME_CHARS + 1)}, "is over 300"),
        ({"filename": "a.mp3", "romanized": "half \ud800"}, "surrogate"),
        ({"filename": "a.mp3", "duration_s": -3}, "duration_s"),
        ({"filename": "a.mp3", "duration_s": 10**400}, "duration_s"),
    ],
)
def test_a_bad_entry_is_told_and_the_rest_serves(entry: Any, reason: str) -> None:
    titles, problems = read({"Bad": entry, "Good": {"filename": "good.mp3"}})
    assert [title.title for title in titles] == ["Good"]
    (problem,) = problems
    assert problem.startswith('"Bad" in music/Hindi is left out: ')
    assert reason in problem


def test_control_characters_in_titles_become_spaces() -> None:
    (title,), _ = read({"A\x00 red\n\tkite": {"filename": "a.mp3"}})
    assert title.title == "A red kite"


def test_what_comes_twice_is_told() -> None:
    raw = b'{"A": {"filename": "a.mp3"}, "A": {"filename": "b.mp3"}, "C": {"filename": "a.mp3"}}'
    titles, problems = read_metadata("music/Hindi", raw)
    assert [title.object for title in titles] == ["music/Hindi/a.mp3", "music/Hindi/b.mp3"]
    assert "comes twice" in problems[0]
    assert 'is also that of "A"' in problems[1]


def test_many_problems_are_counted_rather_than_listed() -> None:
    _, problems = read({f"t{number}": {} for number in range(3 * MAX_PROBLEMS)})
    assert len(problems) == MAX_PROBLEMS + 1
    assert "200 more problems" in problems[-1]


@pytest.mark.parametrize(
    ("folder", "raw", "reason"),
    [
        ("music", b"{}", "no folder of a catalogue"),
        ("music/..", b"{}", "no folder of a catalogue"),
        ("films/Hindi", b"{}", "no folder of a catalogue"),
        ("music/Hindi", b"\xff{}", "not UTF-8 at byte 0"),
        ("music/Hindi", b"[]", "not a JSON object"),
        ("music/Hindi", b"{", "not JSON"),
        ("music/Hindi", b"[" * 100_000, "nested deeper"),
    ],
)
def test_what_is_no_metadata_is_refused_in_a_sentence(folder: str, raw: bytes, reason: str) -> None:
    with pytest.raises(MetadataError, match=reason):
        read_metadata(folder, raw)


@given(st.dictionaries(st.text(max_size=10), json_values, max_size=5))
def test_any_json_gives_titles_or_problems_that_can_be_printed(entries: dict[str, Any]) -> None:
    titles, problems = read(entries)
    assert len(titles) + len(problems) >= len(entries)
    assert all(problem.encode().endswith(problem[-1].encode()) for problem in problems)


@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused_by_name(raw: bytes) -> None:
    refusal = ""
    try:
        read_metadata("music/Hindi", raw)
    except MetadataError as error:
        refusal = str(error)
    assert not refusal or "music/Hindi" in refusal
