import pytest
from hypothesis import given
from hypothesis import strategies as st

from rhapsode.codecs.catalogue.controls import MAX_TIME_S, command_of


@pytest.mark.parametrize(
    ("said", "action"),
    [
        ("next", "next"),
        ("Play the next song, please!", "next"),
        ("agla gaana bajao", "next"),
        ("अगला गाना", "next"),
        ("తర్వాత పాట", "next"),
        ("previous song", "previous"),
        ("ruk jao", "pause"),
        ("next paata pettu", "next"),
        ("pause chey", "pause"),
        ("can you pause", "pause"),
        ("resume", "resume"),
        ("गाना बंद करो", "stop"),
        ("paata aapu", "stop"),
        ("நிறுத்து", "stop"),
        ("play it again", "repeat"),
        ("one more time", "repeat"),
        ("shuffle", "shuffle"),
        ("louder", "volume_up"),
        ("awaaz kam karo", "volume_down"),
    ],
)
def test_a_control_is_understood_in_each_language(said: str, action: str) -> None:
    command = command_of(said)
    assert command is not None
    assert command.action == action


@pytest.mark.parametrize(
    ("said", "action", "value"),
    [
        ("volume 40", "volume", 40.0),
        ("set the volume to fifty percent", "volume", 50.0),
        ("volume 900", "volume", 100.0),
        ("set volume to -5", "volume", 0.0),
        ("stop in ten minutes", "sleep", 600.0),
        ("sleep timer half an hour", "sleep", 1800.0),
        ("stop in an hour", "sleep", 3600.0),
        ("das minute baad band karo", "sleep", 600.0),
        ("दस मिनट बाद बंद करो", "sleep", 600.0),
        ("skip 30 seconds", "seek", 30.0),
        ("skip thirty five seconds", "seek", 35.0),
        ("go back 1 minute", "seek", -60.0),
        ("go to 2 minutes", "position", 120.0),
        ("skip 99999999999999 hours", "seek", MAX_TIME_S),
    ],
)
def test_a_control_brings_its_value(said: str, action: str, value: float) -> None:
    command = command_of(said)
    assert command is not None
    assert (command.action, command.value) == (action, value)


@pytest.mark.parametrize(
    "said",
    ["stop and listen", "play stop look and listen", "next to me", "play music", "", "!!!", "the"],
)
def test_words_beyond_a_control_make_it_none(said: str) -> None:
    assert command_of(said) is None


@given(
    st.text(max_size=60)
    | st.lists(st.sampled_from(["stop", "5", "१०", "half", "an", "hour", "②", "፩", "minutes"])).map(
        " ".join
    )
)
def test_any_text_is_a_control_or_none(said: str) -> None:
    command = command_of(said)
    assert command is None or command.value is None or abs(command.value) <= MAX_TIME_S
