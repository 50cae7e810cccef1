"""The catalogue: what is wrong is left out, the rest serves, and it stays until it changes."""

import json
from typing import Any

import pytest

import rhapsode.agents.catalogue
from rhapsode.agents.catalogue import CatalogueReader
from rhapsode.storage.objects.memory import MemorySource
from rhapsode.storage.objects.source import ObjectInfo
from rhapsode.storage.objects.store import ObjectsUnreachableError


def metadata(**titles: Any) -> bytes:
    return json.dumps({name: {"filename": filename} for name, filename in titles.items()}).encode()


async def test_titles_of_all_folders_are_read_and_an_unknown_root_is_not() -> None:
    source = MemorySource(
        {
            "music/Hindi/metadata.json": metadata(Bandar="bandar.mp3"),
            "stories/Fantasy/metadata.json": metadata(Mountain="mountain.mp3"),
            "stories/Empty/notes.txt": b"no metadata",
            "other/English/metadata.json": metadata(Nothing="nothing.mp3"),
        }
    )
    catalogue = await CatalogueReader(source, refresh_s=0.0).current()
    assert [title.object for title in catalogue.titles] == [
        "music/Hindi/bandar.mp3",
        "stories/Fantasy/mountain.mp3",
    ]


async def test_a_broken_file_or_entry_is_told_and_the_rest_serves() -> None:
    source = MemorySource(
        {
            "music/English/metadata.json": b'{"Good": {"filename": "g.mp3"}, "Bad": 7}',
            "music/Hindi/metadata.json": b"\xff no JSON",
        }
    )
    reader = CatalogueReader(source, refresh_s=0.0)
    catalogue = await reader.current()
    assert [title.title for title in catalogue.titles] == ["Good"]
    assert len(reader.folders["music/English"].problems) == 1
    assert len(reader.folders["music/Hindi"].problems) == 1


async def test_what_changed_is_there_after_a_refresh_and_what_broke_stays_as_it_was() -> None:
    source = MemorySource({"music/English/metadata.json": metadata(Old="old.mp3")})
    reader = CatalogueReader(source, refresh_s=0.0)
    before = await reader.current()
    source.files["music/English/metadata.json"] = metadata(New="new.mp3")
    assert await reader.current() is before
    after = await reader.refresh()
    assert [title.title for title in after.titles] == ["New"]
    assert await reader.refresh() is after, "nothing has changed"
    source.files["music/English/metadata.json"] = b"{"
    assert [title.title for title in (await reader.refresh()).titles] == ["New"]
    del source.files["music/English/metadata.json"]
    assert (await reader.refresh()).titles == ()


class Away(MemorySource):
    """A source that does not answer while it is away."""

    away = True

    async def stat(self, name: str) -> ObjectInfo | None:
        if self.away:
            raise ObjectsUnreachableError("away")
        return await super().stat(name)


async def test_a_source_that_is_away_is_tried_again_with_the_next_request() -> None:
    source = Away({"music/English/metadata.json": metadata(Song="song.mp3")})
    reader = CatalogueReader(source, refresh_s=0.0)
    await reader.prepare()
    with pytest.raises(ObjectsUnreachableError):
        await reader.current()
    source.away = False
    assert len(await reader.current()) == 1


async def test_a_refresh_that_fails_leaves_the_catalogue_as_it_is() -> None:
    source = Away({"music/English/metadata.json": metadata(Song="song.mp3")})
    source.away = False
    reader = CatalogueReader(source, refresh_s=1e-9)
    before = await reader.current()
    source.away = True
    for _ in range(3):
        assert await reader.current() is before
    await reader.close()


async def test_an_empty_catalogue_is_looked_at_again_by_the_next_request(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now_s = 100.0
    monkeypatch.setattr(rhapsode.agents.catalogue, "monotonic", lambda: now_s)
    source = MemorySource()
    reader = CatalogueReader(source, refresh_s=60.0)
    assert len(await reader.current()) == 0
    source.files["music/English/metadata.json"] = metadata(Song="song.mp3")
    now_s += 2.0
    assert len(await reader.current()) == 1
