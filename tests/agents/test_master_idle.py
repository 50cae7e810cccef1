"""An open session without items: silence lets the last words out, and goes on for listeners."""

from standins.in_memory import accepted
from standins.master_items import RATE_HZ, RUN_OUT, agent, end, live, orders, spoken

from rhapsode.agents.idle import Idle
from rhapsode.agents.mastering import MARGIN_S
from rhapsode.codecs.hls.grid import AAC_FRAME_SAMPLES, Grid
from rhapsode.codecs.records import (
    AudioFrame,
    Chunk,
    Control,
)


async def test_when_items_run_out_silence_completes_the_segment_of_the_last_words() -> None:
    system = await live([spoken(0), Idle(0.1), RUN_OUT, RUN_OUT, Idle(30.0)], open=True)
    frames = await system.records(AudioFrame, "s")
    heard = [frame for frame in frames if frame.chunk == 0][-1].end
    quiet = [frame for frame in frames if frame.chunk < 0]
    assert not any(any(frame.pcm) for frame in quiet)
    grid = Grid(segment_s=system.form.segment_s)
    segment = grid.segment_of((heard - 1) // AAC_FRAME_SAMPLES)
    full = grid.start(segment + 1) * AAC_FRAME_SAMPLES
    assert frames[-1].end == full + int(MARGIN_S * RATE_HZ)


async def test_no_silence_is_put_in_while_a_voice_or_a_decoder_is_at_work() -> None:
    system = await accepted(open=True)
    chunk = Chunk(session="s", seq=1, index=1, text="Being spoken.")
    await system.append([Chunk(session="s", seq=0, index=0, text="Number 0."), chunk, spoken(0)])
    await system.hand(agent(system), "s", [spoken(0), RUN_OUT, Idle(30.0)])
    assert all(frame.chunk == 0 for frame in await system.records(AudioFrame, "s"))


async def test_silence_that_was_put_in_is_not_put_in_again_by_the_next_worker() -> None:
    system = await live([spoken(0), RUN_OUT], open=True)
    before = await orders(system)
    await system.hand(agent(system), "s", [spoken(0), RUN_OUT, RUN_OUT])
    assert await orders(system) == before


async def test_silence_goes_on_while_somebody_listens_and_ends_with_the_next_words() -> None:
    listening = Control(session="s", seq=0, verb="listening")
    system = await live([spoken(0), RUN_OUT], open=True)
    quiet = (await system.records(AudioFrame, "s"))[-1].end
    await system.append([listening])
    records = [listening, *[RUN_OUT] * 3]
    await system.hand(agent(system), "s", records)
    longer = (await system.records(AudioFrame, "s"))[-1].end
    assert quiet < longer < quiet + 3 * system.form.segment_s * RATE_HZ
    await system.append([spoken(1), end(2)])
    await system.hand(agent(system), "s", [spoken(1), end(2)])
    frames, _ = await system.whole("s")
    assert next(frame for frame in frames if frame.text == "Number 1.").first_sample == longer


async def test_an_open_session_without_a_sound_yet_stays_so() -> None:
    assert await orders(await live([RUN_OUT, Idle(30.0)], open=True)) == []
