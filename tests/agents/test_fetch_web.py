"""Objects on the web: hosts may be slow, and whoever cancels does not wait for them."""

import asyncio
from collections.abc import AsyncIterator

from sample_audio import sample_file
from standins.in_memory import System, accepted

from rhapsode.agents.decoders.in_process import in_process_decoders
from rhapsode.agents.decoders.isolated import AT_ONCE
from rhapsode.agents.fetch import Fetch
from rhapsode.agents.kept_loudness import KeptLoudness
from rhapsode.agents.uplink_source import UplinkSource
from rhapsode.codecs.records import Chunk, Control, ObjectAudio, Uplink
from rhapsode.storage.objects.memory import MemorySource
from rhapsode.storage.objects.names import is_web_name
from rhapsode.storage.objects.source import ObjectInfo

SONG = sample_file("flac", 5.3)
ETAG = '"one"'


def agent(system: System) -> Fetch:
    journal = system.journal
    audio, control = journal.of(ObjectAudio), journal.of(Control)
    decoders, loudness = in_process_decoders(), KeptLoudness(system.store)
    live, uplinks = system.live, UplinkSource(journal.of(Uplink))
    backlog = system.no_backlog
    return Fetch(system.objects, audio, control, decoders, backlog, loudness, live, uplinks)


def chunk(name: str) -> Chunk:
    return Chunk(session="s", seq=10, index=0, kind="object", object=name)


async def with_objects(source: MemorySource) -> System:
    return await accepted(system=System(objects=source))


async def test_hosts_that_are_slow_leave_decoders_for_our_own_files() -> None:
    class Slow(MemorySource):
        async def stat(self, name: str) -> ObjectInfo | None:
            return ObjectInfo(10**6, ETAG) if is_web_name(name) else await super().stat(name)

        async def read(self, name: str, start: int, end: int, *, etag: str) -> bytes:
            if is_web_name(name):
                await asyncio.Event().wait()
            return await super().read(name, start, end, etag=etag)

    system = await with_objects(Slow({"song": SONG}))
    fetch, session = agent(system), await system.journal.describe("s")

    def decoding(name: str) -> "asyncio.Task[object]":
        async def chunks() -> AsyncIterator[Chunk]:
            yield chunk(name)

        return asyncio.create_task(anext(fetch(session, chunks())))  # pyright: ignore[reportArgumentType]  # anext gives a coroutine

    slow = [decoding(f"https://slow.example/{number}") for number in range(2 * AT_ONCE)]
    async with asyncio.timeout(30):
        await decoding("song")
    assert not any(task.done() for task in slow)
    for task in slow:
        task.cancel()
    await asyncio.gather(*slow, return_exceptions=True)


async def test_an_object_on_the_web_is_read_no_further_once_its_session_is_cancelled() -> None:
    read: list[str] = []

    class Web(MemorySource):
        async def stat(self, name: str) -> ObjectInfo | None:
            return ObjectInfo(10**6, ETAG)

        async def read(self, name: str, start: int, end: int, *, etag: str) -> bytes:
            read.append(name)
            return SONG[start:end]

    system = await with_objects(Web({}))
    await system.append([Control(session="s", seq=0, verb="cancel", last=True)])
    await system.hand(agent(system), "s", [chunk("https://cdn.example/a?signature=swordfish")])
    (piece,) = await system.records(ObjectAudio, "s/0")
    assert (piece.object_end, piece.error, read) == (True, "cancelled", [])
