"""What only people's files in a folder have: links, and files that are none."""

import os
from pathlib import Path

import pytest

from rhapsode.storage.objects.folder_source import FolderSource
from rhapsode.storage.objects.source import ObjectChangedError, ObjectInfo
from rhapsode.storage.objects.store import ObjectsRefusedError

SONG = bytes(range(256)) * 4


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """Give a folder with one song in it."""
    folder = tmp_path / "files"
    (folder / "album").mkdir(parents=True)
    (folder / "album" / "song.flac").write_bytes(SONG)
    return folder


async def info_of(source: FolderSource, name: str) -> ObjectInfo:
    info = await source.stat(name)
    assert info is not None
    return info


async def test_a_link_that_stays_in_the_folder_is_followed(files: Path):
    (files / "best.flac").symlink_to("album/song.flac")
    (files / "favourites").symlink_to(files / "album")
    source = FolderSource(files)
    info = await info_of(source, "album/song.flac")
    for name in ("best.flac", "favourites/song.flac"):
        assert await source.stat(name) == info
        assert await source.read(name, 0, 2000, etag=info.etag) == SONG


async def test_a_folder_reached_by_a_link_is_a_folder(files: Path, tmp_path: Path):
    (tmp_path / "link").symlink_to("files")
    info = await info_of(FolderSource(tmp_path / "link"), "album/song.flac")
    assert info.size_bytes == len(SONG)


async def test_a_link_out_of_the_folder_is_refused_whether_or_not_it_leads_somewhere(
    files: Path, tmp_path: Path
):
    (tmp_path / "secret").write_text("secret")
    (tmp_path / "files-of-others").mkdir()
    (tmp_path / "files-of-others" / "secret").write_text("secret")
    (files / "one").symlink_to("../secret")
    (files / "two").symlink_to(tmp_path / "nothing")
    (files / "three").symlink_to("..")
    (files / "four").symlink_to("one")
    (files / "five").symlink_to("../files-of-others")
    source = FolderSource(files)
    for name in ("one", "two", "three/secret", "three/nothing", "four", "five/secret"):
        with pytest.raises(ObjectsRefusedError, match="leads out of the folder"):
            await source.stat(name)
        with pytest.raises(ObjectsRefusedError, match="leads out of the folder"):
            await source.read(name, 0, 10, etag='"0"')


async def test_what_is_no_regular_file_is_none(files: Path):
    os.mkfifo(files / "pipe")
    (files / "loop").symlink_to("loop")
    (files / "self").symlink_to(".")
    for name in ("pipe", "loop", "loop/song", "self", "album"):
        assert await FolderSource(files).stat(name) is None, name


async def test_a_file_written_to_in_place_has_another_etag(files: Path):
    source = FolderSource(files)
    etag = (await info_of(source, "album/song.flac")).etag
    with (files / "album" / "song.flac").open("ab") as file:
        file.write(b"more")
    with pytest.raises(ObjectChangedError):
        await source.read("album/song.flac", 0, 10, etag=etag)


async def test_a_folder_that_is_not_there_is_named(tmp_path: Path):
    with pytest.raises(ObjectsRefusedError, match=r"there is no folder .*nowhere"):
        await FolderSource(tmp_path / "nowhere").stat("song.flac")


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may read everything")
async def test_a_file_that_may_not_be_read_is_refused(files: Path):
    (files / "album" / "song.flac").chmod(0)
    with pytest.raises(ObjectsRefusedError, match="check who may read the folder"):
        await FolderSource(files).stat("album/song.flac")
