"""Recommendations: new, most like what was heard of late, allowed, and with the reason told."""

import pytest

from rhapsode.codecs.catalogue.answers import Play
from rhapsode.codecs.catalogue.limits import Limits
from rhapsode.codecs.catalogue.matching import Catalogue
from rhapsode.codecs.catalogue.replies import LANGUAGES, reply_to
from rhapsode.codecs.catalogue.titles import Title


def story(category: str, number: int) -> Title:
    return Title(
        f"stories/{category}/{number}.mp3",
        f"{category} tale {number}",
        kind="story",
        category=category,
    )


def song(language: str, code: str, number: int) -> Title:
    return Title(f"music/{language}/{number}.mp3", f"{language} song {number}", language=code)


CATALOGUE = Catalogue(
    [story(category, number) for category in ("Fantasy", "Animals") for number in range(6)]
    + [
        song(name, code, number)
        for name, code in (("Hindi", "hi"), ("Telugu", "te"))
        for number in range(6)
    ]
)


def recommended(text: str, *heard: str, limits: Limits | None = None) -> Play:
    answer = CATALOGUE.answer(text, heard=heard, allow=(limits or Limits()).allows)
    assert isinstance(answer, Play), answer
    return answer


@pytest.mark.parametrize(
    "text",
    [
        "recommend something",
        "Suggest a story please",
        "can you recommend me a story",
        "कोई कहानी सुझाओ",
    ],
)
def test_what_is_new_and_most_like_what_was_heard_is_recommended_and_the_reason_told(
    text: str,
) -> None:
    heard = [f"stories/Fantasy/{number}.mp3" for number in range(3)] + ["stories/Animals/0.mp3"]
    answer = recommended(text, *heard)
    (title,) = answer.titles
    assert title.category == "Fantasy"
    assert title.object not in heard
    assert answer.because == "Fantasy"
    assert "Fantasy" in answer.reason
    assert reply_to(answer, "en") == (f"Because you like Fantasy: {title.title}.", "en")


def test_a_language_is_a_taste_where_there_are_no_categories() -> None:
    answer = recommended("suggest a song", *(f"music/Telugu/{number}.mp3" for number in range(3)))
    assert (answer.titles[0].language, answer.because) == ("te", "Telugu")


def test_tastes_change() -> None:
    old = [f"stories/Fantasy/{number}.mp3" for number in range(5)]
    new = ["stories/Animals/0.mp3"] * 12
    assert recommended("recommend a story", *old, *new).because == "Animals"
    assert recommended("recommend a story", *new, *old).because == "Animals"
    assert recommended("recommend a story", *new[:2], *old).because == "Fantasy"


def test_what_is_asked_for_counts_more_than_the_taste() -> None:
    heard = [f"stories/Fantasy/{number}.mp3" for number in range(3)]
    answer = recommended("recommend a Hindi song", *heard)
    assert (answer.titles[0].language, answer.because) == ("hi", "")
    assert reply_to(answer, "en") == ("", "en")


def test_without_a_history_anything_is_recommended_for_no_reason() -> None:
    answer = recommended("recommend a story")
    assert answer.because == ""
    assert answer.titles[0].kind == "story"


def test_what_may_not_be_heard_is_not_recommended() -> None:
    heard = [f"stories/Fantasy/{number}.mp3" for number in range(3)] + ["stories/Animals/0.mp3"]
    answer = recommended("recommend a story", *heard, limits=Limits(never=("Fantasy",)))
    assert (answer.titles[0].category, answer.because) == ("Animals", "Animals")


def test_who_has_heard_all_of_it_hears_what_was_longest_ago() -> None:
    heard = [title.object for title in CATALOGUE.titles]
    answer = recommended("recommend a story", *heard)
    assert answer.titles[0].object == next(name for name in heard if name.startswith("stories"))
    assert answer.because == ""
    assert "not heard" not in answer.reason


def test_titles_of_no_known_language_come_before_those_of_a_foreign_one() -> None:
    stories = [story("Fantasy", 1), story("Fantasy", 2)]
    foreign = [Title("stories/Telugu/1.mp3", "Kundelu", kind="story", language="te")]
    catalogue = Catalogue(stories + foreign)
    heard: list[str] = []
    for _ in range(4):
        answer = catalogue.answer("tell me a story", language="en", heard=heard)
        assert isinstance(answer, Play)
        heard.append(answer.titles[0].object)
    assert "stories/Telugu/1.mp3" not in heard


def test_several_are_recommended_at_once() -> None:
    answer = recommended("recommend three stories", *(f"stories/Fantasy/{n}.mp3" for n in range(3)))
    assert [title.category for title in answer.titles] == ["Fantasy"] * 3
    assert len({title.object for title in answer.titles}) == 3


def test_other_requests_have_no_reason_to_be_told() -> None:
    heard = [f"stories/Fantasy/{number}.mp3" for number in range(3)]
    for text in ("tell me a story", "play Fantasy tale 5"):
        assert recommended(text, *heard).because == ""


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_reason_is_told_in_the_listeners_language(language: str) -> None:
    answer = recommended("recommend a story", "stories/Fantasy/0.mp3")
    said, in_language = reply_to(answer, language)
    assert in_language == language
    assert answer.titles[0].title in said
    assert "Fantasy" in said
