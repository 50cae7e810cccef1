"""What every stage wrote in a run without any trouble, for the tests that disturb it."""

import asyncio
from dataclasses import replace

from rhapsode.codecs.records import Request, Session
from rhapsode.storage.memory.log import MemoryLog
from rhapsode.topologies.registry import STAGES as REGISTERED
from rhapsode.topologies.requests import REQUESTS

from .crashes import stored_batches
from .in_memory import contents, fixed_clock_ms
from .undisturbed import Undisturbed, new_system, run_undisturbed
from .waiting import until

STAGES = {stage.name: replace(stage, idle=None) for stage in REGISTERED}
"""Without ticks, so that what an open session gives does not depend on the clock."""
LISTENERS = ("child", "parent")
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
    speech, requests = run_undisturbed(), run_requests()
    asked = {stage.name for stage in REQUESTS.stages}
    return {name: requests if name in asked else speech for name in STAGES}


def run_requests() -> Undisturbed:
    """Answer what two listeners ask: to play, to be asked, to pick by history, and in vain."""

    async def run() -> Undisturbed:
        system = new_system(log=MemoryLog(fixed_clock_ms))
        await system.declare()
        for listener in LISTENERS:
            await system.append([Session(session=listener, last=True, kind="listener", open=True)])
        sessions = tuple(await stored_batches(system.log, Session.TOPIC))
        async with system.running(REQUESTS.stages):
            for listener in LISTENERS:
                await system.append(
                    Request(session=listener, seq=seq, text=text) for seq, text in enumerate(ASKED)
                )
            await until(lambda: system.counts.records == len(LISTENERS) * len(ASKED), 30.0)
        assert system.counts.troubles == []
        return Undisturbed(
            sessions=sessions,
            sources={Request.TOPIC: tuple(await stored_batches(system.log, Request.TOPIC))},
            contents=await contents(
                system.log, *{topic for stage in REQUESTS.stages for topic in stage.topics}
            ),
            files={},
        )

    return asyncio.run(run())
