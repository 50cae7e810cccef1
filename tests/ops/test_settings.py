"""Settings: read once, all faults at once, secrets never shown."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from rhapsode.ops.settings import Settings, describe
from rhapsode.ops.settings_reading import SettingsError, read_settings

SECRETS = ("s3_secret_access_key", "openai_speech_key", "llm_key")


def settings_with(**values: Any) -> Settings:
    """Make settings whose names are only known when the test runs."""
    return Settings(**values)


def test_nothing_in_the_environment_gives_settings_that_work_on_one_machine() -> None:
    settings = read_settings({})
    assert settings.host == "127.0.0.1"
    assert settings.redis_url == ""
    assert settings.media_folder == settings.state / "media"


def test_an_empty_variable_means_the_default() -> None:
    assert read_settings({"RHAPSODE_PORT": "", "RHAPSODE_NONSENSE": ""}) == read_settings({})


def test_variables_of_others_are_left_alone() -> None:
    assert read_settings({"PORT": "1", "XRHAPSODE_PORT": "2"}) == read_settings({})


def test_settings_made_in_code_do_not_depend_on_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("RHAPSODE_PORT", "9000")
    assert Settings().port == 8080
    assert read_settings().port == 9000


def test_every_fault_is_reported_at_once_with_value_and_what_is_allowed() -> None:
    environment = {
        "RHAPSODE_PORT": "many",
        "RHAPSODE_PARTITIONS": "0",
        "RHAPSODE_SEGMENT_S": "nan",
        "RHAPSODE_FSYNC": "sometimes",
        "RHAPSODE_DEFAULT_MODE": "sing",
        "RHAPSODE_NAMESPACE": "a b",
        "RHAPSODE_MEDIA_PREFIX": "media/",
        "RHAPSODE_COLOUR": "blue",
        "RHAPSODE_S3_ACCESS_KEY_ID": "me",
    }
    with pytest.raises(SettingsError) as caught:
        read_settings(environment, voice_slots=65)
    assert set(str(caught.value).split("; ")) == {
        "RHAPSODE_PORT='many' is not a whole number between 1 and 65535",
        "RHAPSODE_PARTITIONS='0' is not a whole number between 1 and 512",
        "RHAPSODE_SEGMENT_S='nan' is not a number between 1.0 and 6.0",
        "RHAPSODE_FSYNC='sometimes' is not one of always, everysec, no",
        "RHAPSODE_DEFAULT_MODE='sing' is not one of narrate, expand",
        "RHAPSODE_NAMESPACE='a b': namespace 'a b' is not 1 to 64 letters, digits, '.', '_' or '-'",
        "RHAPSODE_MEDIA_PREFIX='media/': begin it with '/' and do not end it with '/'",
        "RHAPSODE_COLOUR is not a setting: 'rhapsode settings' lists them",
        "RHAPSODE_S3_ACCESS_KEY_ID and RHAPSODE_S3_SECRET_ACCESS_KEY go together: set both or "
        "neither",
        "RHAPSODE_VOICE_SLOTS='65' is not a whole number between 1 and 64",
    }


def test_a_name_that_is_nearly_right_is_answered_with_the_right_one() -> None:
    with pytest.raises(SettingsError, match="is RHAPSODE_VOICES meant"):
        read_settings({"RHAPSODE_VOICE": "espeak"})


def test_what_is_chosen_on_the_command_line_wins() -> None:
    assert read_settings({"RHAPSODE_PORT": "9000"}, port=9001).port == 9001
    assert read_settings({"RHAPSODE_PORT": "9000"}, port=None).port == 9000


def test_settings_cannot_be_changed() -> None:
    settings: Any = read_settings({})
    with pytest.raises(ValidationError):
        settings.port = 1


@pytest.mark.parametrize("name", SECRETS)
def test_a_secret_is_in_nothing_that_is_printed(name: str) -> None:
    settings = settings_with(**{name: "swordfish"})
    assert getattr(settings, name) == "swordfish"
    rows = describe(settings)
    assert next(row.value for row in rows if row.name == name)
    for shown in (repr(settings), str(settings), f"{settings}", repr(rows)):
        assert "swordfish" not in shown


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("openai_speech_url", "api.openai.com/v1"),
        ("llm_url", "ftp://host/v1"),
        ("openai_transcription_url", "http://[bad"),
        ("gtts_url", "http://host:99999/v1"),
        ("object_hosts", "https://cdn.example"),
        ("object_hosts", "cdn.example, host:99999"),
        ("object_hosts", "host:0"),
        ("objects_mirrors", "store.example/music"),
        ("objects_mirrors", "https://store.example"),
        ("objects_mirrors", "https://key:secret@store.example/music"),
        ("objects_mirrors", "https://store.example/music, https://store.example/a/b"),
        ("objects_mirrors", "https://store.example:99999/music"),
        ("state", "/tmp/two\nlines"),
    ],
)
def test_a_place_that_nobody_can_have_is_refused(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=name.upper()):
        read_settings({f"RHAPSODE_{name.upper()}": value})


def test_hosts_of_objects_may_be_all_public_ones_and_others_by_name() -> None:
    hosts = "*, cdn.example, 127.0.0.1:9000, [::1]:9000"
    assert read_settings({"RHAPSODE_OBJECT_HOSTS": hosts}).object_hosts == hosts


@pytest.mark.parametrize("name", ["redis_url", "s3_endpoint_url", "llm_url", "openai_speech_url"])
def test_a_password_in_a_url_is_not_printed(name: str) -> None:
    settings = settings_with(**{name: "https://me:sword@fish@host:1/x"})
    for shown in (repr(settings), str(settings), repr(describe(settings))):
        assert "sword" not in shown
        assert "fish" not in shown
        assert "host:1/x" in shown


def test_a_fault_does_not_repeat_a_secret() -> None:
    with pytest.raises(SettingsError) as caught:
        read_settings({"RHAPSODE_LLM_KEY": "swordfish", "RHAPSODE_PORT": "x"}, llm_key=b"\xff")
    assert "swordfish" not in str(caught.value)
    assert "xff" not in str(caught.value)


def test_every_setting_is_explained() -> None:
    for row in describe(read_settings({})):
        assert row.variable == f"RHAPSODE_{row.name.upper()}"
        assert row.value == row.default
        assert row.help.endswith("."), row.name
        assert "\n" not in row.help


def test_child_processes_read_back_what_their_parent_read(tmp_path: Path) -> None:
    settings = read_settings({}, state=tmp_path, port=1234, voices="espeak", segment_s=3.0)
    assert read_settings(settings.environment()) == settings


# what a process environment can hold: no NUL, and nothing that UTF-8 cannot say
_texts = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))


@given(
    voices=_texts,
    llm_key=_texts,
    state=_texts.filter(lambda text: text and text.isprintable()),
    segment_s=st.floats(1, 6),
    port=st.integers(1, 65_535),
)
def test_whatever_was_chosen_is_read_back(
    voices: str, llm_key: str, state: str, segment_s: float, port: int
) -> None:
    chosen = read_settings(
        {},
        voices=voices or "auto",  # empty means the default
        llm_key=llm_key,
        state=Path(state),
        segment_s=segment_s,
        port=port,
    )
    assert read_settings(chosen.environment()) == chosen
