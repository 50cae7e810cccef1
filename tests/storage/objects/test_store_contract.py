"""The contract of stored objects, for those in memory, in a folder and in S3 (SeaweedFS)."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rhapsode.storage.objects.folder import FolderObjects
from rhapsode.storage.objects.memory import MemoryObjects
from rhapsode.storage.objects.names import cache_control_of, check_name, content_type_of
from rhapsode.storage.objects.s3 import S3Objects
from rhapsode.storage.objects.store import Objects

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


@pytest.fixture(params=["memory", "folder", pytest.param("s3", marks=pytest.mark.s3)])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Objects]:
    if request.param == "s3":
        made: Objects = S3Objects(request.getfixturevalue("s3_settings"))
    elif request.param == "memory":
        made = MemoryObjects()
    else:
        made = FolderObjects(tmp_path / "not" / "there" / "yet")
    await made.prepare()
    yield made
    await made.close()


@pytest.mark.parametrize("data", [b"", b"#EXTM3U\n", bytes(range(256)) * 4096])
async def test_an_object_is_read_as_it_was_stored(store: Objects, data: bytes) -> None:
    await store.put("session/audio_000.m4s", data, "audio/mp4")
    found = await store.get("session/audio_000.m4s")
    assert found is not None
    assert found.data == data
    assert found.content_type == "audio/mp4"


async def test_an_object_that_was_never_stored_is_none(store: Objects) -> None:
    await store.put("session/a.m4s", b"x", "audio/mp4")
    for name in ("session/b.m4s", "session", "other/a.m4s", "session/a.m4s/c.m4s"):
        assert await store.get(name) is None, name


async def test_a_put_replaces_and_other_bytes_have_another_etag(store: Objects) -> None:
    tags: list[str] = []
    for data in (b"one", b"two", b"one"):
        await store.put("s/audio.m3u8", data, PLAYLIST)
        found = await store.get("s/audio.m3u8")
        assert found is not None
        assert found.data == data
        tags.append(found.etag)
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
            found = await store.get("s/audio.m3u8")
            assert found is not None
            seen.add(found.data)

    await asyncio.gather(write(), read(), read())
    assert seen <= set(versions)
    found = await store.get("s/audio.m3u8")
    assert found is not None
    assert found.data == versions[-1]


async def test_many_at_once_are_all_stored(store: Objects) -> None:
    names = [f"s/audio_{number:03d}.m4s" for number in range(60)]
    await asyncio.gather(*(store.put(name, name.encode(), "audio/mp4") for name in names))
    found = await asyncio.gather(*(store.get(name) for name in names))
    assert [one.data for one in found if one is not None] == [name.encode() for name in names]
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


async def test_a_deleted_object_is_gone_and_to_delete_none_is_no_error(store: Objects) -> None:
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


async def test_a_prefix_that_no_name_begins_with_is_refused(store: Objects) -> None:
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
