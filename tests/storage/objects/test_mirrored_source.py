"""Copies of audio files elsewhere: who does not answer is left, and comes back."""

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
from s3_server import S3Server

from rhapsode.storage.objects import mirrored_source
from rhapsode.storage.objects.memory import MemorySource
from rhapsode.storage.objects.mirrored_source import MirroredSource
from rhapsode.storage.objects.s3 import S3Settings
from rhapsode.storage.objects.s3_source import S3Source
from rhapsode.storage.objects.source import ObjectChangedError, ObjectInfo
from rhapsode.storage.objects.store import ObjectsUnreachableError


class Place(MemorySource):
    """Files in memory that may be away, or hang."""

    def __init__(self, text: bytes = b"song") -> None:
        super().__init__({"song": text})
        self.state = "works"
        self.asked = 0
        self.given_up = 0

    async def stat(self, name: str) -> ObjectInfo | None:
        self.asked += 1
        if self.state == "away":
            raise ObjectsUnreachableError("it is away")
        if self.state == "hangs":
            try:
                await asyncio.Event().wait()
            finally:
                self.given_up += 1
        return await super().stat(name)


@pytest.fixture
def places() -> tuple[Place, Place, Place]:
    return Place(), Place(), Place()


@pytest.fixture
async def mirrored(places: tuple[Place, Place, Place]) -> AsyncIterator[MirroredSource]:
    source = MirroredSource(list(zip("abc", places, strict=True)))
    yield source
    await source.close()


def asked(places: tuple[Place, ...]) -> list[int]:
    return [place.asked for place in places]


async def test_the_first_place_is_asked_alone_while_it_works(
    mirrored: MirroredSource, places: tuple[Place, Place, Place]
):
    for _ in range(5):
        assert await mirrored.stat("song") is not None
    assert asked(places) == [5, 0, 0]


async def test_a_place_that_is_away_is_left_for_the_next_and_not_asked_each_time(
    mirrored: MirroredSource, places: tuple[Place, Place, Place]
):
    places[0].state = places[1].state = "away"
    for _ in range(5):
        assert await mirrored.stat("song") is not None
    assert asked(places) == [1, 1, 5]


async def test_a_place_that_was_left_is_asked_first_again_after_a_while(
    mirrored: MirroredSource, places: tuple[Place, Place, Place], monkeypatch: pytest.MonkeyPatch
):
    places[0].state = "away"
    await mirrored.stat("song")
    places[0].state = "works"
    later = time.monotonic() + mirrored_source.LEFT_S
    monkeypatch.setattr(mirrored_source, "monotonic", lambda: later)
    await mirrored.stat("song")
    await mirrored.stat("song")
    assert asked(places) == [3, 1, 0]


async def test_a_place_that_hangs_is_not_waited_for(
    mirrored: MirroredSource,
    places: tuple[Place, Place, Place],
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(mirrored_source, "PATIENCE_S", 0.01)
    places[0].state = "hangs"
    assert await mirrored.stat("song") is not None
    assert await mirrored.stat("song") is not None
    await asyncio.sleep(0)
    assert (asked(places), places[0].given_up) == ([1, 2, 0], 1)


async def test_all_places_away_is_said_each_time_and_all_are_asked(
    mirrored: MirroredSource, places: tuple[Place, Place, Place]
):
    for place in places:
        place.state = "away"
    for _ in range(2):
        with pytest.raises(ObjectsUnreachableError):
            await mirrored.stat("song")
    assert asked(places) == [2, 2, 2]


async def test_what_a_place_answers_is_the_answer_and_no_other_is_asked(
    mirrored: MirroredSource, places: tuple[Place, Place, Place]
):
    assert await mirrored.stat("nothing") is None
    with pytest.raises(ValueError, match="no file name"):
        await mirrored.stat("../song")
    with pytest.raises(ObjectChangedError):
        await mirrored.read("song", 0, 1, etag="another")
    assert asked(places) == [2, 0, 0]


async def test_who_gives_up_leaves_nothing_running(
    mirrored: MirroredSource, places: tuple[Place, Place, Place], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(mirrored_source, "PATIENCE_S", 0.01)
    for place in places:
        place.state = "hangs"
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(mirrored.stat("song"), 0.1)
    await asyncio.sleep(0)
    assert [place.given_up for place in places] == [1, 1, 1]


@pytest.mark.s3
async def test_a_bucket_s_region_goes_away_and_a_song_is_read_on_in_another(
    s3_settings: S3Settings, s3_client: Any, tmp_path_factory: pytest.TempPathFactory
):
    song = bytes(range(256)) * 4_000
    second = S3Server(tmp_path_factory.mktemp("region"))
    try:
        second.start()
        s3_client.create_bucket(Bucket=s3_settings.bucket)
        s3_client.put_object(Bucket=s3_settings.bucket, Key="song", Body=song)
        there = replace(s3_settings, endpoint_url=second.url)
        client = second.client()
        client.create_bucket(Bucket=there.bucket)
        client.put_object(Bucket=there.bucket, Key="song", Body=song)
        source = MirroredSource([("near", S3Source(there)), ("far", S3Source(s3_settings))])
        info = await source.stat("song")
        assert info is not None
        begun = await source.read("song", 0, 500_000, etag=info.etag)
        second.kill()
        assert begun + await source.read("song", 500_000, 1 << 20, etag=info.etag) == song
        await source.close()
    finally:
        second.kill()
