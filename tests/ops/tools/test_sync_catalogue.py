"""A catalogue is brought to where it is played from: what has changed, and metadata last."""

import json
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from s3_server import ACCESS_KEY_ID, SECRET_ACCESS_KEY, S3Server

from rhapsode.agents.catalogue import CatalogueReader
from rhapsode.ops.tools.sync_catalogue import sync_catalogue
from rhapsode.storage.objects.folder_source import FolderSource
from rhapsode.storage.objects.s3_client import S3Settings
from rhapsode.storage.objects.s3_source import S3Source
from rhapsode.storage.objects.source import ObjectSource
from rhapsode.storage.objects.store import ObjectsRefusedError, ObjectsUnreachableError
from rhapsode.storage.objects.uploads import FolderUploads, S3Uploads, Uploads

SONGS = {"Black Sheep": "sheep.mp3", "बंदर मामा": "बंदर मामा, #1.mp3", "Not There": "gone.mp3"}


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Settings]:
    server = S3Server(tmp_path_factory.mktemp("s3"))
    try:
        server.start()
        client = server.client()
        client.create_bucket(Bucket="music")
        client.close()
        yield S3Settings("music", server.url, "us-east-1", ACCESS_KEY_ID, SECRET_ACCESS_KEY)
    finally:
        server.kill()


@pytest.fixture(params=["folder", "bucket"])
async def target(
    request: pytest.FixtureRequest, tmp_path: Path
) -> AsyncIterator[tuple[Uploads, ObjectSource]]:
    if request.param == "folder":
        uploads, source = FolderUploads(tmp_path / "there"), FolderSource(tmp_path / "there")
        (tmp_path / "there").mkdir()
    else:
        s3: S3Settings = request.getfixturevalue("s3")
        uploads, source = S3Uploads(s3), S3Source(s3)
    yield uploads, source
    await uploads.close()
    await source.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    music = tmp_path / "mine" / "music" / "English"
    music.mkdir(parents=True)
    for title, name in SONGS.items():
        if name != "gone.mp3":
            (music / name).write_bytes(f"the sound of {title}".encode())
    (music / "notes.txt").write_text("what no title names stays here")
    entries = {title: {"filename": name} for title, name in SONGS.items()}
    entries["Broken"] = {"filename": "../../etc/passwd"}
    (music / "metadata.json").write_text(json.dumps(entries))
    return tmp_path / "mine"


async def test_it_is_brought_once_and_what_changed_again(
    folder: Path, target: tuple[Uploads, ObjectSource]
) -> None:
    uploads, source = target
    planned = await sync_catalogue(folder, uploads, dry_run=True)
    first = await sync_catalogue(folder, uploads)
    assert sorted(planned.brought) == sorted(first.brought)
    assert first.brought[-1] == "music/English/metadata.json"
    assert len(first.brought) == 3
    assert first.missing == ["music/English/gone.mp3"]
    (problem,) = first.problems
    assert "Broken" in problem
    again = await sync_catalogue(folder, uploads)
    assert (again.brought, again.same) == ([], 3)
    changed = folder / "music" / "English" / "sheep.mp3"
    changed.write_bytes(changed.read_bytes()[::-1])  # as long as it was
    third = await sync_catalogue(folder, uploads)
    assert (third.brought, third.same) == (["music/English/sheep.mp3"], 2)
    info = await source.stat("music/English/sheep.mp3")
    assert info is not None
    there = await source.read("music/English/sheep.mp3", 0, 1_000, etag=info.etag)
    assert there == changed.read_bytes()
    catalogue = await CatalogueReader(source, refresh_s=0.0).current()
    assert {title.title for title in catalogue.titles} == set(SONGS)
    assert await source.stat("music/English/notes.txt") is None


async def test_metadata_that_cannot_be_read_does_not_replace_what_is_there(
    folder: Path, target: tuple[Uploads, ObjectSource]
) -> None:
    uploads, source = target
    await sync_catalogue(folder, uploads)
    (folder / "music" / "English" / "metadata.json").write_text('{"A":{"filen')
    synced = await sync_catalogue(folder, uploads)
    assert synced.brought == []
    assert "JSON" in synced.problems[0]
    assert len(await CatalogueReader(source, refresh_s=0.0).current()) == len(SONGS)


async def test_a_link_out_of_the_folder_is_told_and_the_rest_is_brought(
    folder: Path, target: tuple[Uploads, ObjectSource]
) -> None:
    uploads, _ = target
    music = folder / "music" / "English"
    (music / "gone.mp3").symlink_to("/etc/passwd")
    (folder / "stories" / "Odd").mkdir(parents=True)
    (folder / "stories" / "Odd" / "metadata.json").symlink_to("/dev/zero")
    synced = await sync_catalogue(folder, uploads)
    assert synced.missing == ["music/English/gone.mp3"]
    assert any("leads out of the folder" in problem for problem in synced.problems)
    assert not any("gone" in name or "Odd" in name for name in synced.brought)


async def test_what_a_sync_that_was_killed_left_behind_is_removed(
    folder: Path, tmp_path: Path
) -> None:
    there = tmp_path / "there" / "music" / "English"
    there.mkdir(parents=True)
    old, new = there / ".0123456789abcdef.new", there / ".fedcba9876543210.new"
    for left in (old, new):
        left.write_bytes(b"half a song")
    os.utime(old, (0, 0))
    await sync_catalogue(folder, FolderUploads(tmp_path / "there"))
    assert (old.exists(), new.exists()) == (False, True)  # another one may be at work


async def test_a_folder_without_a_catalogue_is_said_to_have_none(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(ObjectsRefusedError, match="has no catalogue"):
        await sync_catalogue(tmp_path / "empty", FolderUploads(tmp_path / "there"))


async def test_a_target_that_cannot_be_written_is_named(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "there").write_text("in the way")
    with pytest.raises(ObjectsRefusedError, match="cannot write"):
        await sync_catalogue(folder, FolderUploads(tmp_path / "there"))


async def test_a_bucket_that_is_away_is_named(folder: Path) -> None:
    uploads = S3Uploads(S3Settings("music", "http://127.0.0.1:9", "us-east-1", "a", "b"))
    try:
        with pytest.raises(ObjectsUnreachableError):
            await sync_catalogue(folder, uploads)
    finally:
        await uploads.close()
