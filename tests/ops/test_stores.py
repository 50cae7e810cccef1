"""Where audio files are read from, as the settings have it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from s3_server import S3Server

from rhapsode.ops.settings import Settings
from rhapsode.ops.settings_reading import read_settings
from rhapsode.ops.stores import open_objects
from rhapsode.storage.objects.store import ObjectsUnreachableError

SONG = bytes(range(256)) * 4_000
BUCKET = "music"


@pytest.fixture
def regions(tmp_path: Path) -> Iterator[tuple[S3Server, S3Server]]:
    servers = S3Server(tmp_path / "one"), S3Server(tmp_path / "two")
    try:
        for server in servers:
            server.start()
            client = server.client()
            client.create_bucket(Bucket=BUCKET)
            client.put_object(Bucket=BUCKET, Key="music/song.mp3", Body=SONG)
            client.close()
        yield servers
    finally:
        for server in servers:
            server.kill()


def settings(server: S3Server, state: Path, **more: str) -> Settings:
    variables = {
        f"RHAPSODE_{name.upper()}": value
        for name, value in {**server.variables("media"), "objects_bucket": BUCKET, **more}.items()
    }
    return read_settings(variables, state=state)


async def read(settings: Settings) -> bytes:
    source = open_objects(settings)
    try:
        info = await source.stat("music/song.mp3")
        assert info is not None
        return await source.read("music/song.mp3", 0, info.size_bytes, etag=info.etag)
    finally:
        await source.close()


async def test_a_song_is_read_in_another_region_while_its_own_is_away(
    regions: tuple[S3Server, S3Server], tmp_path: Path
) -> None:
    first, second = regions
    chosen = settings(
        first,
        tmp_path,
        objects_mirrors=f"{second.url}/{BUCKET}?region=eu-west-1",
        objects_cache_mb="0",
    )
    assert await read(chosen) == SONG
    first.kill()
    assert await read(chosen) == SONG
    second.kill()
    with pytest.raises(ObjectsUnreachableError):
        await read(chosen)


async def test_a_song_that_was_read_is_kept_unless_told_otherwise(
    regions: tuple[S3Server, S3Server], tmp_path: Path
) -> None:
    first, second = regions
    assert await read(settings(first, tmp_path)) == SONG
    assert await read(settings(second, tmp_path, objects_cache_mb="0")) == SONG
    first.kill()
    second.kill()
    assert await read(settings(first, tmp_path)) == SONG
    with pytest.raises(ObjectsUnreachableError):
        await read(settings(first, tmp_path, objects_cache_mb="0"))
