"""What only people's files in S3 have: prefixes, rights, and servers that ignore what is asked."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from rhapsode.storage.objects.s3 import S3Settings
from rhapsode.storage.objects.s3_source import S3Source
from rhapsode.storage.objects.source import ObjectChangedError
from rhapsode.storage.objects.store import ObjectsRefusedError, ObjectsUnreachableError

SONG = bytes(range(256)) * 4


@pytest.mark.s3
async def test_a_prefix_precedes_every_name_and_may_be_left_out(
    s3_settings: S3Settings, s3_client: Any
):
    s3_client.create_bucket(Bucket=s3_settings.bucket)
    s3_client.put_object(Bucket=s3_settings.bucket, Key="a/b/song.flac", Body=SONG)
    for prefix, name in (("", "a/b/song.flac"), ("a", "b/song.flac"), ("a/b", "song.flac")):
        source = S3Source(s3_settings, prefix)
        assert await source.stat(name) is not None
        assert await source.stat("other/song.flac") is None
        await source.close()
    for prefix in ("/a", "a/", ".."):
        with pytest.raises(ValueError, match="is no file name"):
            S3Source(s3_settings, prefix)


@pytest.mark.s3
async def test_a_key_that_may_not_read_is_refused(s3_settings: S3Settings, s3_client: Any):
    s3_client.create_bucket(Bucket=s3_settings.bucket)
    source = S3Source(replace(s3_settings, secret_access_key="not-the-secret-91c4"))
    with pytest.raises(ObjectsRefusedError, match="check the access key"):
        await source.stat("song.flac")
    with pytest.raises(ObjectsRefusedError, match="check the access key"):
        await source.read("song.flac", 0, 10, etag='"0"')
    await source.close()


async def test_a_name_too_long_for_a_key_is_no_object():
    source = S3Source(S3Settings("bucket", "http://127.0.0.1:9"), prefix="p")
    assert await source.stat("a" * 1023) is None
    await source.close()


async def test_a_server_that_is_not_there_is_unreachable():
    settings = S3Settings("bucket", "http://127.0.0.1:9", access_key_id="k", secret_access_key="s")
    source = S3Source(settings)
    with pytest.raises(ObjectsUnreachableError, match="RHAPSODE_S3_ENDPOINT_URL"):
        await source.stat("song.flac")
    await source.close()


@asynccontextmanager
async def server_replying(status: str, headers: str, body: bytes) -> AsyncGenerator[S3Source]:
    """Serve one and the same reply to every request; yield a source on that server."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        head = f'HTTP/1.1 {status}\r\nETag: "1"\r\nConnection: close\r\n{headers}\r\n'
        writer.write(head.encode() + b"\r\n" + body)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    source = S3Source(
        S3Settings("bucket", f"http://127.0.0.1:{port}", access_key_id="k", secret_access_key="s")
    )
    async with server:
        yield source
        await source.close()


async def test_a_server_that_ignores_ranges_is_read_from_the_start_only():
    whole = f"Content-Length: {len(SONG)}"
    async with server_replying("200 OK", whole, SONG) as source:
        assert await source.read("song.flac", 0, 10, etag='"1"') == SONG[:10]
        with pytest.raises(ObjectsRefusedError, match="does not read ranges"):
            await source.read("song.flac", 1, 10, etag='"1"')


async def test_a_server_that_ignores_the_etag_is_found_out():
    part = "Content-Length: 10\r\nContent-Range: bytes 0-9/1024"
    async with server_replying("206 Partial Content", part, SONG[:10]) as source:
        assert await source.read("song.flac", 0, 10, etag='"1"') == SONG[:10]
        with pytest.raises(ObjectChangedError):
            await source.read("song.flac", 0, 10, etag='"2"')


async def test_a_reply_cut_short_is_unreachable_and_not_a_short_file():
    part = "Content-Length: 10\r\nContent-Range: bytes 0-9/1024"
    async with server_replying("206 Partial Content", part, SONG[:4]) as source:
        with pytest.raises(ObjectsUnreachableError):
            await source.read("song.flac", 0, 10, etag='"1"')
