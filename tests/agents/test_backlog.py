"""What is sounded waits for mastering where it is far ahead, and never for ever."""

import asyncio
from collections.abc import AsyncIterator

from standins.in_memory import System, accepted
from standins.master_items import agent
from standins.mastered_speech import Piece, speech_of
from standins.waiting import until

from rhapsode.agents.backlog import MOST_CHUNKS, Backlog, PackingBacklog
from rhapsode.codecs.records import AudioFrame, Event, Segment, Speech
from rhapsode.topologies.registry import stages_named

TEXT = "This is a sentence of its own, and it is not a short one. " * 60


def backlog_of(system: System, most_pieces: int = 4) -> Backlog:
    journal = system.journal
    return Backlog(journal.of(Event), journal.of(AudioFrame), most_pieces=most_pieces)


def mastered(seq: int, *, last: bool = False) -> Event:
    return Event(session="s", stage="master", seq=seq, kind="chunk", last=last)


async def test_the_first_chunks_never_wait() -> None:
    system = System()
    for seq in range(MOST_CHUNKS):
        await backlog_of(system).chunk("s", seq)


async def test_a_chunk_waits_until_mastering_is_near_and_no_longer() -> None:
    system = System()
    await system.describe()
    waiting = asyncio.create_task(backlog_of(system).chunk("s", MOST_CHUNKS + 1))
    for seq in range(2):
        assert not waiting.done()
        await system.append([mastered(seq)])
    await until(waiting.done)


async def test_nothing_waits_for_a_session_that_has_ended() -> None:
    system = System()
    await system.describe()
    waiting = asyncio.create_task(backlog_of(system).chunk("s", 500))
    await system.append([mastered(0, last=True)])
    await until(waiting.done)


async def test_a_piece_waits_until_its_chapter_is_mastered_that_far() -> None:
    system = System()
    await system.describe()
    tasks = [
        asyncio.create_task(backlog_of(system).piece("s", chapter, piece))
        for chapter, piece in ((0, 5), (1, 5), (0, 3))
    ]
    await until(tasks[2].done)

    def frame(number: int, chapter: int, piece: int) -> AudioFrame:
        return AudioFrame(
            session="s", first_sample=number, samples=1, pcm=bytes(2), chapter=chapter, piece=piece
        )

    await system.append([frame(0, 0, 1)])
    assert not tasks[0].done()
    await system.append([frame(1, 0, 2)])
    await until(tasks[0].done)
    assert not tasks[1].done()
    await system.append([frame(2, 1, 4)])
    await until(tasks[1].done)


async def test_a_record_is_done_though_a_voice_is_always_a_little_ahead() -> None:
    """Else it would be in hand, and in memory, for as long as the session goes on."""
    full = await accepted()
    story: list[Piece] = [(f"Number {number}.", "sentence") for number in range(30)]
    spoken = await speech_of(full, [*story, ("", "end")])
    system = await accepted()
    await system.append(spoken[:2])
    asked: list[int] = []

    async def delivered() -> AsyncIterator[Speech]:
        for record in spoken:
            asked.append((await system.journal.of(Event).state("s/master")).next)
            yield record

    coming = iter(spoken[2:])
    outputs = agent(system)(await system.journal.describe("s"), delivered())
    async for output in outputs:
        await system.append(output)
        if any(isinstance(record, Event) for record in output):  # one chunk for each
            await system.append([record for record in [next(coming, None)] if record is not None])
    ahead = [mastered - number for number, mastered in enumerate(asked)]
    assert max(ahead) <= 3
    assert (await system.journal.of(AudioFrame).state("s")).closed


async def test_a_voice_is_never_many_chunks_ahead_of_what_is_mastered() -> None:
    system = System()
    async with system.running(stages_named(("split", "speak"))):
        await system.narrate(TEXT)

        async def spoken() -> int:
            return (await system.journal.of(Speech).state("s/0")).next

        async def enough() -> bool:
            return await spoken() >= MOST_CHUNKS

        await until(enough, 20)
        assert await spoken() == MOST_CHUNKS
    async with system.running():
        await system.finished("s")
    await system.check("s")
    assert await spoken() > 2 * MOST_CHUNKS


def packed(number: int, *, last: bool = False) -> Segment:
    return Segment(
        session="s", number=number, first_frame=94 * number, frames=94, size_bytes=1, last=last
    )


async def packing_of(system: System, stands_still_s: float = 60.0) -> PackingBacklog:
    journal = system.journal
    description = await journal.describe("s")
    return PackingBacklog(description, journal.of(Segment), 4.0, stands_still_s)


async def test_mastering_waits_until_packing_is_near_and_no_longer() -> None:
    system = await accepted()
    backlog = await packing_of(system)
    await backlog.sample(4 * 48_000)
    waiting = asyncio.create_task(backlog.sample(5 * 48_000))
    for number in range(3):  # segments of a ramp: of 0.2, 0.4 and 0.9 s
        done, _ = await asyncio.wait({waiting}, timeout=0.1)
        assert not done
        await system.append([packed(number)])
    await until(waiting.done)


async def test_mastering_does_not_wait_for_what_is_packed_to_its_end() -> None:
    system = await accepted()
    await system.append([packed(0, last=True)])
    await (await packing_of(system)).sample(3_600 * 48_000)


async def test_mastering_goes_on_where_packing_stands_still_until_that_goes_on() -> None:
    system = await accepted()
    backlog = await packing_of(system, stands_still_s=0.05)
    for second in range(5, 10):
        await backlog.sample(second * 48_000)
    await system.append([packed(number) for number in range(2)])
    waiting = asyncio.create_task(backlog.sample(3_600 * 48_000))
    await until(waiting.done)  # it has stood still again


async def test_a_voice_that_is_far_ahead_speaks_one_chunk_at_a_time() -> None:
    system = await accepted()
    waiting = asyncio.create_task(backlog_of(system).chunk("s", MOST_CHUNKS))
    await system.append([mastered(0)])
    await until(waiting.done)
    assert await backlog_of(system).chunk("s", MOST_CHUNKS) is False
