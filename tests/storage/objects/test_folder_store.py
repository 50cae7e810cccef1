"""What only a folder of objects has: files in the way, and files being written."""

import asyncio
from pathlib import Path

import pytest

from rhapsode.storage.objects.folder import FolderObjects
from rhapsode.storage.objects.store import ObjectsRefusedError

PLAYLIST = "application/vnd.apple.mpegurl"


def everything_in(folder: Path) -> list[str]:
    """Return the names in a folder, hidden ones as well."""
    return sorted(path.name for path in folder.iterdir())


async def test_a_folder_below_a_file_is_refused_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(ObjectsRefusedError, match=r"file/media: .*RHAPSODE_MEDIA"):
        await FolderObjects(tmp_path / "file" / "media").prepare()


async def test_a_file_in_the_way_of_a_folder_is_refused_and_not_retried(tmp_path: Path) -> None:
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
    assert everything_in(tmp_path) == ["folder"]


async def test_a_file_being_written_is_no_object(tmp_path: Path) -> None:
    store = FolderObjects(tmp_path)
    await store.put("s/a.m4s", b"x", "audio/mp4")
    (tmp_path / "s" / ".tmp1").write_bytes(b"half")
    assert await store.names("") == ["s/a.m4s"]


async def test_a_folder_gives_the_url_of_an_object(tmp_path: Path) -> None:
    store = FolderObjects(tmp_path)
    await store.put("s/a.m4s", b"x", "audio/mp4")
    assert store.url("s/a.m4s") == (tmp_path / "s" / "a.m4s").as_uri()


async def test_the_last_object_takes_its_folders_with_it(tmp_path: Path) -> None:
    store = FolderObjects(tmp_path / "media")
    await store.prepare()
    for name in ("a/b/one", "a/b/two", "a/three"):
        await store.put(name, b"x", "text/plain")
    await store.delete("a/b/one")
    assert await store.names("") == ["a/b/two", "a/three"]
    await store.delete("a/b/two")
    assert everything_in(tmp_path / "media" / "a") == ["three"]
    await store.delete("a/three")
    assert everything_in(tmp_path / "media") == []


async def test_a_folder_that_is_emptied_again_and_again_takes_every_object(tmp_path: Path) -> None:
    store = FolderObjects(tmp_path)

    async def put_and_delete(name: str) -> None:
        for _ in range(200):
            await store.put(name, b"x", "text/plain")
            assert await store.get(name) is not None
            await store.delete(name)

    await asyncio.gather(*(put_and_delete(f"session/{number}") for number in range(4)))
    assert everything_in(tmp_path) == []
