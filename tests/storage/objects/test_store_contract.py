"""What a folder and S3 both promise for objects; SeaweedFS is the S3 server."""

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from s3_server import (
    ACCESS_KEY_ID,
    READER_KEY_ID,
    READER_SECRET,
    SECRET_ACCESS_KEY,
    S3Server,
)

from rhapsode.storage.objects.folder import FolderObjects
from rhapsode.storage.objects.names import cache_control_of, check_name, content_type_of
from rhapsode.storage.objects.s3 import S3Objects, S3Settings
from rhapsode.storage.objects.store import Objects, ObjectsRefusedError, ObjectsUnreachableError

PLAYLIST = "application/vnd.apple.mpegurl"
HOSTILE = (
    "",
    "/",
    "/etc/passwd",
    "..",
    "../up",
    "a/../../up",
    "a//b",
    "a/",
    "./a",
    ".hidden",
    "a/.hidden",
    "a\\b",
    "a\nb",
    "a\n",
    "a\0b",
    "a b",
    "a?b",
    "a%2fb",
    "ä",
    "a/" * 8 + "a",
    "a" * 129,
)
_buckets = count()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    server = S3Server(tmp_path_factory.mktemp("s3"))
    try:
        server.start()
        yield server
    finally:
        server.kill()


@pytest.fixture
def s3_settings(server: S3Server) -> S3Settings:
    """Give a bucket of the test's own that does not exist yet."""
    return S3Settings(
        bucket=f"bucket-{next(_buckets)}",
        endpoint_url=server.url,
        access_key_id=ACCESS_KEY_ID,
        secret_access_key=SECRET_ACCESS_KEY,
    )


@pytest.fixture
async def s3(s3_settings: S3Settings) -> AsyncIterator[S3Objects]:
    store = S3Objects(s3_settings)
    await store.prepare()
    yield store
    await store.close()


@pytest.fixture
def plain(server: S3Server) -> Iterator[Any]:
    with closing(server.client()) as client:
        yield client


@pytest.fixture(params=["folder", pytest.param("s3", marks=pytest.mark.s3)])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Objects]:
    if request.param == "s3":
        made: Objects = S3Objects(request.getfixturevalue("s3_settings"))
    else:
        made = FolderObjects(tmp_path / "not" / "there" / "yet")
    await made.prepare()
    yield made
    await made.close()


@pytest.mark.parametrize("data", [b"", b"#EXTM3U\n", bytes(range(256)) * 4096])
async def test_what_is_put_is_got_byte_for_byte(store: Objects, data: bytes) -> None:
    await store.put("session/audio_000.m4s", data, "audio/mp4")
    got = await store.get("session/audio_000.m4s")
    assert got is not None
    assert got.data == data
    assert got.content_type == "audio/mp4"


async def test_what_was_never_put_is_none(store: Objects) -> None:
    await store.put("session/a.m4s", b"x", "audio/mp4")
    for name in ("session/b.m4s", "session", "other/a.m4s", "session/a.m4s/c.m4s"):
        assert await store.get(name) is None, name


async def test_a_put_replaces_and_another_content_has_another_tag(store: Objects) -> None:
    tags: list[str] = []
    for data in (b"one", b"two", b"one"):
        await store.put("s/audio.m3u8", data, PLAYLIST)
        got = await store.get("s/audio.m3u8")
        assert got is not None
        assert got.data == data
        tags.append(got.etag)
    assert tags[0] == tags[2] != tags[1]
    assert all(tag.startswith('"') and tag.endswith('"') for tag in tags)


async def test_no_reader_sees_half_of_a_replacement(store: Objects) -> None:
    versions = [bytes([number]) * (200_000 + number) for number in range(8)]
    await store.put("s/audio.m3u8", versions[0], PLAYLIST)
    written = asyncio.Event()
    seen: set[bytes] = set()

    async def write() -> None:
        for data in versions:
            await store.put("s/audio.m3u8", data, PLAYLIST)
        written.set()

    async def read() -> None:
        while not written.is_set():
            got = await store.get("s/audio.m3u8")
            assert got is not None
            seen.add(got.data)

    await asyncio.gather(write(), read(), read())
    assert seen <= set(versions)
    got = await store.get("s/audio.m3u8")
    assert got is not None
    assert got.data == versions[-1]


async def test_many_at_once_are_all_stored(store: Objects) -> None:
    names = [f"s/audio_{number:03d}.m4s" for number in range(60)]
    await asyncio.gather(*(store.put(name, name.encode(), "audio/mp4") for name in names))
    got = await asyncio.gather(*(store.get(name) for name in names))
    assert [one.data for one in got if one is not None] == [name.encode() for name in names]
    assert await store.names("s/") == names


async def test_names_are_sorted_and_start_with_the_prefix(store: Objects) -> None:
    for name in ("b/two.m4s", "b/one.m4s", "a/one.m4s", "bb/one.m4s", "top.json"):
        await store.put(name, b"x", content_type_of(name))
    assert await store.names("") == [
        "a/one.m4s",
        "b/one.m4s",
        "b/two.m4s",
        "bb/one.m4s",
        "top.json",
    ]
    assert await store.names("b/") == ["b/one.m4s", "b/two.m4s"]
    assert await store.names("b") == ["b/one.m4s", "b/two.m4s", "bb/one.m4s"]
    assert await store.names("b/o") == ["b/one.m4s"]
    assert await store.names("nobody/") == []
    assert await store.names("top.json/x") == []


async def test_what_is_deleted_is_gone_and_deleting_nothing_is_no_error(store: Objects) -> None:
    await store.put("s/a.m4s", b"x", "audio/mp4")
    await store.put("s/b.m4s", b"x", "audio/mp4")
    for _ in range(2):
        await store.delete("s/a.m4s")
    await store.delete("nobody/a.m4s")
    await store.delete("s")
    assert await store.get("s/a.m4s") is None
    assert await store.names("") == ["s/b.m4s"]


async def test_a_hostile_name_is_refused_by_every_method(store: Objects) -> None:
    for name in HOSTILE:
        with pytest.raises(ValueError, match="no object name"):
            await store.put(name, b"x", "audio/mp4")
        with pytest.raises(ValueError, match="no object name"):
            await store.get(name)
        with pytest.raises(ValueError, match="no object name"):
            await store.delete(name)
        with pytest.raises(ValueError, match="no object name"):
            store.url(name)
    assert await store.names("") == []


async def test_a_prefix_no_name_begins_with_is_refused(store: Objects) -> None:
    for prefix in ("/", "../", "a/../", ".hid", "a//"):
        with pytest.raises(ValueError, match="no object name"):
            await store.names(prefix)


@given(st.text(max_size=40))
def test_a_name_that_passes_stays_below_its_folder(name: str) -> None:
    try:
        check_name(name)
    except ValueError:
        return
    folder = Path("/store")
    assert (folder / name).resolve().is_relative_to(folder)
    assert (folder / name).resolve().relative_to(folder).as_posix() == name


def test_only_playlists_may_change_in_a_cache() -> None:
    assert cache_control_of("s/audio.m3u8") == "no-cache"
    assert cache_control_of("s/audio_000.m4s") == "public, max-age=31536000, immutable"


# -- the folder


async def test_a_folder_below_a_file_is_refused_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(ObjectsRefusedError, match=r"file/media: .*RHAPSODE_MEDIA"):
        await FolderObjects(tmp_path / "file" / "media").prepare()


async def test_a_file_where_a_folder_belongs_is_refused_not_tried_for_ever(tmp_path: Path) -> None:
    store = FolderObjects(tmp_path)
    await store.put("session", b"a file", "application/octet-stream")
    with pytest.raises(ObjectsRefusedError, match="session/audio"):
        await store.put("session/audio.m3u8", b"x", PLAYLIST)
    await store.put("folder/audio.m3u8", b"x", PLAYLIST)
    with pytest.raises(ObjectsRefusedError, match="folder"):
        await store.put("folder", b"x", "application/octet-stream")
    assert await store.names("") == ["folder/audio.m3u8", "session"]


async def test_a_put_that_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    store = FolderObjects(tmp_path)
    await store.put("folder/audio.m3u8", b"x", PLAYLIST)
    with pytest.raises(ObjectsRefusedError):
        await store.put("folder", b"x", "application/octet-stream")
    assert os.listdir(tmp_path) == ["folder"]  # noqa: PTH208 - the hidden ones as well


async def test_a_file_being_written_is_no_object(tmp_path: Path) -> None:
    store = FolderObjects(tmp_path)
    await store.put("s/a.m4s", b"x", "audio/mp4")
    (tmp_path / "s" / ".tmp1").write_bytes(b"half")
    assert await store.names("") == ["s/a.m4s"]


async def test_a_folder_says_where_a_player_finds_an_object(tmp_path: Path) -> None:
    store = FolderObjects(tmp_path)
    await store.put("s/a.m4s", b"x", "audio/mp4")
    assert store.url("s/a.m4s") == (tmp_path / "s" / "a.m4s").as_uri()


# -- S3


@pytest.mark.s3
async def test_an_object_has_its_type_and_cache_headers_in_the_bucket(
    s3: S3Objects, s3_settings: S3Settings, plain: Any
) -> None:
    expected = {
        "audio.m3u8": (PLAYLIST, "no-cache"),
        "audio_000.m4s": ("audio/mp4", "public, max-age=31536000, immutable"),
    }
    for name, (kind, cache) in expected.items():
        await s3.put(f"s/{name}", b"x", kind)
        head = plain.head_object(Bucket=s3_settings.bucket, Key=f"hls/s/{name}")
        assert (head["ContentType"], head["CacheControl"]) == (kind, cache)
        assert s3.url(f"s/{name}").endswith(f"/{s3_settings.bucket}/hls/s/{name}")


@pytest.mark.s3
async def test_workers_that_start_at_once_make_one_bucket(
    s3_settings: S3Settings, plain: Any
) -> None:
    stores = [S3Objects(s3_settings) for _ in range(4)]
    await asyncio.gather(*(store.prepare() for store in stores))
    await asyncio.gather(*(store.prepare() for store in stores))
    for store in stores:
        assert await store.names("") == []
        await store.close()
    names = [bucket["Name"] for bucket in plain.list_buckets()["Buckets"]]
    assert names.count(s3_settings.bucket) == 1


@pytest.mark.s3
@pytest.mark.parametrize(
    ("key_id", "secret"),
    [
        (ACCESS_KEY_ID, "not-the-secret-91c4"),
        ("nobody", "not-the-secret-91c4"),
        (READER_KEY_ID, READER_SECRET),
    ],
    ids=["wrong-secret", "unknown-key", "may-only-read"],
)
async def test_who_may_not_write_is_told_before_any_session(
    s3: S3Objects, s3_settings: S3Settings, key_id: str, secret: str
) -> None:
    refused = S3Objects(
        S3Settings(
            bucket=s3_settings.bucket,
            endpoint_url=s3_settings.endpoint_url,
            access_key_id=key_id,
            secret_access_key=secret,
        )
    )
    with pytest.raises(ObjectsRefusedError, match="check the access key") as raised:
        await refused.prepare()
    await refused.close()
    assert secret not in str(raised.value)


async def test_a_server_that_is_not_there_is_named_without_its_password() -> None:
    with socket.socket() as probe:  # bound and not listening: nobody answers there
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        store = S3Objects(
            S3Settings(
                bucket="bucket",
                endpoint_url=f"http://user:hidden@127.0.0.1:{port}",
                access_key_id="key",
                secret_access_key="secret",
            )
        )
        with pytest.raises(ObjectsUnreachableError, match="RHAPSODE_S3_ENDPOINT_URL") as raised:
            await store.prepare()
        await store.close()
    assert f"http://127.0.0.1:{port}" in str(raised.value)
    assert "hidden" not in str(raised.value)


@pytest.mark.parametrize("url", ["nonsense", "http://user:hidden@", "s3://bucket"])
def test_an_endpoint_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(ObjectsRefusedError, match="no S3 endpoint") as raised:
        S3Objects(S3Settings(bucket="bucket", endpoint_url=url))
    assert "hidden" not in str(raised.value)


async def test_a_bucket_that_can_have_no_such_name_is_refused() -> None:
    store = S3Objects(
        S3Settings(
            bucket="a bucket",
            endpoint_url="http://127.0.0.1:9",
            access_key_id="key",
            secret_access_key="secret",
        )
    )
    with pytest.raises(ObjectsRefusedError, match="RHAPSODE_S3_"):
        await store.prepare()
    await store.close()


def test_a_secret_is_not_shown_by_the_settings() -> None:
    assert "hidden" not in repr(S3Settings(bucket="b", secret_access_key="hidden"))
