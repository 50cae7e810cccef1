"""Signed addresses of media: good for one session and for a while, and nobody else makes one."""

import httpx
import pytest
from fastapi import FastAPI

from rhapsode.ops.gateway import media_addresses
from rhapsode.ops.gateway.follower import Follower
from rhapsode.ops.gateway.media import Origin
from rhapsode.ops.gateway.media_addresses import MediaAddresses
from rhapsode.storage.memory.access_keys import MemoryAccessKeys
from rhapsode.storage.objects.memory import MemoryObjects

from .test_follower import accepted
from .test_media import unheard

NOON_S = 12 * 3_600


@pytest.fixture
async def addresses(monkeypatch: pytest.MonkeyPatch) -> MediaAddresses:
    monkeypatch.setattr(media_addresses, "time", lambda: NOON_S)
    signing = MediaAddresses("/media", 2.0, MemoryAccessKeys())
    await signing.open()
    return signing


def signature(address: str) -> str:
    return address.split("/")[2]


async def test_an_address_is_good_for_as_long_as_was_asked_for_and_at_most_an_hour_more(
    addresses: MediaAddresses, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = signature(addresses.of("s", "audio.m3u8"))
    for later_s, good in ((2 * 3_600, True), (3 * 3_600 - 1, True), (3 * 3_600, False)):
        monkeypatch.setattr(media_addresses, "time", lambda at=later_s: NOON_S + at)
        assert addresses.admits("s", shown) is good


async def test_it_is_the_same_within_an_hour_for_caches(
    addresses: MediaAddresses, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = addresses.of("s", "audio.m3u8")
    monkeypatch.setattr(media_addresses, "time", lambda: NOON_S + 3_599)
    assert addresses.of("s", "audio.m3u8") == first
    monkeypatch.setattr(media_addresses, "time", lambda: NOON_S + 3_600)
    assert addresses.of("s", "audio.m3u8") != first


async def test_it_is_one_sessions_and_nobody_makes_another(addresses: MediaAddresses) -> None:
    shown = signature(addresses.of("s", "audio.m3u8"))
    until, _, mark = shown.partition(".")
    stranger = MediaAddresses("/media", 2.0, MemoryAccessKeys())
    await stranger.open()
    forged = [
        f"{int(until) + 3_600}.{mark}",
        f"{until}.",
        until,
        "",
        f"{until}.{mark[:-1]}",
        f"{until}.ü",
        f"{'9' * 5_000}.{mark}",
        f"-1.{mark}",
        f"٣.{mark}",
        signature(stranger.of("s", "audio.m3u8")),
    ]
    assert [one for one in forged if addresses.admits("s", one)] == []
    assert not addresses.admits("t", shown)


async def test_an_origin_that_signs_serves_signed_addresses_only(
    addresses: MediaAddresses,
) -> None:
    system = await accepted("s")
    store = MemoryObjects()
    await store.put("s/audio_000.m4s", b"sound", "audio/mp4")
    app = FastAPI()
    app.include_router(Origin(store, Follower(system.journal), addresses, unheard).router())
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://t") as web:
        answer = await web.get(addresses.of("s", "audio_000.m4s"))
        assert (answer.status_code, answer.content) == (200, b"sound")
        assert (await web.get("/media/s/audio_000.m4s")).status_code == 404
        refused = await web.get(addresses.of("t", "audio_000.m4s").replace("/t/", "/s/"))
        assert refused.status_code == 403
        assert "ask the API" in refused.json()["error"]
