"""TLS to the log's server, ended by a terminator before it as operators have one (stunnel)."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
import trustme

from rhapsode.storage.log import GroupTimings, NewEntry, UnreachableError
from rhapsode.storage.opening import open_log
from rhapsode.storage.redis.embedded import EmbeddedValkey


@dataclass(frozen=True, slots=True)
class Terminator:
    """What a client needs to know of it."""

    port: int
    authority: Path
    certificate: Path
    """Of a client, with its key."""

    def url(self, **options: Path) -> str:
        query = "&".join(f"{name}={value}" for name, value in options.items())
        return f"rediss://127.0.0.1:{self.port}/0?{query}"


@pytest.fixture
async def terminator(valkey: EmbeddedValkey, tmp_path: Path) -> AsyncIterator[Terminator]:
    """Take TLS from clients that show a certificate, and pass on what they say."""
    authority = trustme.CA()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.configure_trust(context)
    context.verify_mode = ssl.CERT_REQUIRED
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    authority.issue_cert("me@here").private_key_and_cert_chain_pem.write_to_path(
        tmp_path / "me.pem"
    )
    passing: set[asyncio.Task[None]] = set()

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner_reader, inner_writer = await asyncio.open_unix_connection(valkey.socket)
        for source, sink in ((reader, inner_writer), (inner_reader, writer)):
            task = asyncio.create_task(pass_on(source, sink))
            passing.add(task)
            task.add_done_callback(passing.discard)

    server = await asyncio.start_server(take, "127.0.0.1", 0, ssl=context)
    port = server.sockets[0].getsockname()[1]
    yield Terminator(port, tmp_path / "ca.pem", tmp_path / "me.pem")
    server.close()
    while passing:
        await asyncio.wait(passing, timeout=5)


async def pass_on(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await source.read(65_536):
            sink.write(data)
            await sink.drain()
    sink.close()
    with suppress(OSError):
        await sink.wait_closed()


async def test_the_log_and_its_heartbeats_speak_tls_with_certificates_of_both_sides(
    terminator: Terminator,
):
    both = {"ssl_ca_certs": terminator.authority, "ssl_certfile": terminator.certificate}
    log, groups = open_log(terminator.url(**both, ssl_keyfile=terminator.certificate), "rhapsode")
    beats: list[object] = []
    timings = GroupTimings()
    await groups.join("g", "m", b"", timings)
    heartbeat = groups.heartbeat("g", "m", timings, 0.05, beats.append)
    heartbeat.start()
    try:
        await log.append("t", 0, [NewEntry(b"k", b"v" * 100_000)])
        found = await log.read({("t", 0): 0}, timeout_s=1.0)
        assert [len(entry.value or b"") for entry in found["t", 0]] == [100_000]
        async with asyncio.timeout(10):
            while not beats:
                await asyncio.sleep(0.01)
        assert not isinstance(beats[0], BaseException)
    finally:
        await asyncio.to_thread(heartbeat.stop)
        await log.close()


async def test_a_server_that_nobody_vouches_for_is_not_talked_to(terminator: Terminator):
    log, _ = open_log(terminator.url(), "rhapsode")
    with pytest.raises(UnreachableError, match="certificate verify failed"):
        await log.append("t", 0, [NewEntry(b"k", b"v")])
    await log.close()
