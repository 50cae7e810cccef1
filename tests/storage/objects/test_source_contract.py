"""The contract of people's files: in a folder, in S3, in memory, behind a cache, in two places."""

import unicodedata
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rhapsode.storage.objects.block_folder import BlockFolder
from rhapsode.storage.objects.cached_source import CachedSource
from rhapsode.storage.objects.folder_source import FolderSource
from rhapsode.storage.objects.memory import MemorySource
from rhapsode.storage.objects.mirrored_source import MirroredSource
from rhapsode.storage.objects.names import check_source_name
from rhapsode.storage.objects.s3 import S3Settings
from rhapsode.storage.objects.s3_source import S3Source
from rhapsode.storage.objects.source import (
    MOST_READ_BYTES,
    ObjectChangedError,
    ObjectInfo,
    ObjectSource,
)

SONG = bytes(range(256)) * 4
HOSTILE = (
    "",
    "/",
    "/etc/passwd",
    ".",
    "..",
    "../up",
    "a/../../up",
    "a/./b",
    "a//b",
    "a/",
    "a\\b",
    "a\nb",
    "a\0b",
    "a\x7fb",
    "a\x85b",
    "a\u2028b",
    "a\udc80b",
    "a" * 1025,
    "ä" * 513,
)
ODD = (
    "a song.flac",
    "Mötley Crüe/Shout at the Devil/01 — In the Beginning.flac",
    "音楽/曲 #1 100%?.opus",
    unicodedata.normalize("NFD", "é") + ".mp3",
    ".hidden/..dots.. .wav",
    "emoji 👩‍🎤.m4a",
    "a'b\"c&d;e*f[g]~$(h).ogg",
)


@dataclass(frozen=True)
class Stocked:
    """A source, and how a test stores and removes the files that it reads."""

    source: ObjectSource
    put: Callable[[str, bytes], None]
    remove: Callable[[str], None]

    async def info(self, name: str) -> ObjectInfo:
        info = await self.source.stat(name)
        assert info is not None
        return info


def in_memory() -> Stocked:
    source = MemorySource()
    return Stocked(source, source.files.__setitem__, source.files.__delitem__)


def in_folder(folder: Path) -> Stocked:
    folder.mkdir()

    def put(name: str, data: bytes) -> None:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.with_name("~new").write_bytes(data)
        path.with_name("~new").replace(path)

    return Stocked(FolderSource(folder), put, lambda name: (folder / name).unlink())


def in_bucket(settings: S3Settings, client: Any) -> Stocked:
    bucket = settings.bucket
    client.create_bucket(Bucket=bucket)

    def put(name: str, data: bytes) -> None:
        client.put_object(Bucket=bucket, Key=f"people's files/{name}", Body=data)

    def remove(name: str) -> None:
        client.delete_object(Bucket=bucket, Key=f"people's files/{name}")

    return Stocked(S3Source(settings, "people's files"), put, remove)


def behind_a_cache(folder: Path) -> Stocked:
    there = in_folder(folder / "files")
    cached = CachedSource(there.source, BlockFolder(folder / "cache", 100_000_000))
    return replace(there, source=cached)


def in_two_places() -> Stocked:
    first, second = in_memory(), in_memory()

    def put(name: str, data: bytes) -> None:
        first.put(name, data)
        second.put(name, data)

    def remove(name: str) -> None:
        first.remove(name)
        second.remove(name)

    return Stocked(MirroredSource([("a", first.source), ("b", second.source)]), put, remove)


@pytest.fixture(
    params=["memory", "folder", "cached", "mirrored", pytest.param("s3", marks=pytest.mark.s3)]
)
async def stocked(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Stocked]:
    if request.param == "memory":
        made = in_memory()
    elif request.param == "folder":
        made = in_folder(tmp_path / "files")
    elif request.param == "cached":
        made = behind_a_cache(tmp_path)
    elif request.param == "mirrored":
        made = in_two_places()
    else:
        settings = request.getfixturevalue("s3_settings")
        made = in_bucket(settings, request.getfixturevalue("s3_client"))
    yield made
    await made.source.close()


async def test_a_file_has_its_size_and_a_quoted_etag(stocked: Stocked):
    stocked.put("album/song.flac", SONG)
    info = await stocked.info("album/song.flac")
    assert info.size_bytes == len(SONG)
    assert info.etag.startswith('"')
    assert info.etag.endswith('"')
    assert await stocked.info("album/song.flac") == info


async def test_a_file_that_does_not_exist_is_none(stocked: Stocked):
    stocked.put("album/song.flac", SONG)
    long_part = "long" * 200
    for name in ("other.flac", "album", "album/song.flac/part", "ALBUM/song.flac", long_part):
        assert await stocked.source.stat(name) is None, name


async def test_the_folders_right_below_a_folder_are_told_in_order(stocked: Stocked):
    for name in ("music/हिंदी/a.mp3", "music/English/b/c.mp3", "music/d.mp3", "other/x/y.mp3"):
        stocked.put(name, SONG)
    assert await stocked.source.folders("music", 10) == ["English", "हिंदी"]
    assert await stocked.source.folders("music", 1) == ["English"]
    assert await stocked.source.folders("nothing", 10) == []
    with pytest.raises(ValueError, match="no file name"):
        await stocked.source.folders("../music", 10)


async def test_an_empty_file_is_a_file(stocked: Stocked):
    stocked.put("empty.wav", b"")
    info = await stocked.info("empty.wav")
    assert info.size_bytes == 0
    for start, end in ((0, 0), (0, 10), (5, 10)):
        assert await stocked.source.read("empty.wav", start, end, etag=info.etag) == b""


@pytest.mark.parametrize(
    ("start", "end"),
    [(0, 1024), (0, 1), (1023, 1024), (100, 900), (7, 7), (0, 99_999), (1000, 5000)],
)
async def test_a_range_is_read_byte_for_byte_and_cut_at_the_end(
    stocked: Stocked, start: int, end: int
):
    stocked.put("song.flac", SONG)
    etag = (await stocked.info("song.flac")).etag
    assert await stocked.source.read("song.flac", start, end, etag=etag) == SONG[start:end]


async def test_a_range_beyond_the_end_is_empty(stocked: Stocked):
    stocked.put("song.flac", SONG)
    etag = (await stocked.info("song.flac")).etag
    for start, end in ((1024, 1024), (1024, 2000), (5000, 6000)):
        assert await stocked.source.read("song.flac", start, end, etag=etag) == b""


async def test_a_large_file_is_read_by_ranges(stocked: Stocked):
    data = b"".join(number.to_bytes(4, "big") for number in range(2_500_000))
    stocked.put("long.wav", data)
    info = await stocked.info("long.wav")
    read = bytearray()
    while len(read) < info.size_bytes:
        end = len(read) + MOST_READ_BYTES
        read += await stocked.source.read("long.wav", len(read), end, etag=info.etag)
    assert read == data


@pytest.mark.parametrize("data", [b"another", SONG[::-1], b""])
async def test_a_replaced_file_has_another_etag_and_is_read_no_further(
    stocked: Stocked, data: bytes
):
    stocked.put("song.flac", SONG)
    before = await stocked.info("song.flac")
    stocked.put("song.flac", data)
    assert (await stocked.info("song.flac")).etag != before.etag
    for start, end in ((0, 10), (3, 3), (2000, 3000)):
        with pytest.raises(ObjectChangedError, match=r"'song\.flac' was replaced or removed"):
            await stocked.source.read("song.flac", start, end, etag=before.etag)


async def test_a_removed_file_is_read_no_further(stocked: Stocked):
    stocked.put("song.flac", SONG)
    etag = (await stocked.info("song.flac")).etag
    stocked.remove("song.flac")
    assert await stocked.source.stat("song.flac") is None
    for start, end in ((0, 10), (3, 3)):
        with pytest.raises(ObjectChangedError):
            await stocked.source.read("song.flac", start, end, etag=etag)


async def test_a_file_that_never_was_cannot_be_read(stocked: Stocked):
    with pytest.raises(ObjectChangedError):
        await stocked.source.read("never.flac", 0, 10, etag='"0"')


async def test_names_people_give_their_files_are_read(stocked: Stocked):
    for name in ODD:
        stocked.put(name, name.encode())
    for name in ODD:
        info = await stocked.info(name)
        read = await stocked.source.read(name, 0, 1000, etag=info.etag)
        assert read == name.encode(), name
    composed = unicodedata.normalize("NFC", ODD[3])
    assert await stocked.source.stat(composed) is None, "names are not normalized"


async def test_a_hostile_name_is_refused(stocked: Stocked):
    for name in HOSTILE:
        with pytest.raises(ValueError, match="is no file name"):
            await stocked.source.stat(name)
        with pytest.raises(ValueError, match="is no file name"):
            await stocked.source.read(name, 0, 10, etag='"0"')


async def test_an_invalid_or_too_long_range_is_refused(stocked: Stocked):
    stocked.put("song.flac", SONG)
    etag = (await stocked.info("song.flac")).etag
    for start, end in ((-1, 5), (5, 4), (-5, -1)):
        with pytest.raises(ValueError, match="is no range of bytes"):
            await stocked.source.read("song.flac", start, end, etag=etag)
    with pytest.raises(ValueError, match="at most 8,388,608 bytes"):
        await stocked.source.read("song.flac", 0, MOST_READ_BYTES + 1, etag=etag)
    assert await stocked.source.read("song.flac", 0, MOST_READ_BYTES, etag=etag) == SONG


@given(st.text(max_size=60) | st.text(alphabet="./\\a \0", max_size=12))
def test_a_name_that_passes_stays_below_its_folder(name: str):
    try:
        check_source_name(name)
    except ValueError:
        return
    folder = Path("/files")
    assert (folder / name).resolve().relative_to(folder).as_posix() == name


def test_a_name_may_have_1024_bytes():
    assert check_source_name("ä" * 512) == "ä" * 512


async def test_files_may_be_given_to_the_source_in_memory():
    source = MemorySource({"a song.flac": SONG})
    info = await source.stat("a song.flac")
    assert info is not None
    assert info.size_bytes == len(SONG)
    with pytest.raises(ValueError, match="is no file name"):
        MemorySource({"../song.flac": SONG})
