"""The embedded server: it starts, keeps its data, and does not outlive us."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from broker import server_binary

from rhapsode.storage.log import NewEntry, SequenceBatch, UnreachableError
from rhapsode.storage.redis.connection import RedisConnection, RedisSettings
from rhapsode.storage.redis.embedded import EmbeddedValkey, EmbeddedValkeyError, FolderTakenError
from rhapsode.storage.redis.log import RedisLog

WaitUntil = Callable[..., Awaitable[None]]


def log_on(server: EmbeddedValkey) -> RedisLog:
    return RedisLog(RedisConnection(RedisSettings(server.url)))


def runs(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


async def test_a_restart_on_the_same_folder_keeps_the_data(tmp_path: Path):
    server = EmbeddedValkey(tmp_path)
    for round_number in range(2):
        with server:
            log = log_on(server)
            assert await log.append("t", 0, [NewEntry(b"k", b"v")]) == round_number
            await log.close()
        assert not server.socket.exists()
        assert server.pid is None


def test_a_log_whose_files_are_gone_is_missed_and_not_begun_anew_in_silence(tmp_path: Path):
    with EmbeddedValkey(tmp_path):
        pass
    (tmp_path / "appendonlydir" / "appendonly.aof.manifest").unlink()
    with pytest.raises(EmbeddedValkeyError, match=r"the log is gone.* Put it back, or remove"):
        EmbeddedValkey(tmp_path).start()
    shutil.rmtree(tmp_path)
    with EmbeddedValkey(tmp_path) as server:
        assert server.answers()


async def test_a_server_killed_while_writing_has_all_it_acknowledged(tmp_path: Path):
    server = EmbeddedValkey(tmp_path, fsync="always")
    server.start()
    log = log_on(server)
    acknowledged = 0

    async def write() -> None:
        nonlocal acknowledged
        while True:
            value = b"%d" % acknowledged + bytes(20_000)
            batch = SequenceBatch("t", "s", acknowledged, acknowledged + 1, b"k", (value,))
            await log.append_at(0, [batch])
            acknowledged += 1
            if acknowledged == 200:
                assert server.pid is not None
                os.kill(server.pid, signal.SIGKILL)

    try:
        with pytest.raises(UnreachableError):
            await write()
        with pytest.raises(UnreachableError, match="does not answer"):
            await log.topics()
        server.stop()
        server.start()
        stored = (await log.sequence_state("t", 0, "s")).next
        assert acknowledged >= 200
        # what was under way may have arrived, or not
        assert stored in (acknowledged, acknowledged + 1)
        read = await log.read_sequence("t", 0, "s", 0)
        assert [entry.value for entry in read] == [
            b"%d" % number + bytes(20_000) for number in range(stored)
        ]
        # scripts are sent again, as a restarted server has none
        assert await log.append("t", 0, [NewEntry(b"k", b"v")]) == stored
    finally:
        await log.close()
        server.stop()


async def test_what_was_cut_off_in_a_transaction_does_not_come_back_at_a_later_start(
    tmp_path: Path,
) -> None:
    server = EmbeddedValkey(tmp_path, fsync="always")
    for values, cut_bytes in (((b"kept", b"cut off", b"cut off"), 20), ((b"later",), 0)):
        with server:
            log = log_on(server)
            await log.append("t", 0, [NewEntry(b"k", values[0])])
            if values[1:]:  # together: a transaction of the server's file
                await log.append("t", 0, [NewEntry(b"k", value) for value in values[1:]])
            await log.close()
            assert server.pid is not None
            os.kill(server.pid, signal.SIGKILL)
        (newest,) = (tmp_path / "appendonlydir").glob("*.incr.aof")
        os.truncate(newest, newest.stat().st_size - cut_bytes)
    with server:
        log = log_on(server)
        found = (await log.read({("t", 0): 0}))["t", 0]
        await log.close()
    assert [entry.value for entry in found] == [b"kept", b"later"]


def test_a_second_server_on_the_same_folder_is_refused(tmp_path: Path):
    with EmbeddedValkey(tmp_path) as server:
        second = EmbeddedValkey(tmp_path)
        with pytest.raises(FolderTakenError, match=r"another process runs the log in .*--state"):
            second.start()
        assert server.answers()
        assert second.start_unless_running() is False
        second.stop()
        assert server.answers()


def test_a_stale_pid_file_and_socket_do_not_matter(tmp_path: Path):
    with socket.socket(socket.AF_UNIX) as left_behind:
        left_behind.bind(str(tmp_path / "valkey.sock"))
    (tmp_path / "valkey.pid").write_text("1", encoding="ascii")
    (tmp_path / "lock").write_text("999999999", encoding="ascii")
    server = EmbeddedValkey(tmp_path)
    assert server.start_unless_running() is True
    assert server.answers()
    server.stop()


def test_a_folder_may_have_a_long_and_odd_name(tmp_path: Path):
    folder = tmp_path / 'with "quotes", 100%, #1 and spaces?' / ("long" * 30)
    with EmbeddedValkey(folder) as server:
        assert server.answers()
        home = server.socket.parent
        assert home != folder
        assert home.stat().st_mode & 0o077 == 0
    home.rmdir()
    # one that is short enough for a socket, wherever tests are run
    with (
        tempfile.TemporaryDirectory(prefix='a "b" 50% #c? d') as odd,
        EmbeddedValkey(Path(odd)) as server,
    ):
        assert server.socket.parent == Path(odd)
        assert server.answers()


def test_a_socket_folder_that_others_could_have_made_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    server = EmbeddedValkey(tmp_path / ("long" * 40))
    server.socket.parent.mkdir(mode=0o777)
    server.socket.parent.chmod(0o777)
    with pytest.raises(EmbeddedValkeyError, match="others can write to"):
        server.start()


def test_a_server_that_cannot_start_tells_why(tmp_path: Path):
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(EmbeddedValkeyError, match="cannot write to"):
        EmbeddedValkey(file / "folder").start()
    with pytest.raises(ValueError, match="none of always"):
        EmbeddedValkey(tmp_path, fsync="sometimes")
    broken = tmp_path / "broken"
    (broken / "appendonlydir").mkdir(parents=True)
    (broken / "appendonlydir" / "appendonly.aof.manifest").write_text("nonsense", encoding="ascii")
    server = EmbeddedValkey(broken)
    with pytest.raises(EmbeddedValkeyError, match=r"did not start: .*manifest"):
        server.start()
    assert server.pid is None


@pytest.mark.skipif(
    sys.platform != "linux", reason="only Linux tells a child that its parent has ended"
)
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
async def test_it_does_not_outlive_its_starter(
    tmp_path: Path, how: signal.Signals, wait_until: WaitUntil
):
    program = f"""
        import sys, threading, time
        from pathlib import Path
        from rhapsode.storage.redis import embedded
        embedded.find_server = lambda: Path({str(server_binary())!r})  # as this process has it
        server = embedded.EmbeddedValkey(Path({str(tmp_path)!r}))
        starter = threading.Thread(target=server.start)  # its end is not the end of the process
        starter.start()
        starter.join()
        print(server.pid, flush=True)
        time.sleep(60)
    """
    starter = subprocess.Popen(  # noqa: ASYNC220 - nothing else runs in this loop
        [sys.executable, "-c", textwrap.dedent(program)], stdout=subprocess.PIPE
    )
    assert starter.stdout is not None
    with starter.stdout as output:
        pid = int(output.readline())
    assert runs(pid)
    server = EmbeddedValkey(tmp_path)
    assert server.start_unless_running() is False
    starter.send_signal(how)
    starter.wait()
    # the next one waits for the old server to end, and has the folder to itself
    assert server.start_unless_running() is True
    await wait_until(lambda: not runs(pid))
    assert server.answers()
    server.stop()
