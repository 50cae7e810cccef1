import subprocess
import sys

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rhapsode.codecs.catalogue.answers import Answer, Ask, Control, NotFound, Play
from rhapsode.codecs.catalogue.matching import Catalogue
from rhapsode.codecs.catalogue.titles import Kind, Title


def title(place: str, name: str, *alternatives: str, romanized: str = "") -> Title:
    top, folder = place.split("/")
    kind: Kind = "story" if top == "stories" else "music"
    language = {"English": "en", "Hindi": "hi", "Telugu": "te"}.get(folder, "")
    category = "" if language else folder
    return Title(f"{place}/{name}.mp3", name, romanized, alternatives, kind, language, category)


TITLES = (
    title("music/English", "Five Speckled Frogs"),
    title("music/English", "Stop and Listen"),
    title("music/English", "Music Box Dancer"),
    title("music/English", "The Muffin Man", "drury lane"),
    title("music/English", "Ship on the Sea"),
    title("music/English", "Sheep on the Sea"),
    title("music/Hindi", "हाथी राजा", romanized="Hathi Raja"),
    title("music/Hindi", "Bandar Mama"),
    title("music/Telugu", "Bujji Meka"),
    title("music/Telugu", "Chitti Chilaka"),
    title("music/Gita", "Bhagavad Gita Chapter 1"),
    title("music/Gita", "Bhagavad Gita Chapter 2"),
    title("music/Gita", "Bhagavad Gita Chapter 12"),
    title("stories/Educational", "Episode 2 Volcanoes"),
    title("stories/Fantasy", "The Story of Play"),
    title("stories/Fantasy", "The Glass Mountain"),
    title("stories/Bedtime", "The Sleepy Bear"),
    title("stories/Bedtime", "Fantastic Pillow"),
)
CATALOGUE = Catalogue(TITLES)


def played(answer: Answer) -> str:
    assert isinstance(answer, Play), answer
    return answer.titles[0].title


@pytest.mark.parametrize(
    ("said", "wanted"),
    [
        ("Play Bandar Mama", "Bandar Mama"),
        ("bandar mama gaana bajao", "Bandar Mama"),
        ("बंदर मामा सुनाओ", "Bandar Mama"),
        ("బందర్ మామ పాట", "Bandar Mama"),
        ("haathi raaja sunao", "हाथी राजा"),
        ("play hathi raja in hindi", "हाथी राजा"),
        ("five spekled frog", "Five Speckled Frogs"),
        ("play 5 speckled frogs", "Five Speckled Frogs"),
        ("can you play muffinman please", "The Muffin Man"),
        ("put on drury lane", "The Muffin Man"),
        ("frogs speckled five", "Five Speckled Frogs"),
        ("tell me the glass mountain story", "The Glass Mountain"),
        ("sheep on the sea", "Sheep on the Sea"),
        ("ship on the sea", "Ship on the Sea"),
        ("చిట్టి చిలక పాట పాడు", "Chitti Chilaka"),
    ],
)
def test_a_title_is_found_however_it_is_spelled(said: str, wanted: str) -> None:
    assert played(CATALOGUE.answer(said)) == wanted


@pytest.mark.parametrize(
    ("said", "wanted"),
    [
        ("play stop and listen", "Stop and Listen"),
        ("stop and listen", "Stop and Listen"),
        ("play music box dancer", "Music Box Dancer"),
        ("tell me the story of play", "The Story of Play"),
        ("play the story of play", "The Story of Play"),
        ("the sleepy bear", "The Sleepy Bear"),
    ],
)
def test_a_title_of_carrier_words_is_found(said: str, wanted: str) -> None:
    assert played(CATALOGUE.answer(said)) == wanted


@pytest.mark.parametrize(
    "said",
    [
        "play humpty dumpty",
        "play the dancing elephant of jaipur",
        "tell me the story of the clever merchant",
        "bhagavad gita chapter 5",
        "bhagavad gita episode 2",
        "six speckled frogs",
        "ಪುಟ್ಟ ಹಕ್ಕಿ ಹಾಡು",
    ],
)
def test_an_absent_title_is_not_replaced_by_another(said: str) -> None:
    answer = CATALOGUE.answer(said)
    assert isinstance(answer, NotFound), answer
    assert answer.wanted


@pytest.mark.parametrize(
    ("said", "wanted"),
    [
        ("bhagavad gita chapter 2", "Bhagavad Gita Chapter 2"),
        ("second chapter of bhagavad gita", "Bhagavad Gita Chapter 2"),
        ("भगवद गीता अध्याय १२", "Bhagavad Gita Chapter 12"),
        ("bhagavad gita adhyay do", "Bhagavad Gita Chapter 2"),
        ("gita 12", "Bhagavad Gita Chapter 12"),
    ],
)
def test_a_numbered_title_is_found_by_its_number(said: str, wanted: str) -> None:
    assert played(CATALOGUE.answer(said)) == wanted


def test_a_series_without_a_number_goes_on_where_it_was_left() -> None:
    first = CATALOGUE.answer("play bhagavad gita chapter")
    assert played(first) == "Bhagavad Gita Chapter 1"
    heard = ("music/Gita/Bhagavad Gita Chapter 1.mp3",)
    assert played(CATALOGUE.answer("play bhagavad gita chapter", heard=heard)) == (
        "Bhagavad Gita Chapter 2"
    )


@pytest.mark.parametrize(
    ("said", "what", "value"),
    [
        ("play hindi song", "language", "hi"),
        ("हिंदी गाना सुनाओ", "language", "hi"),
        ("telugu paata paadu", "language", "te"),
        ("తెలుగు పాట", "language", "te"),
        ("tell me a fantasy story", "category", "Fantasy"),
        ("bedtime story please", "category", "Bedtime"),
        ("kahani sunao", "kind", "story"),
        ("put on some music", "kind", "music"),
        ("ಒಂದು ಕಥೆ ಹೇಳು", "kind", "story"),
    ],
)
def test_a_generic_request_plays_what_fits_it(said: str, what: str, value: str) -> None:
    answer = CATALOGUE.answer(said)
    assert isinstance(answer, Play)
    assert answer.slots.intent == "pick"
    assert getattr(answer.titles[0], what) == value


def test_a_mood_that_no_title_shows_is_said_to_be_passed_over() -> None:
    answer = CATALOGUE.answer("play something sad")
    assert isinstance(answer, Play)
    assert "no title shows that it is sad" in answer.reason


@pytest.mark.parametrize("said", ["play a tamil song", "tell me a horror story", "marathi katha"])
def test_a_generic_request_that_nothing_fits_is_not_found(said: str) -> None:
    assert isinstance(CATALOGUE.answer(said), NotFound)


def test_generic_requests_repeat_nothing_before_all_was_heard() -> None:
    heard: list[str] = []
    stories = [each for each in TITLES if each.kind == "story"]
    for _ in stories:
        answer = CATALOGUE.answer("tell me a story", heard=heard)
        assert isinstance(answer, Play)
        heard.append(answer.titles[0].object)
    assert sorted(heard) == sorted(each.object for each in stories)
    again = CATALOGUE.answer("tell me a story", heard=heard)
    assert isinstance(again, Play)
    assert again.titles[0].object == heard[0]


def test_several_are_played_where_several_are_asked_for() -> None:
    for said in ("play three songs", "teen gaane bajao"):
        answer = CATALOGUE.answer(said)
        assert isinstance(answer, Play)
        assert len({each.object for each in answer.titles}) == 3


def test_titles_as_near_as_each_other_are_asked_about() -> None:
    alike = Catalogue(
        (title("music/English", "Lily and Sam"), title("music/English", "Lily and Tom"))
    )
    answer = alike.answer("play lily")
    assert isinstance(answer, Ask)
    assert {each.title for each in answer.titles} == {"Lily and Sam", "Lily and Tom"}


def test_one_song_in_two_recordings_is_not_asked_about() -> None:
    both = (title("music/English", "Moon Lake"), title("music/Hindi", "Moon Lake"))
    answer = Catalogue(both).answer("play moon lake", language="hi-IN")
    assert isinstance(answer, Play)
    assert answer.titles == (both[1],)


def test_what_a_listener_may_not_hear_is_neither_played_nor_named() -> None:
    def songs(each: Title) -> bool:
        return each.kind == "music"

    for said in ("tell me the glass mountain", "tell me a story"):
        answer = CATALOGUE.answer(said, allow=songs)
        assert isinstance(answer, NotFound)
        assert "not allowed" in answer.reason
        assert not any(each.object.startswith("stories/") for each in answer.candidates)


def test_controls_are_answered_with_action_and_value() -> None:
    answer = CATALOGUE.answer("stop in ten minutes")
    assert isinstance(answer, Control)
    assert (answer.action, answer.value) == ("sleep", 600.0)


@pytest.mark.parametrize("said", ["", "!?", "\ud800", "\x00", "🎵", "the", "a" * 1_000_000])
def test_a_request_of_no_words_is_not_found(said: str) -> None:
    assert isinstance(CATALOGUE.answer(said), NotFound)


@pytest.mark.parametrize("said", ["play bandar mama", "play hindi song", "xyzzy", "next", "red"])
def test_answers_survive_their_serialisation(said: str) -> None:
    answer = CATALOGUE.answer(said)
    assert msgspec.json.decode(msgspec.json.encode(answer), type=Answer) == answer


def test_an_empty_catalogue_has_nothing() -> None:
    for said in ("play bandar mama", "play a song"):
        assert isinstance(Catalogue(()).answer(said), NotFound)


def test_answers_do_not_depend_on_the_order_of_titles_or_the_hash_seed() -> None:
    requests = ("play some music", "play bandr mama", "tell me a story", "sea", "two hindi songs")
    program = (
        "import sys, msgspec\n"
        "from rhapsode.codecs.catalogue.matching import Catalogue\n"
        "from rhapsode.codecs.catalogue.titles import Title\n"
        "titles = msgspec.json.decode(sys.argv[1], type=list[Title])\n"
        "catalogue = Catalogue(reversed(titles))\n"
        "print(msgspec.json.encode([catalogue.answer(each) for each in sys.argv[2:]]).decode())"
    )
    arguments = [sys.executable, "-c", program, msgspec.json.encode(TITLES).decode(), *requests]
    said = {
        subprocess.run(
            arguments,
            capture_output=True,
            text=True,
            check=True,
            env={"PYTHONHASHSEED": seed, "PYTHONUTF8": "1"},
        ).stdout.strip()
        for seed in ("1", "2")
    }
    here = msgspec.json.encode([CATALOGUE.answer(each) for each in requests]).decode()
    assert said == {here}


@settings(deadline=None)
@given(st.text(max_size=200))
def test_any_text_has_an_answer_that_can_be_logged(said: str) -> None:
    answer = CATALOGUE.answer(said)
    assert msgspec.json.decode(msgspec.json.encode(answer), type=Answer) == answer
    if isinstance(answer, Ask):
        assert 2 <= len(answer.titles) <= 3


@settings(deadline=None)
@given(st.sampled_from(TITLES), st.sampled_from(["play {}", "{} sunao", "{}", "{} paata"]))
def test_every_title_is_found_by_its_own_words(wanted: Title, carrier: str) -> None:
    assert played(CATALOGUE.answer(carrier.format(wanted.title))) == wanted.title
