"""An encoder is held for a run that is all there, or that is due; else the log has its audio."""

import asyncio
from collections.abc import AsyncIterator
from weakref import WeakSet

import numpy as np
import pytest
from standins.in_memory import System, accepted
from standins.waiting import until

from rhapsode.agents import pack
from rhapsode.agents.pack import Pack, grid_of
from rhapsode.codecs.hls.aac import LOOK_AHEAD_FRAMES, RunEncoder
from rhapsode.codecs.hls.grid import AAC_FRAME_SAMPLES, RUN_SEGMENTS
from rhapsode.codecs.records import AudioFrame, Segment
from rhapsode.codecs.session import Form

FORM = Form(segment_s=1.0)
GRID = grid_of(FORM)
PIECE = 24_000


class CountedEncoder(RunEncoder):
    """An encoder that is known of for as long as it is in memory."""

    def __init__(self, *args: object, **options: object) -> None:
        super().__init__(*args, **options)  # pyright: ignore[reportArgumentType]  # passed on
        alive.add(self)


alive: "WeakSet[RunEncoder]" = WeakSet()


def end_of_run(run: int) -> int:
    """Return the sample up to which audio is needed for a run's last segment."""
    return (GRID.start((run + 1) * RUN_SEGMENTS) + LOOK_AHEAD_FRAMES) * AAC_FRAME_SAMPLES


def audio(first: int, end: int) -> list[AudioFrame]:
    samples = np.random.default_rng(1).integers(-8_000, 8_000, end).astype("<i2")
    return [
        AudioFrame(
            session="s",
            first_sample=start,
            samples=min(PIECE, end - start),
            pcm=samples[start : min(end, start + PIECE)].tobytes(),
        )
        for start in range(first, end, PIECE)
    ]


class Packing:
    """A session whose audio comes when it is told to."""

    def __init__(self, system: System) -> None:
        self.system = system
        self.coming: asyncio.Queue[AudioFrame] = asyncio.Queue()
        self.first = 0

    async def hear(self, end: int) -> None:
        frames = audio(self.first, end)
        await self.system.append(frames)
        self.first = frames[-1].end
        for frame in frames:
            self.coming.put_nowait(frame)

    async def run(self) -> None:
        async def frames() -> AsyncIterator[AudioFrame]:
            while True:
                yield await self.coming.get()

        journal = self.system.journal
        agent = Pack(
            self.system.store,
            self.system.codec_turns,
            journal.of(AudioFrame),
            journal.of(Segment),
        )
        async for output in agent(await journal.describe("s"), frames()):
            await self.system.append(output)

    async def segments(self) -> int:
        return (await self.system.journal.of(Segment).state("s")).next


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> None:
    alive.clear()
    monkeypatch.setattr(pack, "RunEncoder", CountedEncoder)
    monkeypatch.setattr(pack, "LOOK_S", 0.01)


@pytest.mark.usefixtures("counted")
async def test_a_run_that_is_well_ahead_is_begun_once_all_of_its_audio_is_there() -> None:
    packing = Packing(await accepted(form=FORM))
    task = asyncio.create_task(packing.run())
    half = (end_of_run(1) + end_of_run(2)) // 2
    await packing.hear(half)

    async def have_two_runs_and_no_encoder() -> bool:
        return await packing.segments() == 2 * RUN_SEGMENTS and not alive

    await until(have_two_runs_and_no_encoder, 60)
    await packing.hear(end_of_run(2))

    async def have_three_runs() -> bool:
        return await packing.segments() == 3 * RUN_SEGMENTS

    await until(have_three_runs, 60)
    task.cancel()


@pytest.mark.usefixtures("counted")
async def test_a_run_that_is_due_is_begun_with_what_there_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    packing = Packing(await accepted(form=FORM))
    task = asyncio.create_task(packing.run())
    await packing.hear((end_of_run(1) + end_of_run(2)) // 2)

    async def have_two_runs() -> bool:
        return await packing.segments() >= 2 * RUN_SEGMENTS

    await until(have_two_runs, 60)
    monkeypatch.setattr(pack, "BEGINS_S", 1e9)  # as if time had passed

    async def have_more() -> bool:
        return await packing.segments() > 2 * RUN_SEGMENTS and len(alive) == 1

    await until(have_more, 60)
    task.cancel()
