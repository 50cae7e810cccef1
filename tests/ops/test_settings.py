"""Settings: read once, all faults at once, secrets never shown."""

from pathlib import Path

import pytest

from rhapsode.ops.settings import Settings, SettingsError, read_settings


def test_nothing_in_the_environment_gives_settings_that_work_on_one_machine() -> None:
    settings = read_settings({})
    assert settings.host == "127.0.0.1"
    assert settings.redis_url == ""
    assert settings.media_folder == settings.state / "media"


def test_every_fault_is_reported_at_once() -> None:
    environment = {
        "RHAPSODE_PORT": "many",
        "RHAPSODE_PARTITIONS": "0",
        "RHAPSODE_FSYNC": "sometimes",
        "RHAPSODE_COLOUR": "blue",
        "RHAPSODE_S3_ACCESS_KEY_ID": "me",
    }
    with pytest.raises(SettingsError) as caught:
        read_settings(environment)
    for part in ("PORT='many'", "PARTITIONS=0", "FSYNC='sometimes'", "COLOUR", "SECRET_ACCESS_KEY"):
        assert part in str(caught.value)


def test_what_is_chosen_on_the_command_line_wins() -> None:
    assert read_settings({"RHAPSODE_PORT": "9000"}, port=9001).port == 9001
    assert read_settings({"RHAPSODE_PORT": "9000"}, port=None).port == 9000


def test_secrets_do_not_appear_in_what_is_printed() -> None:
    settings = Settings(s3_secret_access_key="swordfish", llm_key="hunter2")
    assert "swordfish" not in repr(settings)
    assert "hunter2" not in repr(settings)


def test_child_processes_read_back_what_their_parent_read(tmp_path: Path) -> None:
    settings = read_settings({}, state=tmp_path, port=1234, voices="espeak", segment_s=3.0)
    assert read_settings(settings.environment()) == settings
