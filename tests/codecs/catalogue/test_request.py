import pytest
from hypothesis import given
from hypothesis import strategies as st

from rhapsode.codecs.catalogue.request import MAX_COUNT, Grammar, Slots

GRAMMAR = Grammar(["Fantasy", "Bedtime", "Phonics", "Fairy Tales"])


@pytest.mark.parametrize(
    ("said", "slots"),
    [
        ("Play Baa Baa Black Sheep", Slots(title="baa baa black sheep")),
        ("Play Hindi song", Slots("pick", kind="music", language="hi")),
        ("हिंदी गाना बजाओ", Slots("pick", kind="music", language="hi")),
        ("కన్నడ కథ చెప్పు", Slots("pick", kind="story", language="kn")),
        ("ஒரு தமிழ் பாட்டு பாடு", Slots("pick", kind="music", language="ta")),
        ("একটা বাংলা গান শোনাও", Slots("pick", kind="music", language="bn")),
        ("मराठी गोष्ट सांग", Slots("pick", kind="story", language="mr")),
        ("ഒരു മലയാളം പാട്ട് വെക്കൂ", Slots("pick", kind="music", language="ml")),
        ("Tell me a fantasy story", Slots("pick", kind="story", category="Fantasy")),
        ("play phonics songs", Slots("pick", kind="music", category="Phonics")),
        ("a fairy tale please", Slots("pick", kind="story", category="Fairy Tales")),
        ("Put on some music", Slots("pick", kind="music")),
        ("play something energetic", Slots("pick", mood="energetic")),
        ("sing for me", Slots("pick", kind="music")),
        ("play three songs", Slots("pick", kind="music", count=3)),
        ("do gaane sunao", Slots("pick", kind="music", count=2)),
        ("play the third story", Slots("pick", kind="story", number="3")),
        ("play song number 4", Slots("pick", kind="music", number="4")),
        ("play 1000 songs", Slots("pick", kind="music", count=MAX_COUNT)),
        ("three little pigs story", Slots(kind="story", title="3 little pigs", number="3")),
        ("ramayana adhyay do", Slots(title="ramayana chapter 2", number="2")),
        ("louder", Slots("control", control="volume_up")),
    ],
)
def test_a_request_is_understood(said: str, slots: Slots) -> None:
    assert GRAMMAR.read(said).slots == slots


def test_words_that_carry_titles_elsewhere_are_no_sort_of_thing() -> None:
    assert GRAMMAR.read("saang saang bajao").slots.intent == "play"


@given(st.text(max_size=300))
def test_any_text_is_read(said: str) -> None:
    request = GRAMMAR.read(said)
    assert len(request.words) == len(request.sounds) == len(request.weights)
    assert 1 <= request.slots.count <= MAX_COUNT
    start, end = request.core
    assert 0 <= start <= end <= len(request.words)
