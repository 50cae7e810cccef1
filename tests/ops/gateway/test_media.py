"""Blocking reload is judged by the playlist that players have, not by what is known here."""

import asyncio
from typing import Any

import httpx
from fastapi import FastAPI

from rhapsode.codecs.hls import m3u8
from rhapsode.ops.gateway.follower import Follower
from rhapsode.ops.gateway.media import Origin
from rhapsode.ops.gateway.media_addresses import MediaAddresses
from rhapsode.storage.memory.access_keys import MemoryAccessKeys
from rhapsode.storage.objects.memory import MemoryObjects

from .test_follower import accepted, published, until


def playlist(segments: int) -> bytes:
    listed = tuple((f"audio_{number:03d}.m4s", 10) for number in range(segments))
    return m3u8.MediaPlaylist(2, "audio_init.mp4", listed).render().encode()


async def unheard(_: str, __: float) -> None:
    """Nobody notes that somebody listens."""


async def test_a_segment_after_the_stored_playlist_is_waited_for_and_one_far_after_is_refused():
    system = await accepted("s")
    follower, store = Follower(system.journal), MemoryObjects()
    await store.put("s/audio.m3u8", playlist(6), "text/plain")
    addresses = MediaAddresses("/media", 0.0, MemoryAccessKeys())
    app = FastAPI()
    app.include_router(Origin(store, follower, addresses, unheard).router())
    local: dict[str, Any] = {"transport": httpx.ASGITransport(app), "base_url": "http://t"}
    async with (
        follower.running(),
        httpx.AsyncClient(**local) as web,
    ):
        await system.append([published(0)])
        first = await follower.progress("s")
        assert first is not None
        await until(lambda: first.segments == 1)  # five of the six are not reported yet
        next_one = asyncio.create_task(web.get("/media/s/audio.m3u8?_HLS_msn=6"))
        far = await web.get("/media/s/audio.m3u8?_HLS_msn=8")
        assert far.status_code == 400
        assert "6 segments are listed" in far.text
        assert not next_one.done()
        await store.put("s/audio.m3u8", playlist(7), "text/plain")
        await system.append([published(number) for number in range(1, 7)])
        answer = await next_one
        assert (answer.status_code, answer.content) == (200, playlist(7))
