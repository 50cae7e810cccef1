"""How fast a finished session is said again from the log, derived again, and verified."""

import asyncio
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bare_encoder
import msgspec
import redis.asyncio
from figures import Measured
from servers import log_server

from rhapsode.agents.frame import WIDE_FRAME_SAMPLES
from rhapsode.agents.journal import Journal
from rhapsode.codecs.audio.pcm import from_bytes
from rhapsode.codecs.device.frames import device_frame, device_window
from rhapsode.codecs.device.opus import RUN_FRAMES, RunEncoder
from rhapsode.codecs.records import AudioFrame, DeviceFrames
from rhapsode.ops.devices.packets import request_packets
from rhapsode.ops.metrics import PrometheusObserver
from rhapsode.ops.services import Services
from rhapsode.ops.settings import Settings
from rhapsode.ops.tools.replay import derive, write
from rhapsode.ops.tools.say import say
from rhapsode.ops.tools.stories import story
from rhapsode.storage.redis.keys import Keys
from rhapsode.topologies.in_memory import running
from rhapsode.topologies.registry import STAGES

NAME = "replay"
ENTRIES_AT_ONCE = 10
"""Read and appended in one step when a session is said again, by us and by the reference."""


async def measure(*, quick: bool) -> Measured:
    """Make a session once, then replay it by each way in turn."""
    rounds = 1 if quick else 3
    with log_server() as (server, folder):
        services = Services(
            Settings(redis_url=server.url, state=folder, voices="espeak", media=folder / "media")
        )
        await services.prepare()
        await services.voice.prepare()
        async with running(STAGES, services, PrometheusObserver()):
            spoken = await say(services, story("lighthouse"))
            # to verify is to make them again, and none are made that nobody asks for
            await request_packets(services.journal, spoken.session_id)
            packets = services.journal.of(DeviceFrames)
            async with asyncio.timeout(60):
                while not (await packets.state(spoken.session_id)).closed:
                    await asyncio.sleep(0.05)
        keys = Keys(services.settings.namespace)
        partition = services.journal.of(AudioFrame).partition(spoken.session_id)
        client: Any = redis.asyncio.Redis.from_url(server.url)
        bare = await BareCopy.of(client, keys.stream(AudioFrame.TOPIC, partition))
        try:
            return await _measured(services, spoken.session_id, bare, rounds)
        finally:
            await client.aclose()
            await services.close()


@dataclass(frozen=True, slots=True)
class BareCopy:
    """The reference of saying again: redis-py that copies a stream's entries as they are."""

    client: Any
    stream: str
    last: bytes
    """Id of the session's last entry; it is alone in the stream when this is made."""

    @classmethod
    async def of(cls, client: Any, stream: str) -> "BareCopy":
        ((last, _),) = await client.xrevrange(stream, count=1)
        return cls(client, stream, last)

    async def copy(self) -> None:
        after = b"-"
        while after != b"(" + self.last:
            rows = await self.client.xrange(self.stream, after, self.last, count=ENTRIES_AT_ONCE)
            pipe = self.client.pipeline(transaction=False)
            for _, fields in rows:
                pipe.xadd("copy", fields)
            await pipe.execute()
            after = b"(" + rows[-1][0]
        await self.client.delete("copy")


async def _measured(services: Services, session: str, bare: BareCopy, rounds: int) -> Measured:
    first = await derive(services.journal, session)
    pcm = b"".join([frame.pcm async for frame in services.journal.of(AudioFrame).stream(session)])
    measured = Measured(NAME, f"a session of {first.audio_s:.0f} s, replayed")
    ways: dict[str, Callable[[], Awaitable[Any]]] = {
        "say": lambda: _say_again(services.journal, session),
        "copy": bare.copy,
        "write": lambda: _write(services, session),
        "verify": lambda: _verify(services, session),
        "encoder": lambda: asyncio.to_thread(bare_encoder.encode, pcm),
        "encoders": lambda: asyncio.to_thread(_bare_encoders, pcm),
    }
    wall: dict[str, list[float]] = {}
    cpu: dict[str, list[float]] = {}
    for _ in range(rounds):
        for name, way in ways.items():
            started = time.perf_counter(), time.process_time()
            await way()
            wall.setdefault(name, []).append(first.audio_s / (time.perf_counter() - started[0]))
            cpu.setdefault(name, []).append(first.audio_s / (time.process_time() - started[1]))
    unit = "x real time"
    alone, both = "bare AAC encoder", "bare AAC and Opus encoders"
    name = "bare redis-py, XRANGE and XADD"
    measured.add("audio said again", unit, wall["say"], name, wall["copy"], ">= 50 x")
    measured.add("derived and written to a folder", unit, wall["write"], alone, wall["encoder"])
    measured.add("verified byte for byte", unit, wall["verify"], alone, wall["encoder"], ">= 0.8")
    measured.add("verified byte for byte", unit, wall["verify"], both, wall["encoders"])
    measured.add("verified, by CPU", unit, cpu["verify"], alone, cpu["encoder"])
    measured.add("verified, by CPU", unit, cpu["verify"], both, cpu["encoders"])
    measured.notes.append(
        "said again: audio frames read from the log and appended for a fresh session; "
        "to verify is to derive segments, playlists and device packets again and to compare all "
        "with log and store; it encodes AAC and Opus, so the second reference does too"
    )
    return measured


_copies = iter(range(1_000_000))


async def _say_again(journal: Journal, session: str) -> None:
    """Append the session's audio frames to the sequence of a fresh session."""
    frames = journal.of(AudioFrame)
    copy = f"copy-{next(_copies)}"
    described = (await journal.describe(session)).record
    await journal.append(msgspec.structs.replace(described, session=copy))
    at, last = 0, False
    while not last:
        records = await frames.records(session, at, limit=ENTRIES_AT_ONCE)
        await journal.append(*(msgspec.structs.replace(each, session=copy) for each in records))
        at, last = records[-1].end, records[-1].last
    if await frames.state(copy) != await frames.state(session):
        raise AssertionError("the copy is not whole")


async def _write(services: Services, session: str) -> None:
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        await write(services.journal, session, Path(folder))


async def _verify(services: Services, session: str) -> None:
    found = (await derive(services.journal, session, store=services.store)).differences
    if found:
        raise AssertionError("; ".join(found))


def _bare_encoders(pcm: bytes) -> None:
    """Encode AAC, and the device's 16 kHz Opus, with nothing around."""
    bare_encoder.encode(pcm)
    margin = -device_window(0)[0]
    padded = from_bytes(bytes(2 * margin) + pcm + bytes(2 * (margin + WIDE_FRAME_SAMPLES)))
    run = RunEncoder(0)
    for number in range(-(-len(pcm) // 2 // WIDE_FRAME_SAMPLES)):
        if number % RUN_FRAMES == 0:
            run = RunEncoder(number // RUN_FRAMES)
        for frame in range(run.first_needed, number + 1):  # more than one where a run begins
            start, stop = device_window(frame)
            run.encode(frame, device_frame(padded[start + margin : stop + margin]))
