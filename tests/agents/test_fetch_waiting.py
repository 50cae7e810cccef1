"""Objects that wait for mastering: no decoder is theirs alone meanwhile."""

import asyncio
from pathlib import Path

import numpy as np
from sample_audio import decoded, sample_file
from standins.in_memory import System
from standins.waiting import until

from rhapsode.agents.backlog import Backlog
from rhapsode.agents.decoders.isolated import Decoders
from rhapsode.agents.fetch import Fetch
from rhapsode.agents.kept_loudness import KeptLoudness
from rhapsode.agents.uplink_source import UplinkSource
from rhapsode.codecs.records import AudioFrame, Chunk, Control, Event, ObjectAudio, Uplink
from rhapsode.codecs.session import Pace
from rhapsode.storage.objects.folder_source import FolderSource

SONG = sample_file("flac", 5.3)


def agent(system: System, decoders: Decoders, backlog: Backlog) -> Fetch:
    journal = system.journal
    audio, control = journal.of(ObjectAudio), journal.of(Control)
    loudness, uplinks = KeptLoudness(system.store), UplinkSource(journal.of(Uplink))
    return Fetch(system.objects, audio, control, decoders, backlog, loudness, system.live, uplinks)


async def test_who_waits_for_mastering_keeps_nobody_waiting_for_a_decoder(tmp_path: Path) -> None:
    (tmp_path / "song").write_bytes(SONG)
    system = System(objects=FolderSource(tmp_path))
    names = ("paced", "next")
    for name in names:
        await system.describe(name, pace=Pace(ahead_s=5.0))
    decoders, journal = Decoders(at_once=1), system.journal
    backlog = Backlog(journal.of(Event), journal.of(AudioFrame), most_pieces=4)
    fetch = agent(system, decoders, backlog)
    tasks = [
        asyncio.create_task(
            system.hand(
                fetch, name, [Chunk(session=name, seq=0, index=0, kind="object", object="song")]
            )
        )
        for name in names
    ]
    for name in names:  # though nobody listens to the other one

        async def begun(name: str = name) -> bool:
            return len(await system.records(ObjectAudio, f"{name}/0")) >= 4

        await until(begun)
    assert not any(task.done() for task in tasks)
    for name in names:
        mastered = {"first_sample": 0, "samples": 1, "pcm": bytes(2), "piece": 1_000}
        await system.append([AudioFrame(session=name, **mastered)])  # pyright: ignore[reportArgumentType]  # a mix of types by name
    await asyncio.gather(*tasks)
    await decoders.close()
    for name in names:
        pieces = await system.records(ObjectAudio, f"{name}/0")
        samples = np.frombuffer(b"".join(piece.pcm for piece in pieces), "<i2")
        assert np.array_equal(samples, decoded(SONG))
