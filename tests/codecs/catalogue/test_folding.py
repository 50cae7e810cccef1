# ruff: noqa: RUF001 - look-alikes are the subject here

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rhapsode.codecs.catalogue.folding import (
    MAX_WORDS,
    is_native,
    plain_words,
    skeleton,
    sound,
)
from rhapsode.codecs.catalogue.numerals import numbers_of, unspoken


def sounds(text: str) -> str:
    return " ".join(sound(word) for word in plain_words(text))


@pytest.mark.parametrize(
    ("native", "latin"),
    [
        ("बंदर मामा", "bandar mama"),
        ("चालीसा", "chaleesa"),
        ("पानी", "paani"),
        ("চাঁদ মামা", "chand mama"),
        ("చందమామ", "chandamama"),
        ("ಆನೆ ಬಂತು", "aane bantu"),
        ("മഴ വന്നു", "mazha vannu"),
        ("ਰਾਜਾ", "raja"),
        ("રાજા", "raaja"),
    ],
)
def test_native_script_sounds_like_its_latin_spelling(native: str, latin: str) -> None:
    assert sounds(native) == sounds(latin)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Hanuman Chaalisa", "hanumaan chalisa"),
        ("phool", "fool"),
        ("zara", "jara"),
        ("wah", "vah"),
        ("shyam", "syam"),
        ("katha", "kata"),
        ("geeta", "gita"),
        ("Don’t Stop", "dont stop"),
        ("ｆｕｌｌ　ｗｉｄｔｈ", "full width"),
    ],
)
def test_spellings_of_one_sound_meet(one: str, other: str) -> None:
    assert sounds(one) == sounds(other)


def test_tamil_written_without_voicing_meets_by_consonants() -> None:
    tamil, latin = plain_words("பாடல்")[0], plain_words("paadal")[0]
    assert skeleton(sound(tamil)) == skeleton(sound(latin))


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("Chapter 2", ("chapter", "2")),
        ("chapter number two", ("chapter", "2")),
        ("अध्याय २", ("chapter", "2")),
        ("adhyay do", ("chapter", "2")),
        ("Chapter IV", ("chapter", "4")),
        ("2nd chapter", ("2", "chapter")),
        ("twenty one", ("21",)),
        ("one hundred and eight", ("100", "and", "8")),
        ("one two buckle my shoe", ("1", "2", "buckle", "my", "shoe")),
        ("007", ("7",)),
        ("chapter2", ("chapter", "2")),
        ("do re mi", ("do", "re", "mi")),
    ],
)
def test_numbers_are_digits_however_they_are_said(said: str, words: tuple[str, ...]) -> None:
    assert plain_words(said) == words


@pytest.mark.parametrize(
    ("asked", "there", "fits"),
    [
        ("chapter 2", "Gita Chapter 2", True),
        ("second chapter", "Gita Chapter 2", True),
        ("chapter 2", "Gita Chapter 12", False),
        ("chapter 2", "Episode 2", False),
        ("gita 2", "Gita Chapter 2", True),
        ("gita chapter 5", "Gita", False),
        ("gita", "Gita Chapter 5", True),
        ("letter b", "Letter D Song", False),
    ],
)
def test_numbers_match_exactly(asked: str, there: str, fits: bool) -> None:
    said = unspoken(numbers_of(plain_words(asked)), numbers_of(plain_words(there)))
    assert (said is not None) is fits


def test_scripts_other_than_latin_are_native() -> None:
    assert is_native("नमस्ते")
    assert not is_native("café 12")


@given(st.text(max_size=500))
def test_any_text_folds_to_letters_and_digits(text: str) -> None:
    words = plain_words(text)
    assert len(words) <= MAX_WORDS
    for word in words:
        for key in (word, sound(word), skeleton(sound(word))):
            assert key.isascii()
            assert key.isalnum()
            assert key == key.lower()


@given(st.text(st.characters(min_codepoint=0x900, max_codepoint=0xD7F), max_size=30))
def test_any_mixture_of_indian_letters_folds(text: str) -> None:
    assert all(word.isascii() for word in plain_words(text))
