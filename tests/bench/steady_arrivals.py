"""Texts that arrive steadily, at four fifths of what the machine can make: how soon each sounds."""

import asyncio
import random
import time

from figures import Measured, percentile
from heard import Heard, alone, heard_of, until_ended
from servers import System, system
from speech import said_alone_ms, short_texts

from rhapsode.agents.voices.piper import PiperVoice
from rhapsode.codecs.records import Chunk

NAME = "steady-arrivals"
ALONE = 9
AT_ONCE, QUICK_AT_ONCE = 90, 20
"""Texts whose production at once shows what the machine can make."""
FOR_S, QUICK_FOR_S = 600.0, 30.0
LOAD = 0.8
SEED = 8


async def measure(*, quick: bool) -> Measured:
    """Post texts one after another, then at once, then at random moments for ten minutes."""
    for_s = QUICK_FOR_S if quick else FOR_S
    measured = Measured(NAME, f"two sentences, Piper, {for_s:.0f} s at {LOAD:.0%} of capacity")
    async with system(voices="piper") as running:
        before = [await alone(running, text) for text in short_texts(ALONE)]
        rate = LOAD * await _capacity(running, QUICK_AT_ONCE if quick else AT_ONCE)
        sessions = await _arrive(running, rate, for_s)
        found = [await heard_of(running, session) for session in sessions]
        longest_ms = await _longest_chunk_ms(running, sessions)
    _report(measured, before, found, longest_ms, rate)
    measured.notes.append(
        "by the log's time stamps, from the acceptance of a text to its first segment; moments of "
        "arrival: a Poisson process; longest chunk: the longest text of all chunks, said by the "
        "voice alone on the idle machine; capacity: sessions a second where many come at once"
    )
    return measured


async def _capacity(running: System, count: int) -> float:
    """Return how many of these texts the system makes in a second."""
    begun_s = time.monotonic()
    texts = short_texts(count)
    sessions = await asyncio.gather(*(running.start(text) for text in texts))
    await until_ended(running, sessions)
    return count / (time.monotonic() - begun_s)


async def _arrive(running: System, rate: float, for_s: float) -> list[str]:
    """Post texts at moments that do not follow from how the system fares; wait for their ends."""
    chance = random.Random(SEED)
    loop, posted = asyncio.get_running_loop(), list[asyncio.Task[str]]()
    texts = iter(short_texts(int(2 * rate * for_s) + 10))
    at_s = begun_s = loop.time()
    while (at_s := at_s + chance.expovariate(rate)) < begun_s + for_s:
        await asyncio.sleep(at_s - loop.time())
        posted.append(asyncio.create_task(running.start(next(texts))))
    sessions = await asyncio.gather(*posted)
    await until_ended(running, sessions)
    return list(sessions)


async def _longest_chunk_ms(running: System, sessions: list[str]) -> float:
    journal = running.services.journal.of(Chunk)
    chunks = [
        chunk.text for one in sessions for chunk in await journal.records(f"{one}/0", 0) if chunk
    ]
    longest = max(chunks, key=len)
    voice = PiperVoice()
    await voice.prepare()
    await said_alone_ms(voice, longest)  # its first time takes longer
    try:
        return min([await said_alone_ms(voice, longest) for _ in range(3)])
    finally:
        await voice.close()


def _report(
    measured: Measured, before: list[Heard], found: list[Heard], longest_ms: float, rate: float
) -> None:
    idle = [one.sounds_ms for one in before]
    first = [one.sounds_ms for one in found if one.published]
    measured.add("acceptance to first segment, median", "ms", first, "alone", idle)
    bound_ms = 2 * percentile(idle, 0.5) + longest_ms
    p95_ms = percentile(first, 0.95)
    measured.add("  p95", "ms", [p95_ms], "2 x alone + longest chunk", [bound_ms], "< 1")
    measured.add("  of it in line, p95", "ms", [percentile([o.waited_ms for o in found], 0.95)])
    measured.add("  p99", "ms", [percentile(first, 0.99)])
    measured.add("longest chunk, voice alone", "ms", [longest_ms])
    dry = [one.dry_s() for one in found if one.published]
    measured.add("ran dry", "sessions", [sum(one > 0.001 for one in dry)], wanted="0")
    measured.add("  for at most", "s", [max(dry)])
    measured.add("failed", "sessions", [sum(bool(one.error) for one in found)], wanted="0")
    measured.add("texts", "", [len(found)])
    measured.add("texts a second", "1/s", [rate])
