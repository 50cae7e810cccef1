"""A server that comes back without its last writes: what was lost is said, never papered over."""

import os
import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import redis

from rhapsode.storage.errors import ForeignStreamError
from rhapsode.storage.log import (
    Fence,
    FencedError,
    GroupTimings,
    NewEntry,
    SequenceBatch,
    TruncatedError,
    UnreachableError,
)
from rhapsode.storage.redis.connection import RedisConnection, RedisSettings
from rhapsode.storage.redis.embedded import EmbeddedValkey
from rhapsode.storage.redis.groups import RedisGroups
from rhapsode.storage.redis.log import RedisLog

PLACE = ("t", 0)


class Server:
    """A server whose append-only file can be cut."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._server = EmbeddedValkey(folder, fsync="always")
        self._server.start()
        self.url = self._server.url
        self._connections: list[RedisConnection] = []

    def connect(self, url: str = "") -> RedisConnection:
        connection = RedisConnection(RedisSettings(url or self.url))
        self._connections.append(connection)
        return connection

    def log(self, url: str = "") -> RedisLog:
        return RedisLog(self.connect(url))

    @property
    def size(self) -> int:
        """Bytes of the append-only file."""
        return self._file.stat().st_size

    @property
    def _file(self) -> Path:
        (file,) = (self._folder / "appendonlydir").glob("*.incr.aof")
        return file

    async def come_back(self, size: int | None = None) -> None:
        """Start again, with no more than so many bytes of what was written."""
        assert self._server.pid is not None
        os.kill(self._server.pid, signal.SIGKILL)
        self._server.stop()
        if size is not None:
            with self._file.open("r+b") as file:
                file.truncate(size)
        self._server.start()
        for connection in self._connections:
            with suppress(UnreachableError):  # which only tells that the old server is away
                await connection.command("PING")

    async def stop(self) -> None:
        for connection in self._connections:
            await connection.close()
        self._server.stop()


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Server]:
    server = Server(tmp_path)
    yield server
    await server.stop()


async def append(log: RedisLog, *values: bytes, partition: int = 0) -> int:
    return await log.append("t", partition, [NewEntry(b"k", value) for value in values])


async def read(log: RedisLog, position: int, epoch: int) -> Sequence[bytes | None]:
    """Return what is stored from a position on; a read that met the restart is begun again."""
    for _ in range(3):
        found = await log.read({PLACE: position}, epoch=epoch)
        if found:
            return [entry.value for entry in found[PLACE]]
    return []


async def test_a_reader_is_told_what_was_lost_though_others_have_written_since(server: Server):
    reader, writer = server.log(), server.log()
    await append(writer, *[b"%d" % number for number in range(5)])
    size = server.size
    await append(writer, b"5", b"6")
    epoch = reader.epoch
    assert len(await read(reader, 0, epoch)) == 7
    await server.come_back(size)

    assert await append(server.log(), b"five", b"six", b"seven") == 5  # a third, that knows nothing
    with pytest.raises(TruncatedError, match=r"t/0 from 5") as told:
        await read(reader, 7, epoch)
    assert told.value.starts == {PLACE: 5}
    with pytest.raises(TruncatedError):  # for as long as it comes with the old epoch
        await read(reader, 7, epoch)
    assert await read(reader, 5, reader.epoch) == [b"five", b"six", b"seven"]


async def test_what_was_read_in_full_before_a_restart_without_loss_is_not_read_again(
    server: Server,
):
    log = server.log()
    await append(log, b"0", b"1")
    epoch = log.epoch
    assert await read(log, 0, epoch) == [b"0", b"1"]
    await server.come_back()
    await append(server.log(), b"2")
    assert await read(log, 2, epoch) == [b"2"]
    await server.come_back()
    assert await read(log, 3, epoch) == []
    assert log.epoch == epoch


@pytest.mark.parametrize("trimmed", [0, 2])
async def test_what_somebody_else_wrote_before_a_restart_is_no_loss(server: Server, trimmed: int):
    log = server.log()
    await append(log, b"0", b"1")
    epoch = log.epoch
    assert await read(log, 0, epoch) == [b"0", b"1"]
    await log.trim("t", 0, trimmed)
    foreign = server.connect()
    await foreign.command("XADD", foreign.keys.stream("t", 0), "*", "text", "theirs")
    await server.come_back()
    with pytest.raises(ForeignStreamError):
        await append(log, b"x")
    assert await log.mend("t", 0) == 1
    assert await append(log, b"2") == 2
    assert await read(log, 2, epoch) == [b"2"]
    assert log.epoch == epoch


async def test_a_partition_that_lost_nothing_goes_on_beside_one_that_did(server: Server):
    log = server.log()
    await append(log, b"0", b"1", partition=1)
    size = server.size
    await append(log, b"0", b"1")
    epoch = log.epoch
    positions = {PLACE: 2, ("t", 1): 2}
    assert not await log.read(positions, epoch=epoch)
    await server.come_back(size)
    with pytest.raises(TruncatedError) as told:
        await log.read(positions, epoch=epoch)
    assert told.value.starts == {PLACE: 0}
    await append(log, b"2", partition=1)
    found = await log.read({("t", 1): 2}, epoch=epoch)
    assert [entry.value for entry in found["t", 1]] == [b"2"]


async def test_a_commit_of_what_was_lost_is_refused_before_anything_was_read(server: Server):
    log = server.log()
    await append(log, b"0", b"1", b"2")
    await log.commit("g", 0, {"t": 3}, epoch=log.epoch)
    size = server.size
    epoch = log.epoch
    await append(log, b"3", b"4")
    assert len(await read(log, 3, epoch)) == 2
    await server.come_back(size)
    await append(server.log(), b"three", b"four", b"five")
    with pytest.raises(TruncatedError):
        await log.commit("g", 0, {"t": 5}, epoch=epoch)
    assert await log.committed("g", "t", 0) == 3


async def test_what_is_lost_twice_is_told_from_its_beginning(server: Server):
    log = server.log()
    await append(log, b"0")
    first = server.size
    await append(log, b"1", b"2")
    epoch = log.epoch
    assert len(await read(log, 0, epoch)) == 3
    await server.come_back(first)
    other = server.log()
    await append(other, b"one")
    second = server.size
    await append(other, b"two", b"three")
    await server.come_back(second)
    with pytest.raises(TruncatedError) as told:
        await read(log, 3, epoch)
    assert told.value.starts == {PLACE: 1}


async def test_what_this_process_wrote_and_nobody_read_is_missed_too(server: Server):
    log = server.log()
    batch = SequenceBatch("s", "a", 0, 2, b"k", (b"0", b"1"))
    await append(log, b"0")
    size = server.size
    await log.append_at(3, [batch])
    epoch = log.epoch
    await server.come_back(size)
    assert (await log.span("s", 3)).next == 0
    assert log.epoch == epoch + 1
    assert await log.append_at(3, [batch]) == [True]


async def test_a_position_that_was_committed_and_not_yet_read_from_is_checked(server: Server):
    log = server.log()
    await append(log, b"0")
    size = server.size
    await append(log, b"1", b"2")
    await log.commit("g", 0, {"t": 3})
    epoch = log.epoch
    position = await log.committed("g", "t", 0)
    assert position == 3
    await server.come_back(size)
    await append(server.log(), b"one", b"two", b"three")
    with pytest.raises(TruncatedError):
        await read(log, position, epoch)


async def test_a_generation_is_not_given_again_by_a_server_that_lost_it(server: Server):
    groups = RedisGroups(server.connect())
    timings = GroupTimings(initial_delay_s=0.0)
    before = await groups.join("g", "a", b"m", timings)
    await groups.leave("g", "a")
    await server.come_back()
    again = RedisGroups(server.connect())
    after = await again.join("g", "b", b"m", timings)
    assert after.generation > before.generation + 1


async def test_without_the_right_to_ask_nothing_is_noticed_and_all_else_works(server: Server):
    admin: Any = redis.Redis(unix_socket_path=server.url.removeprefix("unix://"))
    admin.execute_command("ACL", "SETUSER", "plain", "on", ">word", "~*", "&*", "+@all", "-info")
    url = server.url.replace("unix://", "unix://plain:word@")
    log = server.log(url)
    await append(log, b"0", b"1")
    epoch = log.epoch
    assert await read(log, 0, epoch) == [b"0", b"1"]
    await log.commit("g", 0, {"t": 2}, epoch=epoch)
    assert await log.committed("g", "t", 0) == 2
    admin.close()


@pytest.mark.parametrize("others_look", [False, True])
@pytest.mark.parametrize("fenced", [False, True])
async def test_an_answer_that_lay_unread_while_the_server_lost_the_write_counts_for_nothing(
    server: Server, monkeypatch: pytest.MonkeyPatch, *, fenced: bool, others_look: bool
):
    log = server.log()
    await append(log, b"0")
    size = server.size
    fence = Fence("g", 1, log.epoch) if fenced else None
    answered = log._scripts.append
    answers = 0

    async def unread(*arguments: Any) -> int | None:
        nonlocal answers
        answer = await answered(*arguments)
        answers += 1
        if answers == 1:  # the process gets no processor, and wakes up later
            await server.come_back(size)
            await log._connection.command("PING")  # another connection meets the next run
            if others_look:
                await log._epochs.enter()
        return answer

    monkeypatch.setattr(log._scripts, "append", unread)
    new = [NewEntry(b"k", b"1"), NewEntry(b"k", b"2")]
    if fenced:
        with pytest.raises(FencedError, match="lost its last writes"):
            await log.append("t", 0, new, fence=fence)
        assert log.epoch == 1
    else:
        assert await log.append("t", 0, new) == 1
        assert await read(log, 0, log.epoch) == [b"0", b"1", b"2"]


async def test_an_answer_that_lay_unread_while_the_server_came_back_whole_counts(
    server: Server, monkeypatch: pytest.MonkeyPatch
):
    log = server.log()
    fence = Fence("g", 1, log.epoch)
    answered = log._scripts.append_at

    async def unread(*arguments: Any, **options: Any) -> list[int]:
        answer = await answered(*arguments, **options)
        await server.come_back()
        await log._connection.command("PING")
        return answer

    monkeypatch.setattr(log._scripts, "append_at", unread)
    batch = SequenceBatch("s", "a", 0, 2, b"k", (b"0", b"1"))
    assert await log.append_at(3, [batch], fence=fence) == [True]
    assert (await log.span("s", 3)).next == 2
    assert log.epoch == 0
