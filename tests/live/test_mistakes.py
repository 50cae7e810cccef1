"""What a user is told who asks for what cannot be: one sentence, a status, no traceback."""

import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import httpx
import pytest
from broker import Broker
from command_line import command_line, one_sentence
from ports import free_port
from standins.old_redis import no_redis, old_redis
from system import Running, rhapsode

PASSWORD = "broker-password-4411"
WRONG_PASSWORD = "wrong-password-9920"


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    broker = Broker(tmp_path_factory.mktemp("broker"), PASSWORD)
    try:
        broker.start()
        yield broker
    finally:
        broker.kill()


@pytest.fixture
def live_url(live: Running) -> str:
    return f"unix://{live.state / 'valkey' / 'valkey.sock'}"


# -- what is asked for


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("say", ""), ("text is empty",)),
        (("say", " \n\t "), ("text is empty",)),
        (("say", "word " * 20_001), ("100005 characters", "100000")),
        (("worker", "sing"), ("'sing' is not a stage", "expand, split, speak, fetch, master")),
        (("replay", "../../etc/passwd", "--verify"), ("'../../etc/passwd'", "64 letters")),
        (("replay", "nobody", "--verify"), ("there is no session nobody",)),
        (("device", "--session", "../x", "--url", "ws://127.0.0.1:1/"), ("'../x'",)),
        (("device", "--session", "x", "--url", "ws://127.0.0.1:1/"), ("rhapsode up",)),
        (("device", "--session", "x", "--url", "nonsense"), ("not a voice device server",)),
    ],
)
def test_what_cannot_be_asked_for_is_said_before_anything_starts(
    arguments: tuple[str, ...], words: tuple[str, ...]
) -> None:
    one_sentence(command_line(*arguments, redis_url="memory://"), *words)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("say", "Hi.", "--mode", "sing"), ("'sing' is neither narrate nor expand",)),
        (("replay", "abc"), ("--verify", "--out")),
        (("device",), ("either --session or --text",)),
        (("say",), ("either a TEXT or --file",)),
        (("say", "Hi.", "--file", "-"), ("either a TEXT or --file",)),
        (("say", "-"), ("--file -",)),
        (("say", "Hi.", "--lang", "../../etc"), ("'../../etc'", "language tag")),
        (("say", "Hi.", "--voice", "a b"), ("'a b'", "voice name")),
        (("say", "Hi.", "--speed", "9"), ("9.0", "0.5 and 2.0")),
    ],
)
def test_a_command_that_is_used_wrongly_ends_with_status_2(
    arguments: tuple[str, ...], words: tuple[str, ...]
) -> None:
    one_sentence(command_line(*arguments), *words, status=2)


def test_empty_input_is_an_empty_text() -> None:
    told = command_line("say", "--file", "-", stdin="", redis_url="memory://")
    one_sentence(told, "text is empty")


def test_a_file_that_is_not_text_is_named(tmp_path: Path) -> None:
    (tmp_path / "image.txt").write_bytes(b"\xff\xfe\x00")
    told = command_line("say", "--file", str(tmp_path / "image.txt"), redis_url="memory://")
    one_sentence(told, "image.txt", "UTF-8")


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    told = command_line("say", "--file", str(tmp_path / "gone.txt"), redis_url="memory://")
    one_sentence(told, "gone.txt", "No such file")


def test_a_file_that_is_too_long_is_not_read_to_its_end(tmp_path: Path) -> None:
    with (tmp_path / "long.txt").open("wb") as file:
        file.truncate(20_000_000_000)  # a hole: it takes no space, and would not fit into memory
    told = command_line("say", "--file", str(tmp_path / "long.txt"), redis_url="memory://")
    one_sentence(told, "long.txt", "longer than 100000 characters", "split it")


def test_files_that_exist_are_not_overwritten_in_silence(tmp_path: Path) -> None:
    kept = tmp_path / "audio.wav"
    kept.write_bytes(b"kept")
    for arguments in (
        ("say", "Hi.", "--out", str(tmp_path)),
        ("replay", "abc", "--out", str(tmp_path)),
        ("device", "--session", "abc", "--out", str(kept)),
    ):
        told = command_line(*arguments, redis_url="memory://", port=str(free_port()))
        one_sentence(told, f"{kept} exists", "--force")
    assert kept.read_bytes() == b"kept"


def test_a_demo_replaces_only_what_a_demo_made(tmp_path: Path) -> None:
    (tmp_path / "device.wav").write_bytes(b"kept")
    told = command_line("demo", "--out", str(tmp_path), port=str(free_port()))
    one_sentence(told, f"{tmp_path}/device.wav exists", "--out")


def test_a_voice_that_nobody_has_is_answered_with_those_there_are(live_url: str) -> None:
    told = command_line("say", "Hi.", "--voice", "nobody", redis_url=live_url)
    one_sentence(told, "no voice 'nobody'", "auto, ", "espeak")


def test_a_language_that_no_voice_speaks_is_named(live_url: str) -> None:
    one_sentence(command_line("say", "Hi.", "--lang", "xx", redis_url=live_url), "speaks 'xx'")


def test_a_folder_that_cannot_be_written_to_is_named(live_url: str) -> None:
    told = command_line("say", "Hi.", "--out", "/dev/null/out", redis_url=live_url)
    one_sentence(told, "/dev/null/out", "choose another path")


def test_a_folder_is_not_made_for_a_session_that_is_refused(live_url: str, tmp_path: Path) -> None:
    out = tmp_path / "out"
    told = command_line("say", "Hi.", "--voice", "nobody", "--out", str(out), redis_url=live_url)
    one_sentence(told, "no voice 'nobody'")
    assert not out.exists()


def test_a_dead_letter_that_is_none_is_answered_in_a_sentence(live_url: str) -> None:
    for verb in ("show", "retry"):
        told = command_line("dead", verb, "0/99999", redis_url=live_url)
        one_sentence(told, "no dead letter '0/99999'", "dead ls")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("nothing",), ("no topic 'nothing'", "audio-frame")),
        (("dead-letter", "s"), ("have no sequence",)),
        (("text", "a b"), ("session id 'a b'",)),
    ],
)
def test_records_that_there_cannot_be_are_answered_in_a_sentence(
    arguments: tuple[str, ...], words: tuple[str, ...], live_url: str
) -> None:
    one_sentence(command_line("records", *arguments, redis_url=live_url), *words)


# -- settings


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("nonsense", "1", ("RHAPSODE_NONSENSE is not a setting",)),
        ("prot", "80", ("RHAPSODE_PROT is not a setting", "RHAPSODE_PORT")),
        ("port", "70000", ("RHAPSODE_PORT='70000'", "65535")),
        ("partitions", "many", ("RHAPSODE_PARTITIONS='many'",)),
        ("namespace", "a b", ("RHAPSODE_NAMESPACE", "'a b'")),
        ("fsync", "never", ("RHAPSODE_FSYNC", "always, everysec, no")),
        ("s3_access_key_id", "key", ("RHAPSODE_S3_SECRET_ACCESS_KEY",)),
    ],
)
def test_a_setting_that_is_wrong_is_named(name: str, value: str, words: tuple[str, ...]) -> None:
    one_sentence(command_line("up", **{name: value}), *words, status=2)


@pytest.mark.parametrize("command", ["up", "worker"])
def test_voices_that_are_none_are_answered_with_those_there_are(
    tmp_path: Path, command: str
) -> None:
    arguments = ("worker", "speak") if command == "worker" else ("up",)
    port = str(free_port())
    told = command_line(*arguments, voices="espeak,bells", state=str(tmp_path), port=port)
    one_sentence(told, "RHAPSODE_VOICES names bells", "auto, openai, piper, gtts, espeak")


def test_all_settings_that_are_wrong_are_named_at_once() -> None:
    told = one_sentence(command_line("up", port="x", fsync="never"), status=2)
    assert "RHAPSODE_PORT" in told
    assert "RHAPSODE_FSYNC" in told


@pytest.mark.parametrize("url", ["http://x", "redis://h:abc/0"])
def test_settings_are_not_listed_with_a_log_that_cannot_be(url: str) -> None:
    one_sentence(command_line("settings", redis_url=url), "the log's URL", status=2)


# -- this machine


@pytest.mark.parametrize("arguments", [("up",), ("gateway",), ("demo", "--out", "/tmp")])
def test_a_port_in_use_is_named(arguments: tuple[str, ...], tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        told = command_line(*arguments, state=str(tmp_path), port=port)
    one_sentence(told, f"port {port} is in use", "--port")


def test_an_address_of_another_machine_is_named(tmp_path: Path) -> None:
    told = command_line("up", "--host", "192.0.2.1", state=str(tmp_path), port=str(free_port()))
    one_sentence(told, "cannot listen on 192.0.2.1", "--host")


@pytest.mark.parametrize("state", ["/dev/null/x", "/proc/x"])
@pytest.mark.parametrize("arguments", [("up",), ("say", "Hi.")])
def test_a_state_folder_that_cannot_be_written_to_is_named(
    arguments: tuple[str, ...], state: str
) -> None:
    # of those who run as root too: one lies below a file, the other where nobody makes folders
    told = command_line(*arguments, state=state, port=str(free_port()))
    one_sentence(told, f"cannot write to {state}", "--state")


@pytest.mark.parametrize(
    "arguments",
    [("sessions",), ("topics",), ("records", "event"), ("replay", "s", "--verify")],
    ids=lambda arguments: arguments[0],
)
def test_to_look_at_a_log_that_is_none_creates_nothing(
    arguments: tuple[str, ...], tmp_path: Path
) -> None:
    told = command_line(*arguments, state=str(tmp_path / "typo"))
    one_sentence(told, "there is no log below", "--state")
    assert not list(tmp_path.iterdir())


def test_a_media_folder_that_cannot_be_written_to_is_named(tmp_path: Path) -> None:
    variables = {"state": str(tmp_path), "media": "/proc/x", "redis_url": "memory://"}
    one_sentence(command_line("worker", "pack", **variables), "/proc/x", "RHAPSODE_MEDIA")


# -- the log's server


COMMANDS = (("up",), ("gateway",), ("worker", "pack"), ("say", "Hi."), ("topics",))


@pytest.mark.parametrize("arguments", COMMANDS)
def test_a_log_out_of_reach_is_said_at_once(arguments: tuple[str, ...], tmp_path: Path) -> None:
    with socket.socket() as probe:  # bound and not listening: nobody answers there
        probe.bind(("127.0.0.1", 0))
        url = f"redis://:{PASSWORD}@127.0.0.1:{probe.getsockname()[1]}/0"
        told = command_line(*arguments, redis_url=url, state=str(tmp_path), port=str(free_port()))
    told = one_sentence(told, "does not answer", "--redis")
    assert PASSWORD not in told


def test_a_worker_without_an_embedded_log_is_told_who_runs_one(tmp_path: Path) -> None:
    told = command_line("worker", "pack", state=str(tmp_path))
    one_sentence(told, "valkey.sock does not answer", "rhapsode up")


@pytest.mark.parametrize("arguments", COMMANDS)
def test_a_server_too_old_for_the_log_is_told_from_one_that_is_away(
    arguments: tuple[str, ...], tmp_path: Path
) -> None:
    with old_redis() as url:
        told = command_line(*arguments, redis_url=url, state=str(tmp_path), port=str(free_port()))
    one_sentence(told, "Redis 7.0 or newer", "127.0.0.1")


def test_what_is_no_redis_is_told_so(tmp_path: Path) -> None:
    with no_redis() as url:
        told = command_line("worker", "pack", redis_url=url, state=str(tmp_path))
    one_sentence(told, url)


@pytest.mark.parametrize("arguments", COMMANDS)
def test_a_wrong_password_is_told_and_not_repeated(
    broker: Broker, arguments: tuple[str, ...], tmp_path: Path
) -> None:
    url = broker.url.replace(PASSWORD, WRONG_PASSWORD)
    told = command_line(*arguments, redis_url=url, state=str(tmp_path), port=str(free_port()))
    told = one_sentence(told, "check user, password and ACL rights", broker.safe_url)
    assert WRONG_PASSWORD not in told


def test_rights_that_lack_are_told(broker: Broker, tmp_path: Path) -> None:
    with closing(broker.client()) as client:
        client.execute_command("ACL", "SETUSER", "reader", "on", f">{PASSWORD}", "~*", "+@read")
    url = broker.url.replace("://:", "://reader:")
    told = one_sentence(
        command_line("worker", "pack", redis_url=url, state=str(tmp_path)),
        "check user, password and ACL rights",
    )
    assert PASSWORD not in told


def test_another_number_of_partitions_than_at_the_first_start_is_told(
    live: Running, live_url: str
) -> None:
    one_sentence(command_line("worker", "pack", redis_url=live_url, partitions="4"), "8")
    assert httpx.get(f"{live.url}/healthz", trust_env=False).status_code == 200


# -- and as a process


def test_a_process_says_the_same_and_ends_with_the_status() -> None:
    done = rhapsode("say", "", redis_url="memory://")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "rhapsode: the text is empty: send at least one word\n"
