"""The cache of audio files: each part is read once, plays while the store is away, is bounded."""

import os
import random
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rhapsode.storage.objects.block_folder import BLOCK_BYTES, BlockFolder
from rhapsode.storage.objects.cached_source import CachedSource
from rhapsode.storage.objects.memory import MemorySource
from rhapsode.storage.objects.names import lasting_name
from rhapsode.storage.objects.source import ObjectInfo
from rhapsode.storage.objects.store import ObjectsUnreachableError

SONG = random.Random(1).randbytes(5 * BLOCK_BYTES // 2)


class FarSource(MemorySource):
    """Files in memory that may be out of reach; it counts what is read."""

    def __init__(self) -> None:
        super().__init__({"song": SONG})
        self.away = False
        self.reads: list[tuple[int, int]] = []

    async def stat(self, name: str) -> ObjectInfo | None:
        self._reach()
        return await super().stat(name)

    async def read(self, name: str, start: int, end: int, *, etag: str) -> bytes:
        self._reach()
        self.reads.append((start, end))
        return await super().read(name, start, end, etag=etag)

    def _reach(self) -> None:
        if self.away:
            raise ObjectsUnreachableError("it is away")


@pytest.fixture
def far() -> FarSource:
    return FarSource()


def cached(far: FarSource, folder: Path, most_bytes: int = 100_000_000) -> CachedSource:
    return CachedSource(far, BlockFolder(folder / "cache", most_bytes))


async def whole(source: CachedSource, name: str = "song") -> bytes:
    info = await source.stat(name)
    assert info is not None
    found = b""
    for start in range(0, info.size_bytes, BLOCK_BYTES):
        found += await source.read(name, start, start + BLOCK_BYTES, etag=info.etag)
    return found


async def test_what_was_read_once_is_not_read_from_afar_again(far: FarSource, tmp_path: Path):
    assert await whole(cached(far, tmp_path)) == SONG
    read, far.reads = far.reads, []
    assert len(read) == 3
    # by another process too
    assert await whole(cached(far, tmp_path)) == SONG
    assert far.reads == []


async def test_only_what_is_missing_is_read_at_once(far: FarSource, tmp_path: Path):
    source = cached(far, tmp_path)
    info = await source.stat("song")
    assert info is not None
    await source.read("song", BLOCK_BYTES, 2 * BLOCK_BYTES, etag=info.etag)
    far.reads.clear()
    assert await source.read("song", 10, len(SONG), etag=info.etag) == SONG[10:]
    assert far.reads == [(0, BLOCK_BYTES), (2 * BLOCK_BYTES, 3 * BLOCK_BYTES)]


async def test_what_was_played_plays_while_its_store_is_away(far: FarSource, tmp_path: Path):
    assert await whole(cached(far, tmp_path)) == SONG
    far.away = True
    assert await whole(cached(far, tmp_path)) == SONG
    with pytest.raises(ObjectsUnreachableError):
        await cached(far, tmp_path).stat("another")


async def test_what_was_played_in_part_plays_as_far_as_it_is_there(far: FarSource, tmp_path: Path):
    source = cached(far, tmp_path)
    info = await source.stat("song")
    assert info is not None
    await source.read("song", 0, BLOCK_BYTES, etag=info.etag)
    far.away = True
    assert await source.stat("song") == info
    assert await source.read("song", 0, 100, etag=info.etag) == SONG[:100]
    with pytest.raises(ObjectsUnreachableError):
        await source.read("song", BLOCK_BYTES, 2 * BLOCK_BYTES, etag=info.etag)


async def test_a_file_that_was_replaced_is_read_anew(far: FarSource, tmp_path: Path):
    source = cached(far, tmp_path)
    assert await whole(source) == SONG
    far.files["song"] = SONG[::-1]
    assert await whole(source) == SONG[::-1]


async def test_a_block_that_a_power_cut_has_spoilt_is_read_again(far: FarSource, tmp_path: Path):
    assert await whole(cached(far, tmp_path)) == SONG
    for number, path in enumerate(sorted((tmp_path / "cache").glob("??/*"))):
        data = path.read_bytes()
        path.write_bytes((b"", bytes(len(data)), data[:-1], data[:50])[number % 4])
    assert await whole(cached(far, tmp_path)) == SONG


async def test_a_folder_that_cannot_be_written_only_makes_it_slower(far: FarSource, tmp_path: Path):
    (tmp_path / "cache").write_text("in the way")
    source = cached(far, tmp_path)
    for _ in range(2):
        assert await whole(source) == SONG
    assert len(far.reads) == 6


async def test_what_was_not_read_for_longest_goes_first(tmp_path: Path):
    blocks = BlockFolder(tmp_path / "cache", 10 * BLOCK_BYTES + 1000)
    for number in range(8):
        blocks.put("song", number, SONG[:BLOCK_BYTES])
        # mtimes are as coarse as the file system's clock
        for path in (tmp_path / "cache").glob("??/*"):
            os.utime(path, (path.stat().st_atime, path.stat().st_mtime - 10))
    for number in range(8, 16):
        assert blocks.get("song", 0) is not None  # read, it stays
        blocks.put("song", number, SONG[:BLOCK_BYTES])
    blocks.get("song", 0)
    again = BlockFolder(tmp_path / "cache", 10 * BLOCK_BYTES + 1000)
    again.put("song", 16, SONG[:BLOCK_BYTES])  # what is there is looked at by whoever comes anew
    found = [number for number in range(17) if blocks.get("song", number) is not None]
    assert found == [0, *range(17 - len(found) + 1, 17)]
    kept = sum(path.stat().st_size for path in (tmp_path / "cache").glob("??/*"))
    assert kept <= 10 * BLOCK_BYTES + 1000


async def test_the_folder_is_this_users_alone(far: FarSource, tmp_path: Path):
    await whole(cached(far, tmp_path))
    (folder,) = {path.parent for path in (tmp_path / "cache").glob("??/*-0")}
    assert folder.stat().st_mode & 0o077 == 0


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(st.lists(st.tuples(st.integers(0, len(SONG) + 9), st.integers(0, len(SONG)))))
async def test_any_ranges_in_any_order_are_those_of_the_file(
    tmp_path_factory: pytest.TempPathFactory, ranges: list[tuple[int, int]]
):
    source = cached(FarSource(), tmp_path_factory.mktemp("any"))
    info = await source.stat("song")
    assert info is not None
    for start, length in ranges:
        read = await source.read("song", start, start + length, etag=info.etag)
        assert read == SONG[start : start + length]


@pytest.mark.parametrize(
    ("name", "lasting"),
    [
        ("music/a song?.mp3", "music/a song?.mp3"),
        ("https://a.example/x.mp3", "https://a.example/x.mp3"),
        ("https://a.example/x.mp3?track=2", "https://a.example/x.mp3?track=2"),
        ("https://a.example/x.mp3?X-Amz-Date=1&X-Amz-Signature=ab", "https://a.example/x.mp3"),
        ("https://a.example/x.mp3?Expires=1&Signature=ab&Key-Pair-Id=c", "https://a.example/x.mp3"),
    ],
)
def test_a_url_that_is_signed_anew_names_the_same_file(name: str, lasting: str):
    assert lasting_name(name) == lasting
