"""What every stage wrote in a run without any trouble, for the tests that disturb it."""

import asyncio
from dataclasses import replace

from rhapsode.codecs.records import Heard, Request, SequenceRecord, Session
from rhapsode.storage.memory.log import MemoryLog
from rhapsode.topologies.registry import STAGES as REGISTERED
from rhapsode.topologies.requests import REQUESTS
from rhapsode.topologies.stage import Stage

from .crashes import stored_batches
from .in_memory import contents, fixed_clock_ms
from .undisturbed import Undisturbed, new_system, run_undisturbed
from .waiting import until

STAGES = {stage.name: replace(stage, idle=None) for stage in REGISTERED}
"""Without ticks, so that what an open session gives does not depend on the clock."""
LISTENERS = ("child", "parent")
PIECES = ((0, False), (0, True), (2, False), (3, True), (4, True), (5, True))
"""By position: the first one of the utterance, and whether it is the last."""
ASKED = (
    "Play Twinkle Twinkle Little Star",
    "play twinkle twinkle little",
    "number two",
    "play an English song",
    "play an English song",
    "next",
    "Play Hickory Dickory Dock",
)


def run_all() -> dict[str, Undisturbed]:
    """Run all stages; return by stage what its topology's run left."""
    recognise, match = REQUESTS.stages
    speech = run_undisturbed()
    alone = {recognise.name: run_alone(recognise, spoken()), match.name: run_alone(match, asked())}
    return {name: alone.get(name, speech) for name in STAGES}


def asked() -> list[SequenceRecord]:
    """Return what two listeners ask: to play, to be asked, to pick by history, and in vain."""
    return [
        Request(session=listener, seq=seq, text=text)
        for listener in LISTENERS
        for seq, text in enumerate(ASKED)
    ]


def spoken() -> list[SequenceRecord]:
    """Return utterances of two listeners, one of them without its end; nobody recognises them."""
    return [
        Heard(session=listener, seq=seq, first=first, packets=(b"sound",), ended=ended)
        for listener in LISTENERS
        for seq, (first, ended) in enumerate(PIECES)
    ]


def run_alone(stage: Stage, records: list[SequenceRecord]) -> Undisturbed:
    """Have one stage answer listeners."""

    async def run() -> Undisturbed:
        system = new_system(log=MemoryLog(fixed_clock_ms))
        await system.declare()
        for listener in LISTENERS:
            await system.append([Session(session=listener, last=True, kind="listener", open=True)])
        sessions = tuple(await stored_batches(system.log, Session.TOPIC))
        await system.append(records)
        async with system.running((stage,)):
            await until(lambda: system.counts.records == len(records), 30.0)
        assert system.counts.troubles == []
        return Undisturbed(
            sessions=sessions,
            sources={one: tuple(await stored_batches(system.log, one)) for one in stage.sources},
            contents=await contents(system.log, *stage.topics),
            files={},
        )

    return asyncio.run(run())
